// What the pages share: their elements, the parameters in their address, how a state is shown.

import { videoCodecs } from '../sdk/tracks.js';

/** @typedef {import('../sdk/events.js').State} State */

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
