// One stream, published or played, over as many media sessions as it takes: it opens the next one
// before it gives up the last, and knows which errors are worth another try.

import { addReceivers, addSenders } from './tracks.js';
import { Display } from './display.js';
import { asFarcastError, deviceLost, publicationEnded } from './errors.js';
import { STATE, Stateful } from './events.js';
import { Peer } from './peer.js';
import { Retries } from './retries.js';
import { Source } from './source.js';
import { Timers } from './timers.js';

/** @typedef {import('./world.js').World} World */
/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./signalling.js').Signalling} Signalling */
/** @typedef {import('./signalling.js').Message} Message */

/**
 * @typedef {object} StreamOptions
 * @property {string} name
 * @property {HTMLElement} [display] a <video>, or a box to put one into
 * @property {boolean | MediaTrackConstraints} [video] true unless told otherwise
 * @property {boolean | MediaTrackConstraints} [audio] true unless told otherwise
 * @property {string} [codec] of a published video: VP8 (the default), H264, VP9, AV1
 * @property {MediaStream} [source] published instead of camera and microphone; stays the caller's
 * @property {string} [token] instead of the session's
 */

/**
 * @typedef {object} Quality how a viewer gets the video of a stream
 * @property {number} layer which layer, counted from the smallest
 * @property {number} layers of how many
 * @property {boolean} paused whether the line has room for single pictures alone
 */

/** A window that is dragged changes its size with every frame. */
const SETTLED_MS = 250;
/** So that all viewers of a stream do not come back in the same instant. */
const SPREAD_MS = 500;

/** Emits `state`, each state by its name, `path` and `quality` when they change, and `error`. */
export class Stream extends Stateful {
  #world;
  #session;
  #options;
  #timers;
  #retries;
  /** @type {Display | null} */
  #display = null;
  /** @type {'publish' | 'play' | null} null while stopped */
  #role = null;
  /** @type {Source | null} */
  #source = null;
  /** The session in use. @type {Peer | null} */
  #peer = null;
  /** The session that shall take its place. @type {Peer | null} */
  #next = null;
  /** The WebSocket whose node remembers that we wait. @type {Signalling | null} */
  #waitingOn = null;
  #attempt = 0;
  /** @type {import('./stats.js').Path} */
  #path = '';
  /** @type {Quality | null} */
  #quality = null;
  /** The best layer that is wanted. @type {number | undefined} */
  #layer;
  #cancelResize = () => {};

  /**
   * @param {World} world
   * @param {Session} session
   * @param {StreamOptions} options
   */
  constructor(world, session, options) {
    super();
    this.#world = world;
    this.#session = session;
    this.#options = { video: true, audio: true, codec: 'VP8', ...options };
    this.#timers = new Timers(world);
    this.#retries = new Retries(this.#timers, world.random);
  }

  get name() {
    return this.#options.name;
  }

  /** How media gets through, '' while that is unknown. */
  get path() {
    return this.#path;
  }

  /** How the video comes, if there is a choice or none fits. @returns {Quality | null} */
  get quality() {
    return this.#quality;
  }

  /** @param {number} [layer] the best one that is wanted, from the smallest; without it, the best */
  setLayer(layer) {
    this.#layer = layer;
    this.#prefer();
  }

