// The picture on the page: one <video>, whose tracks can be exchanged without a blank frame.

/** @typedef {import('./world.js').World} World */

export class Display {
  #world;
  #video;
  #ours;
  #stopWatching = () => {};
  /** @type {MediaStream | null} */
  #shown = null;

  /**
   * @param {World} world
   * @param {HTMLElement} element a <video>, or a box to put one into
   */
  constructor(world, element) {
    this.#world = world;
    this.#ours = element.tagName !== 'VIDEO';
    this.#video = /** @type {HTMLVideoElement} */ (
      this.#ours ? element.appendChild(document.createElement('video')) : element
    );
    this.#video.playsInline = true;
  }

  /** How many lines of a picture can be seen; 0: none, or nobody knows. */
  get lines() {
    return Math.round(this.#video.clientHeight * this.#world.pixelRatio()) || 0;
  }

  /** @param {() => void} onResize called when the picture's size on the page has changed */
  watchSize(onResize) {
    this.#stopWatching();
    this.#stopWatching = this.#world.watchSize(this.#video, onResize);
  }

  /**
   * Our own camera: without its sound, which would howl.
   * @param {MediaStream} source
   */
  preview(source) {
    this.#video.muted = true;
    this.show(source.getTracks());
  }

  /** @param {MediaStreamTrack[]} tracks */
  show(tracks) {
    if (this.#shown) {
      this.#exchange(this.#shown, tracks);
    } else {
      this.#shown = new this.#world.MediaStream(tracks);
      this.#video.srcObject = this.#shown;
    }
    this.#play();
  }

  /** Shows nothing, until `show` is called again. */
  clear() {
    this.#shown = null;
    this.#video.srcObject = null;
  }

  remove() {
    this.#stopWatching();
    this.clear();
    if (this.#ours) this.#video.remove();
  }

  /**
   * The same MediaStream stays attached: another would blank the element until its first frame.
   * @param {MediaStream} shown
   * @param {MediaStreamTrack[]} tracks
   */
  #exchange(shown, tracks) {
    const old = shown.getTracks().filter((track) => !tracks.includes(track));
    for (const track of old) shown.removeTrack(track);
    for (const track of tracks) shown.addTrack(track);
  }

  async #play() {
    try {
      await this.#video.play();
    } catch (error) {
      // Browsers let nothing sound before the visitor has touched the page; a picture may move.
      const refused = error instanceof Error && error.name === 'NotAllowedError';
      if (!refused || this.#video.muted) return;
      this.#video.muted = true;
      await this.#video.play().catch(() => {});
    }
  }
}
