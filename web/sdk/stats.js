// What the browser measures on one connection, in the few figures that people ask for.

/**
 * @typedef {object} StreamStats
 * @property {number} bitrate bits a second since the last call
 * @property {number} framesPerSecond
 * @property {number} frameWidth
 * @property {number} frameHeight
 * @property {string} codec of the video, or of the audio if there is no video
 * @property {number} packetsLost
 * @property {number | null} roundTripTime milliseconds
 * @property {number | null} jitterBufferDelay milliseconds a frame, since the last call
 * @property {string} candidateType of the path in use at our end: host, srflx, prflx, relay
 * @property {string} protocol of that path: udp or tcp
 * @property {Path} path how media gets to the node and back
 */

/** @typedef {'UDP' | 'ICE-TCP' | 'TURN/UDP' | 'TURN/TCP' | 'TURN/TLS' | ''} Path `''`: unknown */

/** @typedef {Map<string, any>} Report */

/**
 * @param {Report} report what `RTCPeerConnection.getStats` answered
 * @param {Report | undefined} before the previous one
 * @returns {StreamStats}
 */
export function summary(report, before) {
  const rtp = [...report.values()].filter(isMedia);
  const video = rtp.find(({ kind }) => kind === 'video') ?? {};
  const pair = selectedPair(report);
  const local = report.get(pair?.localCandidateId);
  const codec = report.get(video.codecId ?? rtp[0]?.codecId)?.mimeType ?? '';
  return {
    bitrate: sum(rtp.map((each) => bitrate(each, before?.get(each.id)))),
    framesPerSecond: video.framesPerSecond ?? 0,
    frameWidth: video.frameWidth ?? 0,
    frameHeight: video.frameHeight ?? 0,
    codec: codec.split('/')[1] ?? '',
    packetsLost: packetsLost(report),
    roundTripTime: milliseconds(pair?.currentRoundTripTime),
    jitterBufferDelay: jitterBufferDelay(video, before?.get(video.id)),
    candidateType: local?.candidateType ?? '',
    protocol: local?.protocol ?? '',
    path: pathOf(report),
  };
}

/**
 * @param {Report} report
 * @returns {boolean} whether a frame has come out of the decoder
 */
export function hasPicture(report) {
  const inbound = [...report.values()].filter(({ type }) => type === 'inbound-rtp');
  return inbound.some(({ framesDecoded }) => framesDecoded > 0);
}

/** @param {Report} report */
export function bytesReceived(report) {
  const inbound = [...report.values()].filter(({ type }) => type === 'inbound-rtp');
  return sum(inbound.map((entry) => entry.bytesReceived ?? 0));
}

/** @type {Record<string, Path>} */
const DIRECT = { udp: 'UDP', tcp: 'ICE-TCP' };
/** @type {Record<string, Path>} */
const RELAYED = { udp: 'TURN/UDP', tcp: 'TURN/TCP', tls: 'TURN/TLS' };

/**
 * @param {Report} report
 * @returns {Path}
 */
export function pathOf(report) {
  const local = report.get(selectedPair(report)?.localCandidateId);
  // A relayed candidate speaks UDP to the node, however we speak to the relay.
  const relayed = local?.relayProtocol || local?.candidateType === 'relay';
  return (relayed ? RELAYED[local.relayProtocol] : DIRECT[local?.protocol]) ?? '';
}

/** @param {any} entry */
function isMedia({ type }) {
  return type === 'inbound-rtp' || type === 'outbound-rtp';
}

/** @param {Report} report */
function selectedPair(report) {
  const entries = [...report.values()];
  const transport = entries.find(({ type }) => type === 'transport');
  const selected = report.get(transport?.selectedCandidatePairId);
  // Firefox has no transport entry, and marks the pair itself.
  return selected ?? entries.find(({ type, selected }) => type === 'candidate-pair' && selected);
}

/**
 * @param {any} entry
 * @param {any} before
 */
function bitrate(entry, before) {
  const seconds = (entry.timestamp - before?.timestamp) / 1000;
  if (!(seconds > 0)) return 0;
  const bytes = (/** @type {any} */ each) => each.bytesReceived ?? each.bytesSent ?? 0;
  return ((bytes(entry) - bytes(before)) * 8) / seconds;
}

/**
 * A publisher's losses are known to the node, which reports them back.
 * @param {Report} report
 */
function packetsLost(report) {
  const counted = [...report.values()].filter(
    ({ type }) => type === 'inbound-rtp' || type === 'remote-inbound-rtp',
  );
  return sum(counted.map((entry) => entry.packetsLost ?? 0));
}

/**
 * @param {any} video
 * @param {any} before
 */
function jitterBufferDelay(video, before) {
  const frames = video.jitterBufferEmittedCount - (before?.jitterBufferEmittedCount ?? 0);
  const seconds = video.jitterBufferDelay - (before?.jitterBufferDelay ?? 0);
  return frames > 0 ? (seconds / frames) * 1000 : null;
}

/** @param {number | undefined} seconds */
function milliseconds(seconds) {
  return seconds === undefined ? null : seconds * 1000;
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
