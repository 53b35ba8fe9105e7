// Takes a picture of every page, live, in both colour schemes, on a desk and on a telephone; they
// lie in target/screenshots for people to look at.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { measureLatency } from './support/latency.js';
import { TARGET, demo } from './support/nodes.js';
import { Player, Publisher, shows } from './support/pages.js';

const FOLDER = join(TARGET, 'screenshots');
const SCHEMES = ['light', 'dark'];
const WIDTHS = [[1280, 800], [390, 844]];

test('every page fits every screen', async (t) => {
  mkdirSync(FOLDER, { recursive: true });
  const { origin } = await demo(t);
  const browser = await openChromium(t);

  const waiting = new Player(await newPage(t, browser));
  await waiting.open(origin, '?stream=another');
  await waiting.shows('WAITING');
  await photograph(waiting.page, 'player-waiting');
  await waiting.page.close();

  const publisher = new Publisher(await newPage(t, browser));
  await publisher.connect(origin);
  await publisher.publish();
  await publisher.page.click('#play');
  await shows(publisher.page, 'PLAYING');
  await publisher.page.locator('#remote-figures', { hasText: /fps/ }).waitFor();
  await photograph(publisher.page, 'publish');

  const player = new Player(await newPage(t, browser));
  await player.open(origin);
  await player.shows('PLAYING');
  await player.settled();
  await photograph(player.page, 'player');

  const latency = await newPage(t, browser);
  await measureLatency(latency, origin, { floor: 1, rtt: 2 }, 1);
  await latency.locator('#remote-figures', { hasText: /fps/ }).waitFor();
  await photograph(latency, 'latency');

  const cover = await newPage(t, browser);
  await cover.goto(origin.url);
  await photograph(cover, 'index');
});

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 */
async function photograph(page, name) {
  for (const [width, height] of WIDTHS) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(FOLDER, `${name}-${colorScheme}-${width}.png`),
        fullPage: true });
    }
    const wanted = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wanted <= width, `${name} is ${wanted} wide on a screen of ${width}`);
  }
}
