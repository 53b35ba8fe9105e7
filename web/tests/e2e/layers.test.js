// A large camera is published in three layers, as streams of their own or in one; a viewer gets the
// one that it asks for, or the best, without its picture standing still.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { newPage, openChromium } from './support/browsers.js';
import { cluster } from './support/nodes.js';
import { Player, Publisher } from './support/pages.js';
import { until } from './support/until.js';

/** Longer would be seen as a freeze; a busy machine decodes slowly. */
const LONGEST_GAP_MS = 1000;

for (const codec of ['VP8', 'VP9', 'AV1']) {
  test(`a viewer gets the layer of ${codec} that it asks for, through an edge`, (t) => (
    getsWhatItAsksFor(t, codec)));
}

/**
 * @param {import('node:test').TestContext} t
 * @param {string} codec
 */
async function getsWhatItAsksFor(t, codec) {
  const { origin } = await cluster(t);
  const browser = await openChromium(t);
  const publisher = new Publisher(await newPage(t, browser));
  await publisher.connect(origin);
  await publisher.page.selectOption('#picture', '1280x720');
  await publisher.publish(codec);

  const player = new Player(await newPage(t, browser));
  await player.open(origin, '');
  await player.page.evaluate(playThrough, origin.url);
  const lines = () => player.page.evaluate(() => document.getElementById('remote')?.videoHeight);
  const has = (wanted) => until(`${wanted} lines`, async () => (await lines()) === wanted);
  const want = (layer) =>
    player.page.evaluate((given) => window.stream.setLayer(given ?? undefined), layer);

  await has(720);
  for (const [layer, height] of [[0, 180], [1, 360], [null, 720]]) {
    await player.gap();
    await want(layer);
    await has(height);
    const gap = await player.gap();
    t.diagnostic(`${height} lines: ${gap} ms without a new picture at most`);
    assert.ok(gap < LONGEST_GAP_MS, `${gap} ms without a picture on the way to ${height} lines`);
  }
  await until('the stream says what it gets', async () => {
    const quality = await player.page.evaluate(() => window.stream.quality);
    return isDeepStrictEqual(quality, { layer: 2, layers: 3, paused: false });
  });
}

/** What a page of somebody else's does with the SDK. @param {string} url */
async function playThrough(url) {
  const { Farcast } = await import('/sdk/farcast.js');
  const session = Farcast.createSession({ urlServer: url, lbUrl: `${url}/?action=server_list` });
  window.stream = session.createStream({
    name: 'stream1',
    display: document.getElementById('remote'),
  });
  window.stream.play();
}
