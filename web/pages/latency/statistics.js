// The latencies of the last frames and what they come to. It knows no clock and no page.

/**
 * @typedef {object} Sample
 * @property {number} time when the frame was seen, milliseconds since 1970
 * @property {number} latency milliseconds
 */

/**
 * @typedef {object} Summary in milliseconds
 * @property {number} last
 * @property {number} mean
 * @property {number} p50
 * @property {number} p95
 * @property {number} max
 * @property {number} count
 */

/** Ten minutes at 60 frames a second. */
const CAPACITY = 36_000;

export class Statistics {
  #times;
  #latencies;
  #added = 0;

  /** @param {number} [capacity] how many frames are kept; older ones are forgotten */
  constructor(capacity = CAPACITY) {
    this.#times = new Float64Array(capacity);
    this.#latencies = new Float64Array(capacity);
  }

  get count() {
    return Math.min(this.#added, this.#times.length);
  }

  /** @param {Sample} sample */
  add({ time, latency }) {
    const at = this.#added % this.#times.length;
    this.#times[at] = time;
    this.#latencies[at] = latency;
    this.#added += 1;
  }

  clear() {
    this.#added = 0;
  }

  /** @returns {Sample[]} the oldest first */
  samples() {
    const first = this.#added - this.count;
    return Array.from({ length: this.count }, (_, index) => {
      const at = (first + index) % this.#times.length;
      return { time: this.#times[at], latency: this.#latencies[at] };
    });
  }

  /** @returns {Summary | null} null before the first frame */
  summary() {
    const { count } = this;
    if (count === 0) return null;
    const sorted = this.#latencies.slice(0, count).sort();
    return {
      last: this.#latencies[(this.#added - 1) % this.#times.length],
      mean: sorted.reduce((sum, each) => sum + each, 0) / count,
      p50: percentile(sorted, 50),
      p95: percentile(sorted, 95),
      max: sorted[count - 1],
      count,
    };
  }
}

/**
 * By nearest rank: a latency that was measured, none between two.
 * @param {Float64Array} sorted
 * @param {number} percent
 */
function percentile(sorted, percent) {
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1];
}
