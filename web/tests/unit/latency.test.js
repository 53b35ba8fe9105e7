// The latency page's parts without a picture: the code, what counts, figures, the file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csv, fileName } from '../../pages/latency/csv.js';
import { Measurement } from '../../pages/latency/measurement.js';
import { compare, routeFrom } from '../../pages/latency/route.js';
import { Statistics } from '../../pages/latency/statistics.js';
import { COLUMNS, ROWS, decode, elapsed, encode } from '../../pages/latency/timecode.js';

const CELLS = COLUMNS * ROWS;
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const CYCLE_MS = 2 ** 32 / 10;
const WARM_UP_MS = 2000;
const TIMES = Array.from({ length: 500 }, (_, step) => NOW + step * 16.7 + step ** 3);

/** What a perfect camera sees. */
const seen = (time) => encode(time).map((white) => (white ? 255 : 0));

/** What a camera sees that is off by up to so much, another time in another way. */
function noisy(cells, most, seed) {
  let state = seed;
  return cells.map((each) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.min(255, Math.max(0, each + (state / 2 ** 31 - 1) * most));
  });
}

const flipped = (cells, ...flips) => (
  cells.map((each, index) => (flips.includes(index) ? 255 - each : each))
);

test('a code tells the time that was drawn, to a tenth of a millisecond', () => {
  for (const time of [...TIMES, 0, CYCLE_MS - 0.1, CYCLE_MS]) {
    const cells = seen(time);
    assert.equal(cells.length, CELLS);
    const age = elapsed(decode(cells), time + 42);
    assert.ok(age >= 41.99 && age < 42.11, `${age} ms after ${time}`);
  }
});

test('time goes on where the code starts again', () => {
  const ticks = decode(seen(CYCLE_MS - 5));
  assert.equal(Math.round(elapsed(ticks, CYCLE_MS + 5)), 10);
});

test('compression’s noise harms nothing; what is grey is refused', () => {
  TIMES.forEach((time, seed) => {
    assert.equal(decode(noisy(seen(time), 90, seed)), decode(seen(time)));
  });
  for (let cell = 0; cell < CELLS; cell += 1) {
    for (const grey of [100, 128, 155]) {
      assert.equal(decode(seen(NOW).with(cell, grey)), null);
    }
  }
});

test('one, two or three wrong cells are refused', () => {
  const cells = seen(NOW);
  for (let one = 0; one < CELLS; one += 1) {
    assert.equal(decode(flipped(cells, one)), null);
    for (let two = one + 1; two < CELLS; two += 1) {
      assert.equal(decode(flipped(cells, one, two)), null);
      for (let three = two + 1; three < CELLS; three += 1) {
        assert.equal(decode(flipped(cells, one, two, three)), null);
      }
    }
  }
});

test('a picture torn between two frames tells neither time falsely', () => {
  for (const time of TIMES) {
    const [before, after] = [seen(time), seen(time + 16.7)];
    for (let row = 1; row < ROWS; row += 1) {
      const torn = [...after.slice(0, row * COLUMNS), ...before.slice(row * COLUMNS)];
      assert.ok([null, decode(before), decode(after)].includes(decode(torn)));
    }
  }
});

test('a picture without a code is refused', () => {
  for (const luminance of [0, 128, 255]) {
    assert.equal(decode(Array(CELLS).fill(luminance)), null);
  }
});

test('figures are those of the latencies that were measured', () => {
  const statistics = new Statistics();
  assert.equal(statistics.summary(), null);
  // 1 to 100 in another order; what is sorted as text comes out wrong.
  for (let step = 1; step <= 100; step += 1) {
    statistics.add({ time: step, latency: (step * 37) % 101 });
  }
  assert.deepEqual(statistics.summary(), {
    last: 64, mean: 50.5, p50: 50, p95: 95, max: 100, count: 100,
  });
  statistics.clear();
  statistics.add({ time: 0, latency: 7 });
  assert.deepEqual(statistics.summary(), { last: 7, mean: 7, p50: 7, p95: 7, max: 7, count: 1 });
});

