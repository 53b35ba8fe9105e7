// What the pages share: their elements, the parameters in their address, how a state is shown.

import { videoCodecs } from '../sdk/tracks.js';

/** @typedef {import('../sdk/events.js').State} State */
/** @typedef {import('../sdk/stats.js').Path} Path */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** @param {string} id */
export function button(id) {
  return /** @type {HTMLButtonElement} */ (element(id));
}

/** @param {string} id */
export function input(id) {
  return /** @type {HTMLInputElement} */ (element(id));
}

/** @param {string} id */
export function select(id) {
  return /** @type {HTMLSelectElement} */ (element(id));
}

/** @param {string} id */
export function video(id) {
  return /** @type {HTMLVideoElement} */ (element(id));
}

/** `?stream=`, `?token=`, `?server=`, and `?lb=`, which may repeat. */
export function parameters() {
  const given = new URLSearchParams(location.search);
  return {
    stream: given.get('stream'),
    token: given.get('token') ?? undefined,
    server: given.get('server'),
    balancers: given.getAll('lb'),
  };
}

/**
 * A node that was named is meant; else any node may serve.
 * @param {ReturnType<typeof parameters>} given
 * @returns {import('../sdk/session.js').SessionOptions}
 */
export function viewing({ server, balancers, token }) {
  return {
    urlServer: server ?? location.origin,
    lbUrl: balancers.length > 0 || server ? balancers : [location.origin],
    token,
  };
}

export function fillCodecs() {
  const codecs = videoCodecs(RTCRtpSender.getCapabilities('video')?.codecs ?? []);
  select('codec').replaceChildren(...codecs.map((codec) => new Option(codec, codec)));
}

/** @param {State} state */
export function showState(state) {
  const shown = element('state');
  shown.textContent = state;
  shown.dataset.state = state;
}

/** @type {Record<Path, string>} */
const PATHS = {
  UDP: 'Media takes the fastest way, straight to the node over UDP.',
  'ICE-TCP': 'UDP does not pass here: media goes straight to the node over TCP.',
  'TURN/UDP': 'Media passes a TURN server, which is reached over UDP.',
  'TURN/TCP': 'UDP does not pass here: media passes a TURN server, which is reached over TCP.',
  'TURN/TLS': 'Little passes here: media passes a TURN server, inside TLS as web pages are.',
  '': '',
};

/**
 * @param {string} id
 * @param {Path} path
 */
export function showPath(id, path) {
  const shown = element(id);
  shown.textContent = path;
  shown.title = PATHS[path];
}
