// The way to a node: which one, the WebSocket to it, another when that is lost. Streams use it and
// hear what the node pushes; what happens to media is theirs.

import { Backoff } from './backoff.js';
import { askBalancers, balancerAddress, signallingAddress } from './balancer.js';
import { FarcastError, closedSession, nodeDown } from './errors.js';
import { STATE, Stateful } from './events.js';
import { Signalling } from './signalling.js';
import { Stream } from './stream.js';
import { Timers } from './timers.js';

/** @typedef {import('./world.js').World} World */
/** @typedef {import('./stream.js').StreamOptions} StreamOptions */

/**
 * @typedef {object} SessionOptions
 * @property {string} [urlServer] the node, if no balancer is asked or none answers
 * @property {string | string[]} [lbUrl] balancers, asked in order; the first answer wins
 * @property {RTCConfiguration} [mediaOptions] iceServers, iceTransportPolicy, …
 * @property {string} [token] for all streams that have none of their own
 */

/** A balancer may still name a node that has just died; asked again, it names another. */
const BALANCER_ASKS = 3;
const SLEEP_CHECK_EVERY_MS = 1000;
/** Timers of hidden pages are late by up to a second; a laptop that slept is later. */
const SLEEP_GAP_MS = 5000;
/** A WebSocket that lived this long was a good one: the next failure is a new story. */
const GOOD_LINK_MS = 5000;

/** Emits `state`, each state by its name, and `error`. */
export class Session extends Stateful {
  #world;
  #timers;
  #backoff;
  /** @type {string[]} */
  #balancers;
  #urlServer;
  /** @type {Signalling | null} */
  #link = null;
  #linkedAt = 0;
  /** Every open WebSocket: the current one, and older ones that streams still use. */
  #links = /** @type {Set<Signalling>} */ (new Set());
  #streams = /** @type {Set<Stream>} */ (new Set());
  /** @type {{resolve: (link: Signalling) => void, reject: (error: Error) => void}[]} */
  #waiters = [];
  /** @type {Promise<Signalling> | null} */
  #relocation = null;
  #closed = false;

  /**
   * @param {World} world
   * @param {SessionOptions} options
   */
  constructor(world, { urlServer, lbUrl = [], mediaOptions = {}, token }) {
    super();
    this.#world = world;
    this.#timers = new Timers(world);
    this.#backoff = new Backoff(world.random);
    this.#balancers = [lbUrl].flat().map((url) => balancerAddress(url, world.location));
    this.#urlServer = urlServer ? signallingAddress(urlServer, world.location) : null;
    if (!this.#urlServer && this.#balancers.length === 0) {
      throw new FarcastError('BAD_ADDRESS', 'A session needs urlServer, lbUrl, or both.');
    }
    this.mediaOptions = mediaOptions;
    this.token = token;
    this.#watchForSleep();
    this.#connect(null);
  }

  /** The name of the node that we talk to, empty while there is none. */
  get node() {
    return this.#link?.node ?? '';
  }

  /** Whether `disconnect` was called; until then a lost node is looked for again. */
  get closed() {
    return this.#closed;
  }

