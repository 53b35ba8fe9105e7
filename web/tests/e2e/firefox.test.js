// Firefox, whose offers tell nothing of its addresses, watches what Chromium publishes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium, openFirefoxPage } from './support/browsers.js';
import { demo } from './support/nodes.js';
import { Player, Publisher, isMoving, says, showsPath } from './support/pages.js';

const FRAMES_PER_SECOND = 15;

test('Firefox plays what Chromium publishes', async (t) => {
  // The first to be closed: it would complain that the demo is gone.
  const player = new Player(await openFirefoxPage(t));
  const { origin } = await demo(t);
  const publisher = new Publisher(await newPage(t, await openChromium(t)));
  await publisher.connect(origin);
  await publisher.publish('VP8');

  await player.open(origin);
  await player.shows('PLAYING');
  await player.settled(FRAMES_PER_SECOND);
  await showsPath(player.page, 'path', /^UDP$/);
  const seen = await player.watch();
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.decoded >= FRAMES_PER_SECOND, JSON.stringify(seen));
  assert.equal(seen.codec, 'video/VP8');
  assert.ok(seen.audioPackets > 0);
  isMoving(seen);
});

test('a browser plays H.264, or is told that it needs it', async (t) => {
  const page = await openFirefoxPage(t);
  const { origin } = await demo(t);
  await page.goto(origin.url);
  const able = await page.evaluate(playsH264);

  const publisher = new Publisher(await newPage(t, await openChromium(t)));
  await publisher.connect(origin);
  await publisher.publish('H264');
  const player = new Player(page);
  await player.open(origin);
  await player.shows(able ? 'PLAYING' : 'FAILED');
  if (!able) await says(page, /is H\.264.*; play it in a browser that decodes H\.264/);
});

function playsH264() {
  return RTCRtpReceiver.getCapabilities('video').codecs
    .some(({ mimeType }) => mimeType === 'video/H264');
}
