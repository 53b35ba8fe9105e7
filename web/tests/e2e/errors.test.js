// Every error that people meet says one sentence that helps, and harms nothing else.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { cluster, origin, printed } from './support/nodes.js';
import { Player, Publisher, says, shows } from './support/pages.js';

test('tokens open what they name, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'farcast-'));
  t.after(() => rm(folder, { recursive: true }));
  const keys = join(folder, 'keys');
  await writeFile(keys, 'a key for this test alone, 32 bytes or more\n');
  const token = (act, stream = 'stream1') => printed('farcast', 'token', '--key-file', keys,
    '--stream', stream, '--act', act, '--for', '1h');
  const node = await origin(t, '--key-file', keys);
  const browser = await openChromium(t);

  const attempts = [
    ['', /did not accept the token for stream1/],
    ['nonsense', /did not accept the token for stream1: enter one that is valid/],
    [await token('play'), /^The token does not allow this with stream1/],
    [await token('publish', 'other'), /^The token does not allow this with stream1/],
  ];
  const publisher = new Publisher(await newPage(t, browser));
  for (const [wrong, sentence] of attempts) {
    await publisher.connect(node, `?stream=stream1&token=${wrong}`);
    await publisher.tryToPublish();
    await shows(publisher.page, 'FAILED');
    await says(publisher.page, sentence);
  }
  await publisher.connect(node, `?stream=stream1&token=${await token('publish', 'stream*')}`);
  await publisher.publish();

  const player = new Player(await newPage(t, browser));
  await player.open(node, '?stream=stream1&token=nonsense');
  await player.shows('FAILED');
  await says(player.page, /did not accept the token for stream1/);
  await player.open(node, `?stream=stream1&token=${await token('play')}`);
  await player.shows('PLAYING');
  await player.settled();
});

test('a name that is taken stays with who has it', async (t) => {
  const node = await origin(t, '--open');
  const browser = await openChromium(t);
  const first = new Publisher(await newPage(t, browser));
  await first.connect(node);
  await first.publish();

  const second = new Publisher(await newPage(t, browser));
  await second.connect(node);
  await second.tryToPublish();
  await shows(second.page, 'FAILED');
  await says(second.page, /^stream1 is published on origin.*; choose another name/);

  const player = new Player(await newPage(t, browser));
  await player.open(node);
  await player.shows('PLAYING');
  await player.settled();
  await shows(first.page, 'PUBLISHING');
});

const CAMERAS = [
  ['denied', /^The browser may not use your camera and microphone: allow it/],
  ['missing', /^No camera and microphone was found: plug it in/],
];

for (const [camera, sentence] of CAMERAS) {
  test(`a camera that is ${camera} is told of`, async (t) => {
    const node = await origin(t, '--open');
    const publisher = new Publisher(await newPage(t, await openChromium(t, { camera })));
    await publisher.connect(node);
    await publisher.tryToPublish();
    await shows(publisher.page, 'FAILED');
    await says(publisher.page, sentence);
    // It can be mended without another visit.
    assert.equal(await publisher.page.locator('#publish').isEnabled(), true);
  });
}

test('a node that is down is named, and used when it is back', async (t) => {
  const { origin: page, edges: [edge] } = await cluster(t, { edges: 1 });
  await edge.end();
  const publisher = new Publisher(await newPage(t, await openChromium(t)));
  await publisher.page.goto(`${page.url}/publish?server=${edge.url}`);
  await publisher.page.click('#connect');
  await says(publisher.page, new RegExp(`^No answer from ${new URL(edge.url).host}: check`));
  await edge.start();
  await shows(publisher.page, 'ESTABLISHED');
  await says(publisher.page, /^$/);
});

test('addresses that make no sense are told of', async (t) => {
  const node = await origin(t, '--open');
  const page = await newPage(t, await openChromium(t));
  await page.goto(`${node.url}/player`);
  await shows(page, 'FAILED');
  await says(page, /^Which stream\? Add its name to the address: \?stream=stream1\.$/);

  await page.goto(`${node.url}/publish?server=ftp://example.com`);
  await page.click('#connect');
  await says(page, /“ftp:\/\/example\.com” is no address of a node/);
});
