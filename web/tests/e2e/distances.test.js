// The demo with the distances of an atlas, as people see it who follow its links: no picture is
// there before light could bring it, and none much later.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPage, openChromium } from './support/browsers.js';
import { measureRoute, routes } from './support/distances.js';
import { exported } from './support/latency.js';

const FRAMES = 150;
/** A busy machine may lose some; a code that cannot be read loses all. */
const REFUSED_SHARE = 0.05;
/** How late pictures may be on a machine that does other things as well. */
const PATIENCE_MS = 100;
/** What the page computes, it computes from the same numbers. */
const ROUNDING = 1e-6;

test('every link of the table shows what light needs, and little more', async (t) => {
  const all = await routes(t);
  assert.deepEqual(all.map(({ via }) => via), ['origin', 'edge1', 'edge2']);
  const browser = await openChromium(t);
  for (const route of all) {
    const page = await newPage(t, browser);
    const seen = await measureRoute(page, route, FRAMES);
    t.diagnostic(`via ${route.via}: ${JSON.stringify(seen)}`);
    await keepsTheLaw(page, route, seen);
    await page.context().close();
  }
});

/**
 * @param {any} page
 * @param {import('./support/distances.js').Route} route
 * @param {import('./support/latency.js').Readings} seen
 */
async function keepsTheLaw(page, { via, floor, rtt }, seen) {
  const told = `via ${via}: ${JSON.stringify(seen)}`;
  assert.ok(seen.mean >= floor, told);
  assert.ok(seen.p50 < floor + PATIENCE_MS, told);
  assert.ok(seen.refused <= seen.count * REFUSED_SHARE, told);
  assert.ok(Math.abs(seen.overhead - (seen.mean - floor)) < ROUNDING, told);
  assert.ok(Math.abs(seen.ratio - seen.mean / rtt) < ROUNDING, told);
  const { latencies } = await exported(page);
  assert.ok(latencies.every((each) => each >= floor), `${told}: ${Math.min(...latencies)}`);

  const texts = { route: `via ${via}`, overhead: `${seen.overhead.toFixed(1)} ms`,
    ratio: `${seen.ratio.toFixed(2)} ×` };
  for (const [id, text] of Object.entries(texts)) {
    assert.equal(await page.textContent(`#${id}`), text);
  }
}
