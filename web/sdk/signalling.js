// One WebSocket to one node: requests with their answers, and what the node pushes. Once lost, it
// stays lost; whoever holds it opens another.

import { Emitter } from './events.js';
import { FarcastError, connectionLost, nodeDown, refusal } from './errors.js';
import { Timers } from './timers.js';

/** @typedef {import('./world.js').World} World */

/**
 * @typedef {object} Message
 * @property {string} type
 * @property {string} [id]
 * @property {string} [session]
 * @property {string} [stream]
 * @property {string} [sdp]
 * @property {string} [fragment]
 * @property {string} [state]
 * @property {string} [reason]
 * @property {number} [layer]
 * @property {number} [layers]
 * @property {boolean} [paused]
 * @property {string} [node]
 * @property {RTCIceServer[]} [iceServers]
 * @property {number} [iceServersTtl] seconds
 * @property {number} [status]
 * @property {string} [title]
 * @property {string} [detail]
 */

/** @typedef {{resolve: (answer: Message) => void, reject: (error: Error) => void,
 *   stream: string, cancelTimer: () => void}} Waiter */

const HELLO_TIMEOUT_MS = 3000;
const ANSWER_TIMEOUT_MS = 5000;
const PING_EVERY_MS = 10_000;
const PONG_TIMEOUT_MS = 2000;

/** We are done: the node ends our sessions. */
const CLOSE_DONE = 1000;
/** We think that the WebSocket is dead: should this still arrive, our sessions must go on. */
const CLOSE_LOST = 4000;

/** Emits `message` for what the node pushes and, once, `lost`. */
export class Signalling extends Emitter {
  #socket;
  #timers;
  #lastId = 0;
  /** @type {Map<string, Waiter>} */
  #waiters = new Map();
  /** @type {((error: Error) => void) | null} */
  #failOpening = null;
  /** The node's name, from its greeting. */
  node = '';
  open = false;

  /**
   * @param {World} world
   * @param {string} address
   */
  constructor(world, address) {
    super();
    this.address = address;
    this.#timers = new Timers(world);
    this.#socket = new world.WebSocket(address);
    this.#socket.onclose = () => this.#lose();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
  }

  /**
   * @param {() => void} onConnected the WebSocket is open, the node has not greeted yet
   * @returns {Promise<void>} when the node has greeted
   */
  established(onConnected) {
    this.#socket.onopen = onConnected;
    const cancelTimer = this.#timers.after(HELLO_TIMEOUT_MS, () => this.#lose());
    return new Promise((resolve, reject) => {
      this.#failOpening = reject;
      this.on('hello', () => {
        cancelTimer();
        this.#failOpening = null;
        this.#timers.every(PING_EVERY_MS, () => this.check());
        resolve();
      });
    });
  }

  /**
   * @param {Record<string, unknown> & {type: string, stream?: string}} message
   * @param {number} [timeout]
   * @returns {Promise<Message>}
   */
  request(message, timeout = ANSWER_TIMEOUT_MS) {
    if (!this.open) return Promise.reject(connectionLost(this.address));
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#timers.after(timeout, () => {
        this.#waiters.delete(id);
        reject(connectionLost(this.address));
      });
      const stream = message.stream ?? 'this stream';
      this.#waiters.set(id, { resolve, reject, stream, cancelTimer });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** @param {Record<string, unknown> & {type: string}} message */
  send(message) {
    if (this.open) this.#socket.send(JSON.stringify(message));
  }

  /**
   * A WebSocket can be dead for minutes before the browser notices; a ping tells within seconds.
   * @returns {Promise<boolean>}
   */
  async check() {
    try {
      await this.request({ type: 'ping' }, PONG_TIMEOUT_MS);
    } catch (error) {
      // A node that answers anything at all is alive.
      if (error instanceof FarcastError && error.status !== undefined) return true;
      this.#lose();
    }
    return this.open;
  }

  /** Ends its sessions on the node too. */
  close() {
    this.#dispose(CLOSE_DONE);
  }

  #lose() {
    const wasOpen = this.open;
    this.#dispose(CLOSE_LOST);
    if (wasOpen) this.emit('lost', this);
  }

  /** @param {number} code why, in the close frame */
  #dispose(code) {
    this.open = false;
    this.#timers.clear();
    this.#socket.onopen = this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close(code);
    this.#failOpening?.(nodeDown([this.address]));
    this.#failOpening = null;
    for (const { reject } of this.#waiters.values()) reject(connectionLost(this.address));
    this.#waiters.clear();
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = parse(data);
    if (!message) return;
    if (message.type === 'hello') this.#greet(message);
    else if (message.id === undefined) this.emit('message', message, this);
    else this.#settle(message.id, message);
  }

  /** @param {Message} hello */
  #greet({ node = '' }) {
    this.node = node;
    this.open = true;
    this.emit('hello', this);
  }

  /**
   * @param {string} id
   * @param {Message} answer
   */
  #settle(id, answer) {
    const waiter = this.#waiters.get(id);
    if (!waiter) return;
    this.#waiters.delete(id);
    waiter.cancelTimer();
    if (answer.type === 'error') waiter.reject(refusal(answer, waiter.stream, this.address));
    else waiter.resolve(answer);
  }
}

/**
 * @param {unknown} data
 * @returns {Message | null} null for what is no message: a later version may send other things
 */
function parse(data) {
  if (typeof data !== 'string') return null;
  try {
    const message = JSON.parse(data);
    return typeof message?.type === 'string' ? message : null;
  } catch {
    return null;
  }
}
