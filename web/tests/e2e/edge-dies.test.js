// An edge loses its power: nobody is sent there any more, and who watched there goes elsewhere.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { cluster, serverList } from './support/nodes.js';
import { Player, Publisher, isMoving } from './support/pages.js';
import { until } from './support/until.js';

/** Most of what is allowed here is for busy machines. */
const STORIES = [
  // Its kernel closes the connections; viewers are back after 400 ms.
  { word: 'dies', strike: (edge) => edge.end(), noticedWithin: 3000, movedWithin: 3000 },
  // As when a machine loses its power or its network: there is only silence; 7 seconds.
  { word: 'falls silent', strike: (edge) => edge.freeze(), noticedWithin: 5000,
    movedWithin: 15_000 },
];
/** New pages that open beside it may cost a viewer on the same machine some frames. */
const UNTOUCHED_MS = 1000;
const ANSWERS_IN_A_ROW = 6;

for (const { word, strike, noticedWithin, movedWithin } of STORIES) {
  test(`when an edge ${word}, viewers old and new land on the other one`, async (t) => {
    const { origin, edges: [edge1, edge2] } = await cluster(t);
    const browser = await openChromium(t);
    const publisher = new Publisher(await newPage(t, browser));
    await publisher.connect(origin);
    await publisher.publish();
    const first = await playerOn(t, edge1, origin, browser);
    const second = await playerOn(t, edge2, origin, browser);
    await first.settled();
    await second.settled();
    await Promise.all([first.gap(), second.gap()]);

    await strike(edge1);
    const struck = performance.now();
    await until('the balancer names edge2 alone', () => namesOnly(origin, edge2), noticedWithin);
    t.diagnostic(`noticed after ${Math.round(performance.now() - struck)} ms`);

    const late = new Player(await newPage(t, browser));
    await late.open(origin);
    for (const player of [late, first, second]) {
      await until('everybody is on edge2', async () => await player.node() === hostOf(edge2));
      await player.shows('PLAYING');
      await player.settled();
      isMoving(await player.watch(2));
    }
    const [moved, stayed] = await Promise.all([first.gap(), second.gap()]);
    t.diagnostic(`the viewer of edge1 had no picture for ${Math.round(moved)} ms`);
    assert.ok(moved < movedWithin, `the viewer of edge1 had no picture for ${moved} ms`);
    assert.ok(stayed < UNTOUCHED_MS, `the viewer of edge2 had no picture for ${stayed} ms`);
  });
}

/** Asks the balancer until it sends the player where it shall be. */
async function playerOn(t, edge, origin, browser) {
  const player = new Player(await newPage(t, browser));
  await until(`the balancer sends a player to ${edge.url}`, async () => {
    await player.open(origin);
    await player.shows('PLAYING');
    return await player.node() === hostOf(edge);
  });
  return player;
}

async function namesOnly(origin, edge) {
  for (let count = 0; count < ANSWERS_IN_A_ROW; count += 1) {
    const { url } = await serverList(origin);
    if (url !== edge.url) return false;
  }
  return true;
}

/** @param {{url: string}} node */
function hostOf({ url }) {
  return new URL(url).host;
}
