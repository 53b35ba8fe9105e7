// Publishers come, leave and come back; the player waits and starts by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { demo } from './support/nodes.js';
import { Player, Publisher, isMoving, says } from './support/pages.js';

test('a player waits for its publisher, as often as it takes, in any codec', async (t) => {
  const { origin } = await demo(t);
  const browser = await openChromium(t);
  const player = new Player(await newPage(t, browser));
  await player.open(origin);
  await player.shows('WAITING');
  await says(player.page, /^stream1 starts by itself as soon as it is published\.$/);

  const publisher = new Publisher(await newPage(t, browser));
  await publisher.connect(origin);
  for (const codec of ['VP8', 'VP8', 'H264', 'VP8']) {
    await publisher.publish(codec);
    await player.shows('PLAYING');
    await player.settled();
    const seen = await player.watch(2);
    isMoving(seen);
    assert.equal(seen.codec, `video/${codec}`);
    await publisher.stop();
    await player.shows('WAITING');
  }
});
