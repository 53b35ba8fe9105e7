// The lists of cameras and microphones, and what was chosen from them.

import { select } from './page.js';

const NONE = 'none';

/** Browsers tell the names of devices only after the visitor has allowed their use once. */
export async function fillDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  fill(select('camera'), devices.filter(({ kind }) => kind === 'videoinput'));
  fill(select('microphone'), devices.filter(({ kind }) => kind === 'audioinput'));
}

/** @returns {false | MediaTrackConstraints} */
export function chosenCamera() {
  const [width, height] = select('picture').value.split('x').map(Number);
  return chosen(select('camera'), {
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: 30 },
  });
}

export function chosenMicrophone() {
  return chosen(select('microphone'), {});
}

/**
 * @param {HTMLSelectElement} list
 * @param {MediaTrackConstraints} wishes
 */
function chosen({ value }, wishes) {
  if (value === NONE) return false;
  return value ? { ...wishes, deviceId: { exact: value } } : wishes;
}

/**
 * @param {HTMLSelectElement} list
 * @param {MediaDeviceInfo[]} devices
 */
function fill(list, devices) {
  const before = list.value;
  const named = devices.filter(({ deviceId, label }) => deviceId && label);
  list.replaceChildren(
    new Option('Default', ''),
    ...named.map(({ deviceId, label }) => new Option(label, deviceId)),
    new Option('None', NONE),
  );
  list.value = [...list.options].some(({ value }) => value === before) ? before : '';
}
