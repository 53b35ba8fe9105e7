// The main job: one browser publishes to the origin, two watch from two edges.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { cluster } from './support/nodes.js';
import { Player, Publisher, isGood, watchUntilGood } from './support/pages.js';

for (const codec of ['VP8', 'H264']) {
  test(`two edges show what was published on the origin in ${codec}`, async (t) => {
    const { origin, edges } = await cluster(t);
    const browser = await openChromium(t);
    const publisher = new Publisher(await newPage(t, browser));
    await publisher.connect(origin);
    await publisher.publish(codec);

    const players = [new Player(await newPage(t, browser)), new Player(await newPage(t, browser))];
    for (const player of players) {
      await player.open(origin);
      await player.shows('PLAYING');
    }
    await Promise.all(players.map(startsSilentAndSounds));
    const nodes = await Promise.all(players.map((player) => player.node()));
    assert.deepEqual(nodes.toSorted(), edges.map(({ url }) => new URL(url).host).toSorted());

    const seen = await Promise.all(players.map((player) => watchUntilGood(player, isGood)));
    for (const each of seen) {
      t.diagnostic(JSON.stringify(each));
      assert.equal(each.codec, `video/${codec}`);
      assert.equal(each.size, '640x360');
    }
  });
}

/** @param {Player} player */
async function startsSilentAndSounds(player) {
  const remote = player.page.locator('#remote');
  const isHeard = () => remote.evaluate(({ muted, paused }) => !muted && !paused);
  assert.equal(await isHeard(), false);
  assert.equal(await remote.evaluate(({ paused }) => paused), false);
  await player.unmute();
  assert.equal(await isHeard(), true);
  assert.equal(await player.page.locator('#unmute').isVisible(), false);
}
