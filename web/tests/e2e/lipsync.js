// Lips move when they speak: what is seen and heard at the same time was so in front of the camera,
// on a quiet line and on one that wavers.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { demoBehind } from './support/lines.js';
import { flashesAndBeeps, lags } from './support/lipsync.js';
import { Player, Publisher } from './support/pages.js';

/** Beyond that people notice (ITU-R BT.1359: sound that is early by 45 ms). */
const NOTICED_MS = 45;

const FLASHES = 25;
const FEWEST = 15;

/** Nodes do not let pages run what is made up, as our ear is. */
const LISTENING = { bypassCSP: true };

const LINES = [
  { word: 'a quiet line', line: { rtt: 40 } },
  { word: 'a line that wavers by 30 ms', line: { rtt: 40, jitter: 30 } },
];

for (const { word, line } of LINES) {
  test(`picture and sound stay together on ${word}`, async (t) => {
    const { origin } = await demoBehind(t, line);
    const browser = await openChromium(t);
    const publisher = new Publisher(await newPage(t, browser, LISTENING));
    await publisher.connect(origin);
    await flashesAndBeeps(publisher.page);
    await publisher.publish();
    const player = new Player(await newPage(t, browser, LISTENING));
    await player.open(origin, '?stream=stream1');
    await player.shows('PLAYING');
    await player.unmute();
    await player.settled();

    // The page's own way from sound to speaker and from picture to screen, without any network.
    const without = median(await lags(publisher.page, FLASHES));
    const through = median(await lags(player.page, FLASHES));
    const lag = through - without;
    const told = `the picture is ${lag.toFixed(1)} ms behind the sound`;
    t.diagnostic(`${told} (${through.toFixed(1)} ms, of them here ${without.toFixed(1)})`);
    assert.ok(Math.abs(lag) <= NOTICED_MS, told);
  });
}

/** @param {number[]} all */
function median(all) {
  assert.ok(all.length >= FEWEST, `${all.length} flashes were seen and heard`);
  return all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)];
}
