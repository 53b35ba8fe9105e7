// What the pages share: their elements, the parameters in their address, how a state is shown.

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

/** @param {State} state */
export function showState(state) {
  const shown = element('state');
  shown.textContent = state;
  shown.dataset.state = state;
}
