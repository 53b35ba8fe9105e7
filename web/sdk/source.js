// What a publisher sends: camera and microphone that we open and close, or a MediaStream that
// somebody lends us.

import { captureError, insecurePage } from './errors.js';

/** @typedef {import('./world.js').World} World */

/**
 * @typedef {object} SourceOptions
 * @property {boolean | MediaTrackConstraints} [video]
 * @property {boolean | MediaTrackConstraints} [audio]
 * @property {MediaStream} [source] the lent one
 */

export class Source {
  #world;
  #options;
  #onTrackEnded;
  #closed = false;
  /** @type {MediaStream | null} */
  #media = null;

  /**
   * @param {World} world
   * @param {SourceOptions} options
   * @param {(kind: string) => void} onTrackEnded a device was unplugged or taken away
   */
  constructor(world, options, onTrackEnded) {
    this.#world = world;
    this.#options = options;
    this.#onTrackEnded = onTrackEnded;
  }

  get media() {
    if (!this.#media) throw new Error('the source is not open');
    return this.#media;
  }

  /** @returns {Promise<MediaStream>} */
  async open() {
    const media = this.#options.source ?? (await this.#capture());
    this.#media = media;
    for (const track of media.getTracks()) {
      track.onended = () => this.#onTrackEnded(track.kind);
    }
    // A visitor may take long to answer the browser's question, and leave before.
    if (this.#closed) this.close();
    return media;
  }

  close() {
    this.#closed = true;
    for (const track of this.#media?.getTracks() ?? []) {
      track.onended = null;
      if (!this.#options.source) track.stop();
    }
  }

  async #capture() {
    const { video, audio } = this.#options;
    if (!this.#world.mediaDevices) throw insecurePage(this.#world.location);
    try {
      return await this.#world.mediaDevices.getUserMedia({ video, audio });
    } catch (error) {
      const wanted = [video && 'camera', audio && 'microphone'].filter(Boolean).join(' and ');
      throw captureError(error, wanted);
    }
  }
}
