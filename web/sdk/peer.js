// One media session with one node: its connection, its trickling, its ICE restarts. It repairs
// itself as long as the session lives, and says `lost` once when it cannot.

import { connectionLost, udpBlocked } from './errors.js';
import { Emitter } from './events.js';
import { candidateFragment, credentialFragment, withIce } from './sdp.js';
import { bytesReceived, hasPicture, summary } from './stats.js';
import { Timers } from './timers.js';

/** @typedef {import('./world.js').World} World */
/** @typedef {import('./signalling.js').Signalling} Signalling */

/** Candidates that the browser finds within this time travel in one message. */
const TRICKLE_BATCH_MS = 30;
/** A node answers the first connectivity check at once; nothing for this long means a firewall. */
const CONNECT_TIMEOUT_MS = 10_000;
const DISCONNECTED_GRACE_MS = 3000;
const PICTURE_POLL_MS = 40;
/** Audio alone has no first frame, and a publisher's camera may be covered. */
const PICTURE_TIMEOUT_MS = 2000;
/** Even a still picture without sound sends more often than this. */
const STALL_MS = 1000;

/** Emits `connected` whenever media can pass, and `lost` with an error, once. */
export class Peer extends Emitter {
  #timers;
  #connection;
  #request;
  /** @type {(RTCIceCandidate | null)[]} */
  #candidates = [];
  #batching = false;
  #cancelGrace = () => {};
  #wasConnected = false;
  #closed = false;
  #lost = false;
  /** @type {Promise<void> | null} */
  #restart = null;
  /** @type {Map<string, any> | undefined} */
  #lastReport;
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
    this.#connection = new world.RTCPeerConnection({
      bundlePolicy: 'max-bundle',
      ...configuration,
    });
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
   * The offer leaves before a single candidate is known: the node learns our address from our
   * first check.
   * @returns {Promise<'answer' | 'waiting'>}
   */
  async negotiate() {
    const offer = await this.#connection.createOffer();
    const [answer] = await Promise.all([
      this.link.request({ ...this.#request, sdp: offer.sdp }),
      this.#connection.setLocalDescription(offer),
    ]);
    if (answer.type === 'waiting') return 'waiting';
    this.session = answer.session ?? '';
    if (this.#closed) {
      this.link.send({ type: 'stop', session: this.session });
      return 'answer';
    }
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    this.#timers.after(CONNECT_TIMEOUT_MS, () => this.#requireConnection());
    this.#sendCandidates();
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
    await this.#connection.setLocalDescription(offer);
    const { session } = this;
    const fragment = credentialFragment(offer.sdp ?? '');
    const answer = await link.request({ type: 'restart', session, fragment });
    if (this.#closed || link !== this.link) return;
    const { sdp = '' } = this.#connection.currentRemoteDescription ?? {};
    const renewed = withIce(sdp, answer.fragment ?? '');
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: renewed });
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
    // Without a session there is nobody to tell yet; the answer comes back here.
    if (!this.session) return;
    const fragment = candidateFragment(this.#candidates);
    this.#candidates = [];
    if (fragment) this.link.send({ type: 'candidates', session: this.session, fragment });
  }

  #watchIce() {
    const state = this.#connection.iceConnectionState;
    if (state === 'failed') this.#lose();
    if (state === 'connected' || state === 'completed') this.#cancelGrace();
    if (state === 'disconnected') this.#repair();
  }

  #repair() {
    this.#cancelGrace();
    this.#cancelGrace = this.#timers.after(DISCONNECTED_GRACE_MS, () => this.#lose());
    // Without a WebSocket the restart is made up for when there is one again.
    if (!this.link.open) return;
    this.restart(this.link).catch(() => {
      // A node that refuses has forgotten the session: waiting will not bring it back.
      if (this.link.open) this.#lose();
    });
  }

  #watchConnection() {
    const state = this.#connection.connectionState;
    if (state === 'failed') this.#lose();
    if (state !== 'connected') return;
    if (!this.#wasConnected && this.#request.type === 'play') this.#watchFlow();
    this.#wasConnected = true;
    this.emit('connected');
  }

  /**
   * A node that lost its power says nothing, and ICE takes seconds to notice; so when media stops,
   * ask whether the node is there. Once a stall: a publisher who leaves stalls every viewer.
   */
  #watchFlow() {
    let last = -1;
    let stalled = false;
    this.#timers.every(STALL_MS, async () => {
      const bytes = bytesReceived(/** @type {any} */ (await this.#connection.getStats()));
      if (bytes === last && !stalled) this.link.check();
      stalled = bytes === last;
      last = bytes;
    });
  }

  #requireConnection() {
    if (!this.#wasConnected) this.#lose();
  }

  #lose() {
    if (this.#closed || this.#lost) return;
    this.#lost = true;
    this.#timers.clear();
    const { address } = this.link;
    this.emit('lost', this.#wasConnected ? connectionLost(address) : udpBlocked(address), this);
  }
}
