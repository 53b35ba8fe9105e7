// A camera whose picture is a clock: needs no permission, and tells when each frame was made.

import { now } from './clock.js';
import { HEIGHT, WIDTH, context2d, draw } from './picture.js';

/** Screens are late by a little and early by a little; a frame that is nearly due is drawn. */
const NEARLY = 0.75;

export class Camera {
  #canvas;
  #context;
  #request = 0;
  #lastDrawn = 0;
  /** @type {MediaStream | null} */
  #media = null;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    this.#canvas = canvas;
    this.#context = context2d(canvas);
  }

  /**
   * @param {number} framesPerSecond at most; a screen that is slower sets the pace
   * @returns {MediaStream}
   */
  start(framesPerSecond) {
    const interval = (1000 / framesPerSecond) * NEARLY;
    const next = () => {
      this.#request = requestAnimationFrame(next);
      const time = now();
      if (time - this.#lastDrawn < interval) return;
      this.#lastDrawn = time;
      draw(this.#context, time);
    };
    next();
    // Without a rate of its own it takes every frame when that is drawn, and waits for no timer.
    this.#media = this.#canvas.captureStream();
    return this.#media;
  }

  stop() {
    cancelAnimationFrame(this.#request);
    for (const track of this.#media?.getTracks() ?? []) track.stop();
    this.#media = null;
  }
}
