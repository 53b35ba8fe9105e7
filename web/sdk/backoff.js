// How long to wait before trying again: doubling, bounded, and never in step with everybody else.

const FIRST_MS = 250;
const LONGEST_MS = 5000;

export class Backoff {
  #random;
  /** How often we have waited since things were last well. */
  attempts = 0;

  /** @param {() => number} random between 0 and 1 */
  constructor(random) {
    this.#random = random;
  }

  /** @returns {number} milliseconds, between half of the step and all of it */
  next() {
    const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.attempts);
    this.attempts += 1;
    return step * (0.5 + this.#random() / 2);
  }

  reset() {
    this.attempts = 0;
  }
}
