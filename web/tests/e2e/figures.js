// Measures what viewers feel, and prints it as a table: the time from opening the player to the
// first picture from an edge, and how long the browser holds a frame before it shows it.

import { newPage, openChromium } from './support/browsers.js';
import { Ending } from './support/ending.js';
import { cluster } from './support/nodes.js';
import { Player, Publisher } from './support/pages.js';
import { until } from './support/until.js';

const VISITS = 5;

const ending = new Ending('figures');
try {
  console.table(Object.fromEntries([
    ['VP8', await measure('VP8')],
    ['H264', await measure('H264')],
  ]));
} finally {
  await ending.end();
}

/** @param {string} codec */
async function measure(codec) {
  const { origin } = await cluster(ending);
  const browser = await openChromium(ending);
  const publisher = new Publisher(await newPage(ending, browser));
  await publisher.connect(origin);
  await publisher.publish(codec);
  const visits = [];
  for (let visit = 0; visit < VISITS; visit += 1) visits.push(await watch(browser, origin));
  await publisher.stop();
  return {
    'first frame (ms)': median(visits.map(({ first }) => first)).toFixed(0),
    'all of them': visits.map(({ first }) => first.toFixed(0)).join(' '),
    'jitter buffer (ms)': median(visits.map(({ buffer }) => buffer)).toFixed(2),
    'frames a second': median(visits.map(({ decoded }) => decoded)).toFixed(1),
  };
}

/** One visitor, alone, for as long as it takes. */
async function watch(browser, origin) {
  const player = new Player(await newPage(ending, browser));
  await player.open(origin);
  const first = await until('the first frame', () => player.firstFrame());
  await player.settled();
  const { buffer, decoded } = await player.watch(1);
  await player.page.context().close();
  return { first, buffer, decoded };
}

/** @param {number[]} numbers */
function median(numbers) {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];
}
