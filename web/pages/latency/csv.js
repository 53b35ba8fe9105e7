// What was measured, for spreadsheets.

/** @typedef {import('./statistics.js').Sample} Sample */

/** @param {Sample[]} samples */
export function csv(samples) {
  const lines = samples.map(({ time, latency }) => `${iso(time)},${latency.toFixed(1)}`);
  return `${['time,latency_ms', ...lines].join('\n')}\n`;
}

/** @param {string | null} route in words; what would trouble a file system becomes a dash */
export function fileName(route) {
  const words = (route ?? '').toLowerCase().match(/[\p{L}\p{N}.]+/gu) ?? [];
  return `${['latency', ...words].join('-')}.csv`;
}

/** @param {number} time */
function iso(time) {
  return new Date(time).toISOString();
}
