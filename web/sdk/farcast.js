// The SDK's front door: `Farcast.createSession(…)`, then `session.createStream(…)`.

import { STATE } from './events.js';
import { Session } from './session.js';
import { browserWorld } from './world.js';

export { FarcastError } from './errors.js';
export { STATE };

export const Farcast = {
  STATE,

  /**
   * Connects at once, and stays connected until `session.disconnect()`.
   * @param {import('./session.js').SessionOptions} options
   */
  createSession(options) {
    return new Session(browserWorld(), options);
  },
};
