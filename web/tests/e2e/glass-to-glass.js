// Measures glass to glass over the distances of an atlas, and prints it as a table: how much longer
// a picture takes than light does. On a busy machine it is the machine that is measured.

import { newPage, openChromium } from './support/browsers.js';
import { measureRoute, routes } from './support/distances.js';
import { Ending } from './support/ending.js';

const RUNS = 3;
const FRAMES = 300;
/** What we want to add to light at most. */
const OVERHEAD_MS = 18;

const ending = new Ending('glass-to-glass');
try {
  const browser = await openChromium(ending);
  const rows = [];
  for (const route of await routes(ending)) {
    rows.push([`via ${route.via}`, await measure(browser, route)]);
  }
  console.table(Object.fromEntries(rows));
} finally {
  await ending.end();
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {import('./support/distances.js').Route} route
 */
async function measure(browser, route) {
  const means = [];
  for (let run = 0; run < RUNS; run += 1) {
    const page = await newPage(ending, browser);
    means.push((await measureRoute(page, route, FRAMES)).mean);
    await page.context().close();
  }
  const best = Math.min(...means);
  return {
    'means (ms)': means.map((mean) => mean.toFixed(1)).join(' '),
    'best (ms)': best.toFixed(1),
    'floor (ms)': route.floor.toFixed(1),
    'above floor (ms)': (best - route.floor).toFixed(1),
    [`within ${OVERHEAD_MS} ms`]: best <= route.floor + OVERHEAD_MS ? 'yes' : 'no',
  };
}
