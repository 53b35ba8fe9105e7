// How tracks are offered: the codec, the header extensions, what gives way on a narrow line.

import { codecNotOffered } from './errors.js';

/** @typedef {import('./world.js').World} World */

/** Header extensions that browsers have, but do not ask for by themselves. */
const EXTENSIONS = [
  // With the capture time in the packets a viewer can tell how old its picture is.
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  // Without it browsers decode of AV1 in layers the lowest one alone.
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
];

/** The H.264 that every browser decodes: constrained baseline, level 3.1. */
const H264_PROFILE = '42e01f';

/** Repairs and resilience that travel beside the codec proper. */
const HELPERS = new Set(['video/rtx', 'video/red', 'video/ulpfec', 'video/flexfec-03']);

/** Lines of a camera's picture from which on layers of a quarter and of a half are worth it. */
const LAYERED_LINES = 540;
/** From the smallest on; of three frame rates in each, the lower two go without the rest. */
const LAYERS = [
  { rid: '0', scaleResolutionDownBy: 4, maxBitrate: 160_000, scalabilityMode: 'L1T3' },
  { rid: '1', scaleResolutionDownBy: 2, maxBitrate: 600_000, scalabilityMode: 'L1T3' },
  { rid: '2', scaleResolutionDownBy: 1, maxBitrate: 2_500_000, scalabilityMode: 'L1T3' },
];
/** The same in one stream, where one layer needs the one below in keyframes alone. */
const SCALABLE = [{ maxBitrate: 2_500_000, scalabilityMode: 'L3T3_KEY' }];
/** How browsers send the layers of a codec. @type {Record<string, RTCRtpEncodingParameters[]>} */
const ENCODINGS = { VP8: LAYERS, H264: LAYERS, VP9: SCALABLE, AV1: SCALABLE };

/**
 * @param {World} world
 * @param {RTCPeerConnection} connection
 * @param {MediaStream} source
 * @param {string} codec of the video: VP8, H264, VP9, AV1
 */
export async function addSenders(world, connection, source, codec) {
  for (const track of source.getTracks()) {
    if (track.kind === 'video') track.contentHint ||= 'motion';
    const transceiver = connection.addTransceiver(track, {
      direction: 'sendonly',
      streams: [source],
      ...layers(track, codec),
    });
    turnOnExtensions(transceiver);
    if (track.kind !== 'video') continue;
    transceiver.setCodecPreferences(codecPreferences(world.senderCodecs('video'), codec));
    await balanceDegradation(transceiver.sender);
  }
}

/**
 * Viewers on narrow lines, or with small windows, get the smaller pictures of a large camera.
 * @param {MediaStreamTrack} track
 * @param {string} codec
 * @returns {RTCRtpTransceiverInit}
 */
function layers(track, codec) {
  const lines = track.kind === 'video' ? (track.getSettings?.().height ?? 0) : 0;
  const encodings = lines >= LAYERED_LINES ? ENCODINGS[codec.toUpperCase()] : undefined;
  return encodings ? { sendEncodings: encodings.map((encoding) => ({ ...encoding })) } : {};
}

/**
 * @param {RTCPeerConnection} connection
 * @param {('audio' | 'video')[]} kinds
 */
export function addReceivers(connection, kinds) {
  for (const kind of kinds) {
    turnOnExtensions(connection.addTransceiver(kind, { direction: 'recvonly' }));
  }
}

/**
 * Only the chosen codec and its retransmissions, so that the node has nothing else to choose.
 * @param {RTCRtpCodec[]} codecs
 * @param {string} codec
 */
export function codecPreferences(codecs, codec) {
  const chosen = codecs.filter((each) => nameOf(each) === codec.toUpperCase());
  if (chosen.length === 0) throw codecNotOffered(codec, videoCodecs(codecs));
  const rtx = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === 'video/rtx');
  // The sort is stable: what the browser likes better stays in front among equals.
  return [...chosen.sort((one, other) => h264Rank(one) - h264Rank(other)), ...rtx];
}

/**
 * @param {RTCRtpCodec[]} codecs
 * @returns {string[]} the names of real video codecs, each once
 */
export function videoCodecs(codecs) {
  const real = codecs.filter(({ mimeType }) => !HELPERS.has(mimeType.toLowerCase()));
  return [...new Set(real.map(nameOf))];
}

/** @param {RTCRtpCodec} codec */
function nameOf({ mimeType }) {
  return mimeType.split('/')[1].toUpperCase();
}

/** @param {RTCRtpCodec} codec */
function h264Rank({ sdpFmtpLine = '' }) {
  const line = sdpFmtpLine.toLowerCase();
  const profile = line.includes(`profile-level-id=${H264_PROFILE}`) ? 0 : 1;
  const mode = line.includes('packetization-mode=1') ? 0 : 2;
  return profile + mode;
}

/** @param {RTCRtpSender} sender */
async function balanceDegradation(sender) {
  const parameters = sender.getParameters();
  parameters.degradationPreference = 'balanced';
  // Some browsers refuse any parameters before negotiation; their own default serves then.
  await sender.setParameters(parameters).catch(() => {});
}

/**
 * @typedef {{uri: string, direction: RTCRtpTransceiverDirection}} HeaderExtension
 * @typedef {object} HeaderExtensionControl a WebRTC extension that not every browser has
 * @property {() => HeaderExtension[]} [getHeaderExtensionsToNegotiate]
 * @property {(extensions: HeaderExtension[]) => void} [setHeaderExtensionsToNegotiate]
 */

/** @param {RTCRtpTransceiver & HeaderExtensionControl} transceiver */
function turnOnExtensions(transceiver) {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.() ?? [];
  const wanted = extensions.filter(({ uri }) => EXTENSIONS.includes(uri));
  if (wanted.length === 0) return;
  wanted.forEach((extension) => { extension.direction = 'sendrecv'; });
  transceiver.setHeaderExtensionsToNegotiate?.(extensions);
}
