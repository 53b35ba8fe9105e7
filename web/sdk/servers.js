// The TURN servers of one media session: the caller's own, and those that its node gives it for a
// while.

/** @typedef {import('./signalling.js').Message} Message */
/** @typedef {import('./timers.js').Timers} Timers */

/** Renewed while this much of their time is left, so that they are good whenever ICE restarts. */
const LEFT_AT_RENEWAL = 0.2;
/** Whatever a node says: neither a flood of renewals, nor a delay that timers cannot hold. */
const SHORTEST_MS = 1000;
const LONGEST_MS = 86_400_000;

export class Servers {
  #connection;
  #configuration;
  #timers;
  #renew;
  #cancel = () => {};
  /** @type {RTCIceServer[]} */
  #given = [];

  /**
   * @param {RTCPeerConnection} connection
   * @param {RTCConfiguration} configuration what it was made with
   * @param {Timers} timers
   * @param {() => void} renew
   */
  constructor(connection, configuration, timers, renew) {
    this.#connection = connection;
    this.#configuration = configuration;
    this.#timers = timers;
    this.#renew = renew;
  }

  /** Whether there are any. */
  get any() {
    return this.#all(this.#given).length > 0;
  }

  /**
   * Gathering that begins after this asks them; what was gathered before stays.
   * @param {Pick<Message, 'iceServers' | 'iceServersTtl'>} answer of the node
   */
  take({ iceServers, iceServersTtl = 0 }) {
    if (!Array.isArray(iceServers)) return;
    try {
      this.#connection.setConfiguration({
        ...this.#configuration,
        iceServers: this.#all(iceServers),
      });
    } catch {
      // A node whose servers no browser takes is perhaps reached without them.
      return;
    }
    this.#given = iceServers;
    this.#schedule(iceServersTtl);
  }

  /** @param {RTCIceServer[]} given */
  #all(given) {
    return [...(this.#configuration.iceServers ?? []), ...given];
  }

  /** @param {number} seconds that the credentials are good for */
  #schedule(seconds) {
    this.#cancel();
    if (!(seconds > 0)) return;
    const delay = seconds * 1000 * (1 - LEFT_AT_RENEWAL);
    const bounded = Math.min(Math.max(delay, SHORTEST_MS), LONGEST_MS);
    this.#cancel = this.#timers.after(bounded, this.#renew);
  }
}
