// Runs in a page before its own scripts: remembers the connections that the page opens, and
// measures the picture. It must not use anything outside the function.

/** Leaves `window.spy` behind. */
export function spy() {
  const connections = [];
  const sockets = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) {
      super(...given);
      connections.push(this);
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  };

  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const newest = () => connections.findLast((each) => each.connectionState === 'connected');

  /** The inbound streams of the newest connection that stands. */
  async function inbound() {
    const report = await newest()?.getStats();
    const all = [...(report?.values() ?? [])].filter(({ type }) => type === 'inbound-rtp');
    const of = (wanted) => {
      const found = all.find(({ kind }) => kind === wanted);
      return found && { ...found, codec: report.get(found.codecId)?.mimeType };
    };
    const { video, audio } = { video: of('video'), audio: of('audio') };
    const quality = document.getElementById('remote')?.getVideoPlaybackQuality();
    const shown = quality ? quality.totalVideoFrames - quality.droppedVideoFrames : 0;
    return { video, audio, shown };
  }

  /** How many frames the newest connection's cameras have encoded, of the best layer. */
  async function encoded() {
    const report = await newest()?.getStats();
    const all = [...(report?.values() ?? [])].filter(({ type }) => type === 'outbound-rtp');
    return Math.max(0, ...all.map(({ framesEncoded }) => framesEncoded ?? 0));
  }

  function look(context, video) {
    const { width, height } = context.canvas;
    context.drawImage(video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    let hash = 0;
    let luminance = 0;
    for (let at = 0; at < data.length; at += 4) {
      const [red, green, blue] = data.subarray(at, at + 3);
      hash = (Math.imul(hash, 31) + red * 65_536 + green * 256 + blue) | 0;
      luminance += 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    }
    return { hash, luminance: luminance / (width * height) };
  }

  const grown = (before, after, name) => (after?.[name] ?? 0) - (before?.[name] ?? 0);

  /** What somebody in front of the player sees and hears for so long. */
  async function watch(seconds) {
    const remote = document.getElementById('remote');
    const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const looks = [];
    const before = await inbound();
    const start = performance.now();
    while (performance.now() - start < seconds * 1000) {
      looks.push(look(context, remote));
      await sleep(250);
    }
    const elapsed = (performance.now() - start) / 1000;
    const after = await inbound();
    const [was, is] = [before.video, after.video];
    const emitted = grown(was, is, 'jitterBufferEmittedCount');
    return {
      codec: is?.codec,
      size: `${remote.videoWidth}x${remote.videoHeight}`,
      decoded: grown(was, is, 'framesDecoded') / elapsed,
      shown: (after.shown - before.shown) / elapsed,
      pictures: new Set(looks.map(({ hash }) => hash)).size,
      looks: looks.length,
      darkest: Math.min(...looks.map(({ luminance }) => luminance)),
      freezes: grown(was, is, 'freezeCount'),
      frozen: grown(was, is, 'totalFreezesDuration'),
      lost: grown(was, is, 'packetsLost') + grown(before.audio, after.audio, 'packetsLost'),
      audioPackets: grown(before.audio, after.audio, 'packetsReceived'),
      audioEnergy: grown(before.audio, after.audio, 'totalAudioEnergy'),
      buffer: emitted ? (grown(was, is, 'jitterBufferDelay') / emitted) * 1000 : null,
    };
  }

  /** What the newest connection that stands has agreed on with its node; null: none stands. */
  async function agreed() {
    const connection = newest();
    if (!connection) return null;
    const report = await connection.getStats();
    const transport = [...report.values()].find(({ type }) => type === 'transport');
    const [, ufrag] = /^a=ice-ufrag:(.*)$/m.exec(connection.localDescription.sdp);
    return {
      connection: connections.indexOf(connection),
      ufrag,
      cipher: transport?.srtpCipher,
      certificate: report.get(transport?.remoteCertificateId)?.fingerprint,
    };
  }

  /** Ends every WebSocket, as a proxy does that is restarted. */
  function loseSockets() {
    // 1000 would be the page's own goodbye.
    sockets.forEach((socket) => socket.close(4000));
  }

  /** Where the newest open WebSocket leads. */
  function node() {
    const open = sockets.filter(({ readyState }) => readyState === WebSocket.OPEN);
    return open.length > 0 ? new URL(open.at(-1).url).host : null;
  }

  /** What of the sound was played last, and when. */
  function sound() {
    const receivers = connections.at(-1)?.getReceivers() ?? [];
    return receivers.find(({ track }) => track.kind === 'audio')?.getSynchronizationSources()[0];
  }

  let firstFrame = null;
  let lastFrame = null;
  let longestGap = 0;
  document.addEventListener('DOMContentLoaded', () => {
    const remote = document.getElementById('remote');
    const onFrame = (now) => {
      firstFrame ??= now;
      longestGap = Math.max(longestGap, now - (lastFrame ?? now));
      lastFrame = now;
      remote.requestVideoFrameCallback(onFrame);
    };
    remote?.requestVideoFrameCallback?.(onFrame);
  });

  /** The longest time without a new picture since the last call, in milliseconds. */
  function gap() {
    const longest = Math.max(longestGap, performance.now() - (lastFrame ?? 0));
    longestGap = 0;
    return longest;
  }

  window.spy = {
    watch, inbound, encoded, agreed, loseSockets, node, sound, gap, firstFrame: () => firstFrame,
  };
}
