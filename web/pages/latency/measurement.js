// Which of the frames that were seen count, and what each says. It knows neither how a frame was
// read nor how it was seen.

import { Statistics } from './statistics.js';
import { elapsed } from './timecode.js';

/** The encoder and the line find their pace; what they do before is not the route's doing. */
const WARM_UP_MS = 2000;
/** Nothing live is older: a code that says so was misread, or is of another clock. */
const PLAUSIBLE_MS = 60_000;

export class Measurement {
  statistics = new Statistics();
  /** How many frames could not be trusted. */
  refused = 0;
  /** @type {number | null} */
  #countsFrom = null;
  /** @type {number | null} */
  #last = null;

  /**
   * @param {number | null} drawn the code in the picture; null if it cannot be read
   * @param {number} now
   */
  frame(drawn, now) {
    if (drawn !== null && drawn === this.#last) return;
    this.#last = drawn ?? this.#last;
    this.#countsFrom ??= now + WARM_UP_MS;
    if (now < this.#countsFrom) return;
    const latency = drawn === null ? Infinity : elapsed(drawn, now);
    if (latency > PLAUSIBLE_MS) this.refused += 1;
    else this.statistics.add({ time: now, latency });
  }

  /** What comes now is a new beginning: it warms up again. */
  settle() {
    this.#countsFrom = null;
  }

  /** Forgets what was measured, and goes on. */
  reset() {
    this.statistics.clear();
    this.refused = 0;
  }
}
