// The table of what was measured; scripts find each figure unrounded in `data-value`.

import { element } from '../page.js';
import { compare } from './route.js';

const UNKNOWN = 'unknown';

/**
 * @param {import('./measurement.js').Measurement} measurement
 * @param {import('./route.js').Route} route
 */
export function showReadings({ statistics, refused }, route) {
  const summary = statistics.summary();
  for (const name of /** @type {const} */ (['last', 'mean', 'p50', 'p95', 'max'])) {
    show(name, summary?.[name], milliseconds, '–');
  }
  show('count', statistics.count, String);
  show('refused', refused, String);
  const { overhead, ratio } = summary ? compare(route, summary.mean) : NOTHING;
  show('overhead', overhead, milliseconds);
  show('ratio', ratio, (number) => `${number.toFixed(2)} ×`);
  show('floor', route.floor, milliseconds);
  show('rtt', route.rtt, milliseconds);
  element('route').textContent = route.name || UNKNOWN;
}

const NOTHING = { overhead: null, ratio: null };

/**
 * @param {string} id
 * @param {number | null | undefined} value
 * @param {(value: number) => string} written
 * @param {string} [otherwise]
 */
function show(id, value, written, otherwise = UNKNOWN) {
  const output = element(id);
  output.textContent = value == null ? otherwise : written(value);
  if (value == null) delete output.dataset.value;
  else output.dataset.value = String(value);
}

/** @param {number} number */
function milliseconds(number) {
  return `${number.toFixed(1)} ms`;
}
