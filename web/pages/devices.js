// The lists of cameras and microphones, and what was chosen from them.

import { select } from './page.js';

const NONE = 'none';

/** Browsers tell the names of devices only after the visitor has allowed their use once. */
export async function fillDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  fill(select('camera'), devices.filter(({ kind }) => kind === 'videoinput'));
  fill(select('microphone'), devices.filter(({ kind }) => kind === 'audioinput'));
}

/**
 * @param {HTMLSelectElement} list
 * @returns {boolean | MediaTrackConstraints}
 */
export function deviceChoice(list) {
  if (list.value === NONE) return false;
  return list.value ? { deviceId: { exact: list.value } } : true;
}

/**
 * @param {HTMLSelectElement} list
 * @param {MediaDeviceInfo[]} devices
 */
function fill(list, devices) {
  const chosen = list.value;
  const named = devices.filter(({ deviceId, label }) => deviceId && label);
  list.replaceChildren(
    new Option('Default', ''),
    ...named.map(({ deviceId, label }) => new Option(label, deviceId)),
    new Option('None', NONE),
  );
  list.value = [...list.options].some(({ value }) => value === chosen) ? chosen : '';
}
