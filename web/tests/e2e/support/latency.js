// Measures glass to glass by the latency page, as somebody would who opens it and reads its table.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { until } from './until.js';

/** Even a machine that is busy with other things shows so many. */
const SLOWEST_FRAMES_PER_SECOND = 5;
const START_TIMEOUT_MS = 30_000;

/**
 * What the page's table says, in milliseconds but for the numbers of frames and the ratio; a figure
 * that it does not know is missing.
 * @typedef {object} Readings
 * @property {number} mean
 * @property {number} p50
 * @property {number} p95
 * @property {number} max
 * @property {number} count
 * @property {number} refused
 * @property {number} [overhead]
 * @property {number} [ratio]
 */

/**
 * Opens the page, and lets it measure until it has seen so many frames; it goes on after that.
 * @param {any} page
 * @param {import('./nodes.js').Program} node whose page it is, and which is published to
 * @param {Record<string, string | number>} [wishes] the page's parameters: `server` to play from,
 *   `lb`, `stream`, `token`, `floor`, `rtt`, `route`, `codec`, `fps`
 * @param {number} [frames]
 * @returns {Promise<Readings>}
 */
export async function measureLatency(page, { url }, wishes = {}, frames = 300) {
  return measureLink(page, `${url}/latency?${new URLSearchParams({ auto: 1, ...wishes })}`, frames);
}

/**
 * The same by a link that somebody was given, and that begins by itself.
 * @param {any} page
 * @param {string} link
 * @param {number} frames
 * @returns {Promise<Readings>}
 */
export async function measureLink(page, link, frames) {
  await page.goto(link);
  const timeout = START_TIMEOUT_MS + (frames / SLOWEST_FRAMES_PER_SECOND) * 1000;
  return until(`${frames} frames measured`, async () => {
    const seen = await readings(page);
    return seen.count >= frames && seen;
  }, timeout);
}

/**
 * @param {any} page
 * @returns {Promise<Readings>}
 */
export function readings(page) {
  return page.evaluate(() => Object.fromEntries(
    [...document.querySelectorAll('output[data-value]')]
      .map(({ id, dataset }) => [id, Number(dataset.value)]),
  ));
}

/**
 * What the page's file says, line by line.
 * @param {any} page
 * @returns {Promise<{name: string, latencies: number[]}>} rounded to a tenth
 */
export async function exported(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export')]);
  const text = await readFile(await download.path(), 'utf8');
  const [header, ...lines] = text.trimEnd().split('\n').map((line) => line.split(','));
  assert.deepEqual(header, ['time', 'latency_ms']);
  const times = lines.map(([time]) => Date.parse(time));
  assert.ok(times.every((time, index) => index === 0 || time >= times[index - 1]), 'in order');
  return { name: download.suggestedFilename(), latencies: lines.map(([, each]) => Number(each)) };
}
