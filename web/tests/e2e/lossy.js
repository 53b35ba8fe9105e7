// Measures what a viewer sees whose line loses packets and wavers, as the publisher's does, beside
// lines that do not, and prints it as a table. On a busy machine the machine is what is measured.

import { newPage, openChromium } from './support/browsers.js';
import { filmsClock, notes, readsClock } from './support/clock.js';
import { Ending } from './support/ending.js';
import { demoBehind } from './support/lines.js';
import { Player, Publisher } from './support/pages.js';

/** Of both lines: there and back, in milliseconds. */
const RTT = 90;
const LINES = {
  clean: { rtt: RTT },
  lossy: { rtt: RTT, jitter: 10, loss: 2 },
};
/** What light takes over both lines, what both waver by at most, and what the nodes may take. */
const [PATH, JITTER, PATIENCE] = [RTT, 2 * LINES.lossy.jitter, 20];

const VIDEO = 2_500_000;
const SETTLING_S = 10;
const SECONDS = 60;

const ending = new Ending('lossy');
try {
  const rows = {};
  for (const [name, line] of Object.entries(LINES)) rows[name] = await measure(line);
  const browser = quantile(rows.clean, 0.5) - PATH;
  console.table(Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, told(row)])));
  console.table(Object.fromEntries([1, 2].map((trips) => {
    const limit = PATH + JITTER + trips * RTT + PATIENCE;
    return [`within ${limit} ms (${trips} RTT)`, {
      'of the frames shown (%)': share(rows.lossy, limit),
      'less what the browser takes': share(rows.lossy, limit + browser),
    }];
  })));
} finally {
  await ending.end();
}

/**
 * One publisher, one viewer, one node between them.
 * @param {import('./support/lines.js').Line} line
 */
async function measure(line) {
  const scene = new Ending('lossy');
  try {
    const { origin } = await demoBehind(scene, line);
    const browser = await openChromium(scene);
    const publisher = new Publisher(await newPage(scene, browser));
    await publisher.connect(origin);
    await filmsClock(publisher.page, VIDEO);
    await publisher.publish();
    const player = new Player(await newPage(scene, browser));
    await player.open(origin, '?stream=stream1');
    await player.shows('PLAYING');
    await player.unmute();
    await readsClock(player.page);
    await player.page.waitForTimeout(SETTLING_S * 1000);
    await Promise.all([notes(player.page), player.gap()]);
    const before = await publisher.encoded();
    const { decoded, freezes, frozen, lost } = await player.watch(SECONDS);
    const encoded = (await publisher.encoded() - before) / SECONDS;
    const [{ seen }, gap] = await Promise.all([notes(player.page), player.gap()]);
    const ages = seen.filter((age) => age !== null).sort((one, other) => one - other);
    return { ages, encoded, decoded, freezes, frozen, lost, gap };
  } finally {
    await scene.end();
  }
}

function told(row) {
  const { encoded, decoded, freezes, frozen, lost, gap } = row;
  return {
    'frames made a second': encoded.toFixed(1),
    'frames a second': decoded.toFixed(1),
    'longest freeze (ms)': gap.toFixed(0),
    freezes,
    'frozen (s)': frozen.toFixed(1),
    'packets lost': lost,
    'age (ms): half': quantile(row, 0.5).toFixed(0),
    '95 %': quantile(row, 0.95).toFixed(0),
    '99 %': quantile(row, 0.99).toFixed(0),
  };
}

function quantile({ ages }, share) {
  return ages[Math.ceil(share * ages.length) - 1];
}

function share({ ages }, limit) {
  return ((100 * ages.filter((age) => age <= limit).length) / ages.length).toFixed(1);
}
