// The latency page measures what is there, and says so in its table and its file.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium, openFirefoxPage } from './support/browsers.js';
import { exported, measureLatency, readings } from './support/latency.js';
import { cluster, origin } from './support/nodes.js';
import { Publisher, says, shows } from './support/pages.js';
import { until } from './support/until.js';

const FRAMES = 300;
/** A busy machine may lose some; a code that cannot be read loses all. */
const REFUSED_SHARE = 0.05;
/** No machine is so busy, and no clock so wrong. */
const LOOPBACK_MS = 500;

const ROUTES = [
  { codec: 'VP8', wishes: {}, route: 'via edge2', file: 'latency-via-edge2.csv' },
  { codec: 'H264', wishes: { route: 'Oslo to Rome' }, route: 'Oslo to Rome',
    file: 'latency-oslo-to-rome.csv' },
];

for (const { codec, wishes, route, file } of ROUTES) {
  test(`the page measures a route in ${codec}, and its file agrees with its table`, async (t) => {
    const { origin: node, edges: [, { url: server }] } = await cluster(t);
    const page = await newPage(t, await openChromium(t));
    await measureLatency(page, node, { codec, server, floor: 10, rtt: 40, ...wishes }, FRAMES);
    assert.match(await page.textContent('#remote-figures'), new RegExp(codec));
    await page.click('#stop');
    await shows(page, 'STOPPED');

    const seen = await readings(page);
    t.diagnostic(JSON.stringify(seen));
    isPlausible(seen, FRAMES);
    assert.ok(Math.abs(seen.overhead - (seen.mean - 10)) < 1e-6);
    assert.ok(Math.abs(seen.ratio - seen.mean / 40) < 1e-6);
    assert.equal(await page.textContent('#mean'), `${seen.mean.toFixed(1)} ms`);
    assert.equal(await page.textContent('#route'), route);

    const { name, latencies } = await exported(page);
    assert.equal(name, file);
    agrees(latencies, seen);
  });
}

test('a small and coarse picture is read as well', async (t) => {
  const page = await newPage(t, await openChromium(t));
  await page.addInitScript(sendLittle);
  const frames = 100;
  const seen = await measureLatency(page, await origin(t, '--open'), {}, frames);
  const size = await page.evaluate(() => document.getElementById('remote').videoWidth);
  t.diagnostic(JSON.stringify({ size, ...seen }));
  assert.ok(size <= 320, `${size} wide`);
  isPlausible(seen, frames);
});

test('a browser without callbacks for frames measures as well', async (t) => {
  const page = await newPage(t, await openChromium(t));
  await page.addInitScript(() => delete HTMLVideoElement.prototype.requestVideoFrameCallback);
  const frames = 100;
  isPlausible(await measureLatency(page, await origin(t, '--open'), {}, frames), frames);
});

test('Firefox measures as well', async (t) => {
  const node = await origin(t, '--open');
  const frames = 50;
  const seen = await measureLatency(await openFirefoxPage(t), node, {}, frames);
  t.diagnostic(JSON.stringify(seen));
  isPlausible(seen, frames);
});

test('what is not known is said to be so, and a reset begins anew', async (t) => {
  const page = await newPage(t, await openChromium(t));
  const node = await origin(t, '--open', '--name', 'origin7');
  await page.goto(`${node.url}/latency`);
  await shows(page, 'STOPPED');
  assert.equal(await page.textContent('#route'), 'unknown');
  await page.click('#start');
  await until('a hundred frames', async () => (await readings(page)).count >= 100);
  for (const id of ['floor', 'rtt', 'overhead', 'ratio']) {
    assert.equal(await page.textContent(`#${id}`), 'unknown');
  }
  assert.equal(await page.textContent('#route'), 'via origin7');
  await page.click('#reset');
  assert.ok((await readings(page)).count < 100);
  await until('some more frames', async () => (await readings(page)).count > 0);
});

test('a hidden page does not measure, and says so', async (t) => {
  const page = await newPage(t, await openChromium(t));
  await measureLatency(page, await origin(t, '--open'), {}, 1);
  await turn(page, 'hidden');
  await says(page, /^The page was hidden: .* those frames do not count\.$/);
  const { count } = await settledReadings(page);
  await page.waitForFunction(playsOn);
  assert.equal((await settledReadings(page)).count, count);
  await turn(page, 'visible');
  await until('frames count again', async () => (await readings(page)).count > count);
});

test('trouble is told of, and can be mended', async (t) => {
  const node = await origin(t, '--open');
  const browser = await openChromium(t);
  const publisher = new Publisher(await newPage(t, browser));
  await publisher.connect(node, '?stream=latency');
  await publisher.publish();

  const page = await newPage(t, browser);
  await page.goto(`${node.url}/latency?auto=1`);
  await shows(page, 'FAILED');
  await says(page, /^latency is published on .*; choose another name/);
  await page.fill('#stream', '');
  await page.click('#start');
  await says(page, /^Give the stream a name first\.$/);
  await page.fill('#stream', 'mine');
  await page.fill('#server', 'ftp://example.com');
  await page.click('#start');
  await says(page, /“ftp:\/\/example\.com” is no address of a node/);
  await page.fill('#server', '');
  await page.click('#start');
  await shows(page, 'PLAYING');
  await says(page, /^$/);
});

/**
 * @param {import('./support/latency.js').Readings} seen
 * @param {number} frames
 */
function isPlausible(seen, frames) {
  const told = JSON.stringify(seen);
  assert.ok(seen.count >= frames, told);
  assert.ok(seen.refused <= seen.count * REFUSED_SHARE, told);
  assert.ok(seen.mean > 0 && seen.mean < LOOPBACK_MS, told);
  assert.ok(seen.p50 <= seen.p95 && seen.p95 <= seen.max, told);
}

/** The file has rounded to a tenth. */
function agrees(latencies, { mean, last, max, count }) {
  assert.equal(latencies.length, count);
  const near = (one, other) => assert.ok(Math.abs(one - other) <= 0.051, `${one} and ${other}`);
  near(latencies.reduce((sum, each) => sum + each, 0) / count, mean);
  near(latencies.at(-1), last);
  near(Math.max(...latencies), max);
}

/** The table is written twice a second. */
async function settledReadings(page) {
  await page.waitForTimeout(1000);
  return readings(page);
}

function playsOn() {
  const { currentTime } = document.getElementById('remote');
  window.playedBefore ??= currentTime;
  return currentTime > window.playedBefore + 1;
}

/** Turns the page over; browsers that nobody watches never do it by themselves. */
async function turn(page, state) {
  await page.evaluate((given) => {
    Object.defineProperty(document, 'hidden', { value: given === 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);
}

/** Runs in the page: a quarter of the picture, and few bits for it. */
function sendLittle() {
  const prototype = RTCPeerConnection.prototype;
  const addTransceiver = prototype.addTransceiver;
  prototype.addTransceiver = function add(track, options) {
    const sendEncodings = [{ scaleResolutionDownBy: 2, maxBitrate: 100_000 }];
    const sends = options.direction === 'sendonly';
    return addTransceiver.call(this, track, sends ? { ...options, sendEncodings } : options);
  };
}