test('the oldest frames are forgotten', () => {
  const statistics = new Statistics(3);
  for (const latency of [900, 4, 3, 5]) statistics.add({ time: 10 * latency, latency });
  assert.deepEqual(statistics.summary(), { last: 5, mean: 4, p50: 4, p95: 5, max: 5, count: 3 });
  assert.deepEqual(statistics.samples(), [
    { time: 40, latency: 4 }, { time: 30, latency: 3 }, { time: 50, latency: 5 },
  ]);
});

/** A frame that is seen 20 ms after it was drawn. */
const show = (measurement, drawn) => measurement.frame(decode(seen(drawn)), drawn + 20);

test('frames count after the warm-up, each once', () => {
  const measurement = new Measurement();
  show(measurement, NOW);
  measurement.frame(null, NOW + 30);
  show(measurement, NOW + WARM_UP_MS - 1);
  assert.equal(measurement.statistics.count, 0);
  assert.equal(measurement.refused, 0);
  show(measurement, NOW + WARM_UP_MS);
  measurement.frame(decode(seen(NOW + WARM_UP_MS)), NOW + WARM_UP_MS + 99);
  assert.equal(measurement.statistics.count, 1);
  assert.equal(Math.round(measurement.statistics.summary().max), 20);
});

test('after a pause, frames warm up again', () => {
  const measurement = new Measurement();
  for (const after of [0, WARM_UP_MS]) show(measurement, NOW + after);
  measurement.settle();
  const back = NOW + WARM_UP_MS + 1000;
  for (const after of [0, WARM_UP_MS - 1]) show(measurement, back + after);
  assert.equal(measurement.statistics.count, 1);
  show(measurement, back + WARM_UP_MS);
  assert.equal(measurement.statistics.count, 2);
});

test('what cannot be read, or be true, is refused and counted, until all is forgotten', () => {
  const measurement = new Measurement();
  show(measurement, NOW);
  const time = NOW + WARM_UP_MS + 20;
  measurement.frame(null, time);
  // Another machine’s clock may be ahead, or far behind.
  for (const off of [5, -61_000]) measurement.frame(decode(seen(time + off)), time);
  assert.equal(measurement.refused, 3);
  assert.equal(measurement.statistics.count, 0);
  show(measurement, time);
  measurement.reset();
  assert.equal(measurement.refused + measurement.statistics.count, 0);
  show(measurement, time + 1);
  assert.equal(measurement.statistics.count, 1);
});

test('a route’s floor and round trip are compared with where they are known', () => {
  const known = routeFrom(new URLSearchParams('floor=172&rtt=344&route=via%20edge1'));
  assert.deepEqual(known, { name: 'via edge1', floor: 172, rtt: 344 });
  assert.deepEqual(compare(known, 215), { overhead: 43, ratio: 0.625 });
  for (const nonsense of ['', 'floor=&rtt=&route=', 'floor=x&rtt=-1', 'floor=0&rtt=Infinity']) {
    const unknown = routeFrom(new URLSearchParams(nonsense));
    assert.deepEqual(unknown, { name: null, floor: null, rtt: null });
    assert.deepEqual(compare(unknown, 215), { overhead: null, ratio: null });
  }
});

test('a file has a header, a line a frame, and a name that any system takes', () => {
  assert.equal(csv([]), 'time,latency_ms\n');
  const samples = [{ time: NOW, latency: 42.04 }, { time: NOW + 16.7, latency: 100 }];
  assert.equal(csv(samples), 'time,latency_ms\n'
    + '2026-01-02T03:04:05.678Z,42.0\n2026-01-02T03:04:05.694Z,100.0\n');
  assert.equal(fileName('via Edge1 (New/York): 172 ms'), 'latency-via-edge1-new-york-172-ms.csv');
  assert.equal(fileName(null), 'latency.csv');
});