  /** @param {StreamOptions} options */
  createStream(options) {
    return new Stream(this.#world, this, options);
  }

  /** Stops all streams and closes everything; the session cannot be used again. */
  disconnect() {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of [...this.#streams]) stream.stop();
    this.#timers.clear();
    for (const link of this.#links) link.close();
    this.#links.clear();
    this.#link = null;
    for (const { reject } of this.#waiters.splice(0)) reject(closedSession());
    this.enter(STATE.DISCONNECTED);
  }

  /**
   * For streams: the WebSocket to use, as soon as there is one.
   * @returns {Promise<Signalling>}
   */
  async ready() {
    if (this.#closed) throw closedSession();
    if (this.#link) return this.#link;
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /**
   * For streams whose media failed: asks the balancer again. Other streams stay where they are.
   * @returns {Promise<Signalling>}
   */
  relocate() {
    this.#relocation ??= this.#move().finally(() => {
      this.#relocation = null;
    });
    return this.#relocation;
  }

  /** @param {Stream} stream */
  join(stream) {
    this.#streams.add(stream);
  }

  /** @param {Stream} stream */
  leave(stream) {
    this.#streams.delete(stream);
    this.sweep();
  }

  /** Closes older WebSockets that no stream uses any more. */
  sweep() {
    const streams = [...this.#streams];
    for (const link of this.#links) {
      const opening = !link.open;
      if (link === this.#link || opening || streams.some((stream) => stream.uses(link))) continue;
      this.#links.delete(link);
      link.close();
    }
  }

  /** @param {string | null} preferred the node that knows our sessions */
  async #connect(preferred) {
    // Whoever creates a session adds handlers right after; they shall hear of everything.
    await null;
    while (!this.#closed) {
      this.enter(STATE.PENDING);
      const tried = /** @type {string[]} */ ([]);
      const link = await this.#openAny(preferred, tried);
      if (link) return this.#use(link);
      if (this.#closed) return;
      this.enter(STATE.DISCONNECTED);
      this.emit('error', nodeDown(tried), this);
      await this.#timers.sleep(this.#backoff.next());
    }
  }

  /**
   * @param {string | null} preferred
   * @param {string[]} tried takes the addresses that do not answer
   */
  async #openAny(preferred, tried) {
    for await (const address of this.#addresses(preferred)) {
      if (tried.includes(address)) continue;
      tried.push(address);
      const link = await this.#open(address, () => this.enter(STATE.CONNECTED));
      if (link) return link;
    }
    return null;
  }

  /** @param {string | null} preferred */
  async* #addresses(preferred) {
    if (preferred) yield preferred;
    for (let asks = 0; asks < BALANCER_ASKS; asks += 1) {
      const chosen = await askBalancers(this.#world, this.#balancers);
      if (!chosen) break;
      yield chosen;
    }
    if (this.#urlServer) yield this.#urlServer;
  }

  /**
   * @param {string} address
   * @param {() => void} onConnected
   * @returns {Promise<Signalling | null>} null if the node does not answer
   */
  async #open(address, onConnected) {
    if (this.#closed) return null;
    /** @type {Signalling | null} */
    let link = null;
    try {
      // The constructor throws where a page may not go: from https to a node without TLS.
      link = new Signalling(this.#world, address);
      this.#links.add(link);
      await link.established(onConnected);
      return link;
    } catch {
      if (link) this.#links.delete(link);
      return null;
    }
  }

  /** @param {Signalling} link */
  #use(link) {
    this.#link = link;
    this.#linkedAt = this.#world.now();
    link.on('lost', () => this.#lose(link));
    link.on('message', (message) => {
      for (const stream of [...this.#streams]) stream.receive(message);
    });
    this.enter(STATE.ESTABLISHED);
    for (const { resolve } of this.#waiters.splice(0)) resolve(link);
    for (const stream of [...this.#streams]) stream.relink(link);
  }

  /** @param {Signalling} link */
  async #lose(link) {
    this.#links.delete(link);
    if (link !== this.#link) {
      if (this.#link) for (const stream of [...this.#streams]) stream.relink(this.#link);
      return;
    }
    this.#link = null;
    this.enter(STATE.DISCONNECTED);
    if (this.#world.now() - this.#linkedAt > GOOD_LINK_MS) this.#backoff.reset();
    await this.#timers.sleep(this.#backoff.next());
    this.#connect(link.address);
  }

  async #move() {
    const current = await this.ready();
    const address = await askBalancers(this.#world, this.#balancers);
    if (address && address !== current.address) {
      const link = await this.#open(address, () => {});
      if (link) this.#use(link);
    } else {
      await current.check();
    }
    return this.ready();
  }

  #watchForSleep() {
    let last = this.#world.now();
    this.#timers.every(SLEEP_CHECK_EVERY_MS, () => {
      const gap = this.#world.now() - last;
      last += gap;
      if (gap > SLEEP_GAP_MS) this.#wake();
    });
  }

  async #wake() {
    const link = this.#link;
    if (!link || !(await link.check())) return;
    for (const stream of [...this.#streams]) stream.check();
  }
}
