// Lips move when they speak: what is seen and heard at the same time was so in front of the camera,
// on a quiet line and on one that wavers.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { demoBehind } from './support/lines.js';
import { flashesAndBeeps, lags } from './support/lipsync.js';
import { origin } from './support/nodes.js';
import { Player, Publisher } from './support/pages.js';

/** Sound that is so much too early, or too late, is noticed (ITU-R BT.1359). */
const NOTICED_MS = { early: 45, late: 125 };

const FLASHES = 25;
const FEWEST = 15;

/** Nodes do not let pages run what is made up, as our ear is. */
const LISTENING = { bypassCSP: true };

const LINES = [
  { word: 'a quiet line', line: { rtt: 40 } },
  { word: 'a line that wavers by 30 ms', line: { rtt: 40, jitter: 30 } },
];

for (const { word, line } of LINES) {
  test(`nobody notices that picture and sound differ on ${word}`, async (t) => {
    const nodes = await demoBehind(t, line);
    const late = await lateness(t, nodes.origin);
    assert.ok(late >= -NOTICED_MS.early && late <= NOTICED_MS.late);
  });
}

test('where frames wait for 30 ms, picture and sound stay together', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'farcast-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const settings = join(folder, 'origin.toml');
  writeFileSync(settings, 'open = true\n[[stream]]\nname = "*"\nplayout_delay = [30, 200]\n');
  const late = await lateness(t, await origin(t, '--config', settings));
  assert.ok(Math.abs(late) <= NOTICED_MS.early);
});

/** How much later than the picture the sound is, in milliseconds. */
async function lateness(t, node) {
  const browser = await openChromium(t);
  const publisher = new Publisher(await newPage(t, browser, LISTENING));
  await publisher.connect(node);
  await flashesAndBeeps(publisher.page);
  await publisher.publish();
  const player = new Player(await newPage(t, browser, LISTENING));
  await player.open(node, '?stream=stream1');
  await player.shows('PLAYING');
  await player.unmute();
  await player.settled();

  // The page's own way from sound to speaker and from picture to screen, without any network.
  const without = median(await lags(publisher.page, FLASHES));
  const through = median(await lags(player.page, FLASHES));
  const late = without - through;
  const told = `${-through.toFixed(1)} ms, of them here ${-without.toFixed(1)}`;
  t.diagnostic(`the sound is ${late.toFixed(1)} ms behind the picture (${told})`);
  return late;
}

/** @param {number[]} all */
function median(all) {
  assert.ok(all.length >= FEWEST, `${all.length} flashes were seen and heard`);
  return all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)];
}
