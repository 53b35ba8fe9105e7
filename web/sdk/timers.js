// Timers that belong to one owner, so that it can leave none behind.

/** @typedef {import('./world.js').World} World */

export class Timers {
  /** @type {World} */
  #world;
  /** @type {Set<any>} */
  #pending = new Set();

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
  }

  /**
   * @param {number} milliseconds
   * @param {() => void} action
   * @returns {() => void} takes the timer back
   */
  after(milliseconds, action) {
    const timer = this.#world.setTimeout(() => {
      this.#pending.delete(timer);
      action();
    }, milliseconds);
    this.#pending.add(timer);
    return () => this.#cancel(timer);
  }

  /**
   * @param {number} milliseconds
   * @param {() => void} action
   * @returns {() => void} ends the repetition
   */
  every(milliseconds, action) {
    let cancel = () => {};
    const next = () => {
      cancel = this.after(milliseconds, () => {
        next();
        action();
      });
    };
    next();
    return () => cancel();
  }

  /**
   * Never resolves once the timers are cleared: whoever slept has no more to do.
   * @param {number} milliseconds
   * @returns {Promise<void>}
   */
  sleep(milliseconds) {
    return new Promise((resolve) => this.after(milliseconds, resolve));
  }

  clear() {
    for (const timer of [...this.#pending]) this.#cancel(timer);
  }

  /** @param {any} timer */
  #cancel(timer) {
    this.#world.clearTimeout(timer);
    this.#pending.delete(timer);
  }
}
