// One media session with one node: its connection, its trickling, its ICE restarts. It repairs
// itself as long as the session lives, and says `lost` once when it cannot.

import { connectionLost, mediaBlocked } from './errors.js';
import { Emitter } from './events.js';
import { candidateFragment, credentialFragment, offersTcp, withIce } from './sdp.js';
import { Servers } from './servers.js';
import { bytesReceived, hasPicture, pathOf, summary } from './stats.js';
import { Timers } from './timers.js';

/** @typedef {import('./world.js').World} World */
/** @typedef {import('./signalling.js').Signalling} Signalling */

/** Candidates that the browser finds within this time travel in one message. */
const TRICKLE_BATCH_MS = 30;
/**
 * Ways around a firewall take a dozen round trips and may lose a SYN or two; a node answers the
 * first check on any of them at once, so nothing for this long means that there is none.
 */
const CONNECT_TIMEOUT_MS = 10_000;
const DISCONNECTED_GRACE_MS = 3000;
/** A node that answers a restart is there: the new paths, TURN's too, may take their time. */
const RESTARTED_GRACE_MS = 6000;
const PICTURE_POLL_MS = 40;
/** Audio alone has no first frame, and a publisher's camera may be covered. */
const PICTURE_TIMEOUT_MS = 2000;
/** Even a still picture without sound sends more often than this. */
const LOOK_EVERY_MS = 1000;

/** Emits `connected` whenever media can pass, `path`, and `lost` with an error, once. */
export class Peer extends Emitter {
  #timers;
  #connection;
  #request;
  #servers;
  /** @type {(RTCIceCandidate | null)[]} */
  #candidates = [];
  #batching = false;
  /** While ICE repairs itself: takes back the end of our patience. @type {(() => void) | null} */
  #cancelGrace = null;
  #wasConnected = false;
  #closed = false;
  #lost = false;
  /** @type {Promise<void> | null} */
  #restart = null;
  /** @type {Map<string, any> | undefined} */
  #lastReport;
  #lastBytes = -1;
  #stalled = false;
  /** @type {import('./stats.js').Path} */
  path = '';
  /** The node's name for this session, once it has answered. */
  session = '';

  /**
   * @param {World} world
   * @param {Signalling} link
   * @param {RTCConfiguration} configuration
   * @param {{type: 'publish' | 'play', stream: string, token?: string}} request
   */
  constructor(world, link, configuration, request) {
    super();
    this.#timers = new Timers(world);
    this.#request = request;
    this.link = link;
    const complete = { bundlePolicy: /** @type {const} */ ('max-bundle'), ...configuration };
    this.#connection = new world.RTCPeerConnection(complete);
    this.#servers = new Servers(this.#connection, complete, this.#timers, () => this.#renew());
    this.#connection.onicecandidate = ({ candidate }) => this.#trickle(candidate);
    this.#connection.oniceconnectionstatechange = () => this.#watchIce();
    this.#connection.onconnectionstatechange = () => this.#watchConnection();
  }

  /** For adding what is sent or received, before `negotiate`. */
  get connection() {
    return this.#connection;
  }

  get closed() {
    return this.#closed;
  }

  /** @returns {MediaStreamTrack[]} */
  get tracks() {
    return this.#connection.getReceivers().map(({ track }) => track);
  }

