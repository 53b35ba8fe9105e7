// Media is sealed with the keys of a handshake: by which cipher, what becomes of them when ICE
// restarts, and that whoever comes back with new ones sees and hears again.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { cluster } from './support/nodes.js';
import { Player, Publisher } from './support/pages.js';
import { until } from './support/until.js';

/** The best that Chromium and a node have in common, and the one that a node chooses then. */
const CIPHER = 'SRTP_AEAD_AES_256_GCM';
/** Frames a second. */
const MOVING = 5;
/** Longer would be seen as a freeze; a busy machine decodes slowly. */
const UNTOUCHED_MS = 1000;
/** A busy machine may spoil a restart; a fault of ours spoils every one. */
const RESTARTS = 3;

test('media goes on with the same keys when a WebSocket dies and ICE restarts', async (t) => {
  const { publisher, player } = await scenery(t);
  for (const { page } of [player, publisher]) {
    for (let left = RESTARTS; ; left -= 1) {
      await player.gap();
      await restartsIce(page);
      await player.watch(1);
      const gap = await player.gap();
      t.diagnostic(`${Math.round(gap)} ms without a new picture at most`);
      if (gap < UNTOUCHED_MS) break;
      assert.ok(left > 1, `${gap} ms without a new picture`);
    }
    await playsOn(player);
  }
});

test('a viewer comes back with new keys when its edge was restarted', async (t) => {
  const { player, edge } = await scenery(t);
  const before = await agreed(player.page);
  await edge.end();
  await edge.start();
  await hasNewKeys(player, before);
  await playsOn(player);
});

test('publisher and viewer come back with new keys when the origin was restarted', async (t) => {
  const { player, publisher, origin } = await scenery(t, { edges: 0 });
  const before = await Promise.all([player, publisher].map(({ page }) => agreed(page)));
  await origin.end();
  await origin.start();
  await hasNewKeys(publisher, before[1]);
  await hasNewKeys(player, before[0]);
  await playsOn(player);
});

/** A publisher at the origin, and a viewer at the edge if there is one. */
async function scenery(t, { edges: count = 1 } = {}) {
  const { origin, edges: [edge] } = await cluster(t, { edges: count });
  const browser = await openChromium(t);
  const publisher = new Publisher(await newPage(t, browser));
  await publisher.connect(origin);
  await publisher.publish();
  const player = new Player(await newPage(t, browser));
  await player.open(edge ?? origin, '?stream=stream1');
  await player.shows('PLAYING');
  await player.unmute();
  await playsOn(player);
  for (const { page } of [publisher, player]) {
    assert.equal((await agreed(page)).cipher, CIPHER);
  }
  return { origin, edge, publisher, player };
}

function agreed(page) {
  return page.evaluate(() => window.spy.agreed());
}

async function restartsIce(page) {
  const before = await agreed(page);
  await page.evaluate(() => window.spy.loseSockets());
  const after = await until('ICE has restarted', async () => {
    const now = await agreed(page);
    return now && now.ufrag !== before.ufrag && now;
  });
  assert.deepEqual({ ...after, ufrag: before.ufrag }, before);
}

async function hasNewKeys({ page }, before) {
  await until('a new connection stands', async () => {
    const now = await agreed(page);
    return now && now.connection > before.connection && now.certificate !== before.certificate;
  });
}

/** What comes can be opened; how fluent it is depends on how busy the machine is. */
async function playsOn(player) {
  await player.shows('PLAYING');
  await until('pictures and sound', async () => {
    const { decoded, pictures, audioEnergy } = await player.watch(2);
    return decoded >= MOVING && pictures > 1 && audioEnergy > 0;
  });
}
