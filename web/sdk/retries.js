// Which errors of a stream are worth another try, and when that comes.

import { Backoff } from './backoff.js';

/** @typedef {import('./errors.js').FarcastError} FarcastError */
/** @typedef {import('./timers.js').Timers} Timers */

/** Until then a node has noticed by itself that the publisher it still holds, us, is gone. */
const TRIES_AGAINST_OURSELVES = 8;

export class Retries {
  #timers;
  #backoff;
  #wasGood = false;
  #cancel = () => {};

  /**
   * @param {Timers} timers
   * @param {() => number} random
   */
  constructor(timers, random) {
    this.#timers = timers;
    this.#backoff = new Backoff(random);
  }

  /** The stream starts a new life. */
  restart() {
    this.#wasGood = false;
    this.#backoff.reset();
  }

  /** Media flows. */
  succeed() {
    this.#wasGood = true;
    this.#backoff.reset();
  }

  /**
   * @param {'publish' | 'play' | null} role
   * @param {FarcastError} error
   */
  allows(role, { code, passing }) {
    if (role !== 'publish') return passing;
    // Somebody stands before the camera: a first failure is theirs to mend.
    if (code === 'MEDIA_BLOCKED') return this.#wasGood;
    const perhapsOurselves = this.#wasGood && this.#backoff.attempts < TRIES_AGAINST_OURSELVES;
    return passing || (code === 'ALREADY_PUBLISHED' && perhapsOurselves);
  }

  /** @param {() => void} action */
  later(action) {
    this.after(this.#backoff.next(), action);
  }

  /**
   * Takes the place of what was to come before.
   * @param {number} milliseconds
   * @param {() => void} action
   */
  after(milliseconds, action) {
    this.cancel();
    this.#cancel = this.#timers.after(milliseconds, action);
  }

  cancel() {
    this.#cancel();
  }
}
