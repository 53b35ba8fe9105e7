// The clock's way through the network and back: published to the node that served this page, played
// from wherever viewers are sent.

import { Farcast, STATE } from '../../sdk/farcast.js';
import { Emitter } from '../../sdk/events.js';

/** @typedef {import('../../sdk/session.js').SessionOptions} SessionOptions */
/** @typedef {import('../../sdk/stream.js').StreamOptions} StreamOptions */
/** @typedef {import('../../sdk/stream.js').Stream} Stream */

/** Emits `state`, and `error`. */
export class Loop extends Emitter {
  #sessions;
  #streams;

  /**
   * @param {{publishing: SessionOptions, playing: SessionOptions}} sessions
   * @param {{publishing: StreamOptions, playing: StreamOptions}} streams
   */
  constructor(sessions, streams) {
    super();
    // An address that makes no sense throws here, before anything is open.
    const playing = Farcast.createSession(sessions.playing);
    const publishing = Farcast.createSession(sessions.publishing);
    this.#sessions = { publishing, playing };
    this.#streams = {
      publishing: publishing.createStream(streams.publishing),
      playing: playing.createStream(streams.playing),
    };
    for (const each of [publishing, playing, ...Object.values(this.#streams)]) {
      each.on('state', () => this.emit('state')).on('error', (error) => this.emit('error', error));
    }
    this.#start(this.#streams);
  }

  get published() {
    return this.#streams.publishing.state === STATE.PUBLISHING;
  }

  /** Of the part that the picture waits for. */
  get state() {
    return this.#streams[this.published ? 'playing' : 'publishing'].state;
  }

  /** The node that the picture is played from, empty while there is none. */
  get node() {
    return this.#sessions.playing.node;
  }

  /** What the browser measures on both streams. */
  async stats() {
    const { publishing, playing } = this.#streams;
    const [local, remote] = await Promise.all([publishing.stats(), playing.stats()]);
    return { local, remote };
  }

  stop() {
    for (const session of Object.values(this.#sessions)) session.disconnect();
  }

  /** @param {{publishing: Stream, playing: Stream}} streams */
  #start({ publishing, playing }) {
    let begun = false;
    publishing.on(STATE.PUBLISHING, () => {
      // Whoever publishes under this name before us has another clock.
      if (!begun) playing.play();
      begun = true;
    });
    publishing.publish();
  }
}
