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
    const publisher = new Publisher(await newPage(browser));
    await publisher.connect(origin);
    await publisher.publish(codec);

    const players = [new Player(await newPage(browser)), new Player(await newPage(browser))];
    for (const player of players) {
      await player.open(origin);
      await player.shows('PLAYING');
    }
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

test('the player starts silent, and sounds when asked to', async (t) => {
  const { origin } = await cluster(t, { edges: 1 });
  const browser = await openChromium(t);
  const publisher = new Publisher(await newPage(browser));
  await publisher.connect(origin);
  await publisher.publish();

  const player = new Player(await newPage(browser));
  await player.open(origin);
  await player.shows('PLAYING');
  const remote = player.page.locator('#remote');
  assert.equal(await remote.evaluate((video) => video.muted), true);
  assert.equal(await remote.evaluate((video) => video.paused), false);
  await player.page.click('#unmute');
  assert.equal(await remote.evaluate((video) => video.muted), false);
  assert.equal(await remote.evaluate((video) => video.paused), false);
  assert.equal(await player.page.locator('#unmute').isVisible(), false);
});