  /**
   * The offer leaves before anything is gathered: the node learns our address from our first
   * check, and its answer names the TURN servers that are then asked along with all else.
   * @returns {Promise<'answer' | 'waiting'>}
   */
  async negotiate() {
    const offer = await this.#connection.createOffer();
    const answer = await this.link.request({ ...this.#request, sdp: offer.sdp });
    if (answer.type === 'waiting') return 'waiting';
    this.session = answer.session ?? '';
    if (this.#closed) {
      this.link.send({ type: 'stop', session: this.session });
      return 'answer';
    }
    this.#servers.take(answer);
    await this.#connection.setLocalDescription(offer);
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    this.#timers.after(CONNECT_TIMEOUT_MS, () => this.#requireConnection());
    return 'answer';
  }

  /**
   * New paths for the same session, after the network or the WebSocket changed.
   * @param {Signalling} link
   * @returns {Promise<void>}
   */
  restart(link) {
    // Two restarts at once would mix their credentials; over a new WebSocket the old one is void.
    if (this.#restart && link === this.link) return this.#restart;
    this.link = link;
    const restart = this.#exchangeIce(link).finally(() => {
      if (this.#restart === restart) this.#restart = null;
    });
    this.#restart = restart;
    return restart;
  }

  /** @param {Signalling} link */
  async #exchangeIce(link) {
    const offer = await this.#connection.createOffer({ iceRestart: true });
    const { session } = this;
    const fragment = credentialFragment(offer.sdp ?? '');
    const answer = await link.request({ type: 'restart', session, fragment });
    if (this.#closed || link !== this.link) return;
    this.#servers.take(answer);
    await this.#connection.setLocalDescription(offer);
    const { sdp = '' } = this.#connection.currentRemoteDescription ?? {};
    const renewed = withIce(sdp, answer.fragment ?? '');
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: renewed });
    if (this.#cancelGrace) this.#grant(RESTARTED_GRACE_MS);
  }

  /** @returns {Promise<void>} at the first decoded frame, or when none can be expected */
  async picture() {
    for (let waited = 0; waited < PICTURE_TIMEOUT_MS; waited += PICTURE_POLL_MS) {
      const report = /** @type {any} */ (await this.#connection.getStats());
      if (this.#closed || hasPicture(report)) return;
      await this.#timers.sleep(PICTURE_POLL_MS);
    }
  }

  async stats() {
    const report = /** @type {any} */ (await this.#connection.getStats());
    const figures = summary(report, this.#lastReport);
    this.#lastReport = report;
    return figures;
  }

  /**
   * A viewer gets no more than it can make use of.
   * @param {{height?: number, layer?: number}} bounds
   */
  prefer(bounds) {
    if (this.session) this.link.send({ type: 'layer', session: this.session, ...bounds });
  }

  /** Ends the session on the node as well. */
  stop() {
    if (!this.#closed && this.session) this.link.send({ type: 'stop', session: this.session });
    this.close();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.clear();
    const connection = this.#connection;
    connection.onicecandidate = null;
    connection.oniceconnectionstatechange = null;
    connection.onconnectionstatechange = null;
    connection.close();
  }

  /** @param {RTCIceCandidate | null} candidate */
  #trickle(candidate) {
    this.#candidates.push(candidate);
    if (this.#batching) return;
    this.#batching = true;
    this.#timers.after(TRICKLE_BATCH_MS, () => {
      this.#batching = false;
      this.#sendCandidates();
    });
  }

  #sendCandidates() {
    const fragment = candidateFragment(this.#candidates);
    this.#candidates = [];
    if (fragment) this.link.send({ type: 'candidates', session: this.session, fragment });
  }

  #watchIce() {
    const state = this.#connection.iceConnectionState;
    if (state === 'connected' || state === 'completed') this.#recovered();
    // Until something has connected, more ways may still be found: the clock alone decides.
    if (!this.#wasConnected) return;
    if (state === 'disconnected' || state === 'failed') this.#repair();
  }

  #repair() {
    if (this.#cancelGrace) return;
    this.#grant(DISCONNECTED_GRACE_MS);
    // Without a WebSocket the restart is made up for when there is one again.
    if (!this.link.open) return;
    this.restart(this.link).catch(() => {
      // A node that refuses has forgotten the session: waiting will not bring it back.
      if (this.link.open) this.#lose();
    });
  }

  /** @param {number} milliseconds from now for media to pass again */
  #grant(milliseconds) {
    this.#recovered();
    this.#cancelGrace = this.#timers.after(milliseconds, () => this.#lose());
  }

  #recovered() {
    this.#cancelGrace?.();
    this.#cancelGrace = null;
  }

  #watchConnection() {
    const state = this.#connection.connectionState;
    // ICE that failed is repaired; nothing else can be.
    if (state === 'failed' && this.#connection.iceConnectionState !== 'failed') this.#lose();
    if (state !== 'connected') return;
    if (!this.#wasConnected) this.#watch();
    this.#wasConnected = true;
    this.emit('connected');
  }

  #watch() {
    this.#look();
    this.#timers.every(LOOK_EVERY_MS, () => this.#look());
  }

  async #look() {
    const report = /** @type {any} */ (await this.#connection.getStats());
    if (this.#closed) return;
    this.#follow(pathOf(report));
    if (this.#request.type === 'play') this.#checkFlow(bytesReceived(report));
  }

  /** @param {import('./stats.js').Path} path */
  #follow(path) {
    if (path === this.path) return;
    this.path = path;
    this.emit('path', path, this);
  }

  /**
   * A node that lost its power says nothing, and ICE takes seconds to notice; so when media stops,
   * ask whether the node is there. Once a stall: a publisher who leaves stalls every viewer.
   * @param {number} bytes received until now
   */
  #checkFlow(bytes) {
    const stalled = bytes === this.#lastBytes;
    if (stalled && !this.#stalled) this.link.check();
    this.#stalled = stalled;
    this.#lastBytes = bytes;
  }

  async #renew() {
    const { link, session } = this;
    // Without an answer there is nothing to do: the next restart brings new ones.
    const answer = await link.request({ type: 'renew', session }).catch(() => null);
    if (answer && !this.#closed) this.#servers.take(answer);
  }

  #requireConnection() {
    if (!this.#wasConnected) this.#lose();
  }

  #lose() {
    if (this.#closed || this.#lost) return;
    this.#lost = true;
    this.#timers.clear();
    const { address } = this.link;
    const error = this.#wasConnected
      ? connectionLost(address)
      : mediaBlocked(address, this.#waysTried());
    this.emit('lost', error, this);
  }

  #waysTried() {
    const { sdp = '' } = this.#connection.currentRemoteDescription ?? {};
    return ['UDP', offersTcp(sdp) ? 'TCP' : '', this.#servers.any ? 'TURN' : ''].filter(Boolean);
  }
}
