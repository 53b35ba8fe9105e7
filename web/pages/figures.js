// What the browser measures on a stream, in one line for people.

/** @param {import('../sdk/stats.js').StreamStats} stats */
export function figures(stats) {
  const parts = [
    `${(stats.bitrate / 1e6).toFixed(2)} Mbit/s`,
    stats.frameHeight && `${stats.frameWidth}×${stats.frameHeight}`,
    stats.framesPerSecond && `${Math.round(stats.framesPerSecond)} fps`,
    stats.codec,
    stats.roundTripTime !== null && `rtt ${Math.round(stats.roundTripTime)} ms`,
    stats.jitterBufferDelay !== null && `buffer ${stats.jitterBufferDelay.toFixed(1)} ms`,
    `lost ${stats.packetsLost}`,
  ];
  const written = parts.filter((part) => typeof part === 'string' && part !== '');
  // Lines may break between figures, not within one.
  return written.map((part) => String(part).replaceAll(' ', '\u00a0')).join('  ');
}