  async publish() {
    this.#begin('publish');
    const attempt = this.#attempt;
    const source = new Source(this.#world, this.#options, (kind) => this.#fail(deviceLost(kind)));
    this.#source = source;
    try {
      const media = await source.open();
      if (attempt !== this.#attempt) return;
      this.#display?.preview(media);
      await this.#renew();
    } catch (error) {
      if (attempt === this.#attempt) this.#fail(asFarcastError(error));
    }
  }

  async play() {
    this.#begin('play');
    return this.#renew();
  }

  stop() {
    if (this.#role) this.#end(STATE.STOPPED);
  }

  /** `null` while nothing flows. */
  async stats() {
    return (this.#peer ?? this.#next)?.stats() ?? null;
  }

  /**
   * For the session: whether a WebSocket matters to this stream.
   * @param {Signalling} link
   */
  uses(link) {
    return [this.#peer?.link, this.#next?.link, this.#waitingOn].includes(link);
  }

  /**
   * For the session: there is a WebSocket again, perhaps to another node.
   * @param {Signalling} link
   */
  relink(link) {
    if (this.#waitingOn && !this.#waitingOn.open) {
      this.#renew();
      return;
    }
    for (const peer of [this.#peer, this.#next]) {
      if (peer?.session && !peer.link.open) this.#adopt(peer, link);
    }
  }

  /** For the session: time has passed unnoticed, so nothing is sure. */
  check() {
    if (this.#peer) this.#adopt(this.#peer, this.#peer.link);
  }

  /** @param {Message} message what a node pushed to the session */
  receive(message) {
    const { type, stream, session, state, reason = '' } = message;
    const { layer = 0, layers = 1, paused = false } = message;
    if (type === 'published' && stream === this.name && this.state === STATE.WAITING) {
      this.#retries.after(this.#world.random() * SPREAD_MS, () => {
        if (this.state === STATE.WAITING) this.#renew();
      });
    }
    const peer = [this.#peer, this.#next].find((each) => each?.session === session);
    if (!session || !peer) return;
    if (type === 'quality' && peer === this.#peer) this.#see({ layer, layers, paused });
    if (type === 'renegotiate') this.#renew();
    if (type === 'ended') this.#ended(peer, reason);
    if (type === 'status') this.enter(state === 'waiting' ? STATE.WAITING : STATE.PLAYING);
  }

  /** @param {'publish' | 'play'} role */
  #begin(role) {
    if (this.#role) throw new Error(`${this.name} is in use: stop it first`);
    this.#role = role;
    this.#retries.restart();
    const { display } = this.#options;
    this.#display = display ? new Display(this.#world, display) : null;
    if (role === 'play') this.#display?.watchSize(() => this.#resized());
    this.#session.join(this);
    this.enter(STATE.PENDING);
  }

  /**
   * A new media session; the last one serves until this one does.
   * @param {boolean} [elsewhere] the balancer may send us to another node
   */
  async #renew(elsewhere = false) {
    const attempt = this.#supersede();
    try {
      const link = await (elsewhere ? this.#session.relocate() : this.#session.ready());
      if (attempt === this.#attempt && this.#role === 'publish') await this.#giveUpName(link);
      if (attempt !== this.#attempt) return;
      const peer = await this.#prepare(link);
      const outcome = await peer.negotiate();
      if (attempt === this.#attempt && outcome === 'waiting') this.#wait(link);
      if (!this.#role && outcome === 'waiting') link.send({ type: 'forget', stream: this.name });
    } catch (error) {
      if (attempt === this.#attempt) this.#recover(asFarcastError(error));
    }
  }

  /** @returns {number} what `#attempt` stays, until something newer is tried */
  #supersede() {
    this.#retries.cancel();
    this.#next?.stop();
    this.#next = null;
    this.#waitingOn = null;
    this.#attempt += 1;
    return this.#attempt;
  }

  /**
   * A name is published once: our own last session has to go before the next one can come.
   * @param {Signalling} link
   */
  async #giveUpName(link) {
    const session = this.#peer?.session;
    this.#peer?.close();
    this.#use(null);
    // That the session is gone already is just as good.
    if (session) await link.request({ type: 'stop', session }).catch(() => {});
  }

  /** @param {Signalling} link */
  async #prepare(link) {
    const type = this.#role ?? 'play';
    const { name: stream, token = this.#session.token, video, audio, codec } = this.#options;
    const peer = new Peer(this.#world, link, this.#session.mediaOptions, { type, stream, token });
    this.#next = peer;
    peer.on('connected', () => this.#promote(peer));
    peer.on('path', () => this.#followPath());
    peer.on('lost', (error) => {
      // With the next session under way nobody needs the last one.
      if (peer === (this.#next ?? this.#peer)) this.#recover(error);
    });
    if (this.#source) {
      await addSenders(this.#world, peer.connection, this.#source.media, codec ?? 'VP8');
    } else {
      const kinds = /** @type {const} */ (['audio', 'video']);
      addReceivers(peer.connection, kinds.filter((kind) => ({ audio, video })[kind]));
    }
    return peer;
  }

  /** @param {Peer} peer */
  async #promote(peer) {
    if (peer !== this.#next) return;
    const playing = this.#role === 'play';
    if (playing && !this.#peer) this.#display?.show(peer.tracks);
    if (playing) await peer.picture();
    if (peer !== this.#next) return;
    if (playing && this.#peer) this.#display?.show(peer.tracks);
    this.#peer?.stop();
    this.#use(peer);
    this.#next = null;
    this.#quality = null;
    this.#prefer();
    this.#retries.succeed();
    this.#session.sweep();
    this.enter(playing ? STATE.PLAYING : STATE.PUBLISHING);
  }

  /** Tells the node what this viewer can make use of. */
  #prefer() {
    if (this.#role !== 'play') return;
    const lines = this.#display?.lines ?? 0;
    this.#peer?.prefer({ ...(lines > 0 && { height: lines }), layer: this.#layer });
  }

  #resized() {
    this.#cancelResize();
    this.#cancelResize = this.#timers.after(SETTLED_MS, () => this.#prefer());
  }

  /** @param {Quality} quality */
  #see(quality) {
    this.#quality = quality;
    this.emit('quality', quality, this);
  }

  /** @param {Peer | null} peer */
  #use(peer) {
    this.#peer = peer;
    this.#followPath();
  }

  #followPath() {
    const path = this.#peer?.path ?? '';
    if (path === this.#path) return;
    this.#path = path;
    this.emit('path', path, this);
  }

  /** @param {import('./errors.js').FarcastError} error */
  #recover(error) {
    if (!this.#retries.allows(this.#role, error)) return this.#fail(error);
    this.emit('error', error, this);
    this.enter(STATE.PENDING);
    this.#supersede();
    this.#retries.later(() => this.#renew(true));
  }

  /** @param {Signalling} link whose node will tell us */
  #wait(link) {
    this.#next?.close();
    this.#next = null;
    this.#peer?.stop();
    this.#use(null);
    this.#waitingOn = link;
    this.#retries.succeed();
    this.#display?.clear();
    this.enter(STATE.WAITING);
  }

  /**
   * @param {Peer} peer
   * @param {string} reason
   */
  #ended(peer, reason) {
    if (this.#role === 'publish') return this.#fail(publicationEnded(this.name, reason));
    peer.close();
    // With a newer session under way there is nothing to wait for.
    if (peer === this.#peer && this.#next) return;
    this.#wait(peer.link);
  }

  /**
   * ICE restarts on a WebSocket that may be new to the node; a session it has forgotten is renewed.
   * @param {Peer} peer
   * @param {Signalling} link
   */
  async #adopt(peer, link) {
    try {
      if (link.node !== peer.link.node) this.#renew();
      else await peer.restart(link);
    } catch {
      const current = peer === this.#peer || peer === this.#next;
      // Without a WebSocket this comes again with the next one; media goes on meanwhile.
      if (current && link.open) this.#renew();
    }
  }

  /** @param {import('./errors.js').FarcastError} error */
  #fail(error) {
    this.emit('error', error, this);
    this.#end(STATE.FAILED);
  }

  /** @param {'STOPPED' | 'FAILED'} state */
  #end(state) {
    const waitingOn = this.#waitingOn;
    this.#role = null;
    this.#supersede();
    this.#timers.clear();
    waitingOn?.send({ type: 'forget', stream: this.name });
    this.#peer?.stop();
    this.#use(null);
    this.#source?.close();
    this.#source = null;
    this.#display?.remove();
    this.#display = null;
    this.#session.leave(this);
    this.enter(state);
  }
}
