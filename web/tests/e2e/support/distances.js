// The demo with the distances of an atlas: the routes that its table prints, and their measurement.

import { measureLink, readings } from './latency.js';
import { demo } from './nodes.js';
import { shows } from './pages.js';

export const FOUR_CITIES = ['--atlas', 'four-cities', '--viewer', 'novosibirsk'];

const ROUTE = /via (\S+): the light path takes (\S+) ms, all round trips (\S+) ms\s+(http\S+)/g;

/**
 * @typedef {object} Route as the demo tells of it
 * @property {string} via the node that is played from
 * @property {number} floor milliseconds that light needs
 * @property {number} rtt milliseconds that all round trips of the route take
 * @property {string} link to its measurement
 */

/**
 * @param {import('node:test').TestContext} t
 * @param {string[]} [flags]
 * @returns {Promise<Route[]>}
 */
export async function routes(t, flags = FOUR_CITIES) {
  const { table } = await demo(t, ...flags);
  return [...table.matchAll(ROUTE)].map(([, via, floor, rtt, link]) => (
    { via, floor: Number(floor), rtt: Number(rtt), link }));
}

/**
 * Measures a route, and ends with that: the stream is free for the next.
 * @param {any} page
 * @param {Route} route
 * @param {number} frames
 * @returns {Promise<import('./latency.js').Readings>}
 */
export async function measureRoute(page, { link }, frames) {
  await measureLink(page, link, frames);
  await page.click('#stop');
  await shows(page, 'STOPPED');
  return readings(page);
}
