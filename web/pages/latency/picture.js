// How the clock looks: digits for people above, the code for machines below.

import { COLUMNS, ROWS, encode } from './timecode.js';

export const WIDTH = 640;
export const HEIGHT = 360;

const DIGITS = { middle: WIDTH / 2, base: 130, font: '600 88px monospace', width: 600 };
/** Cells of 50 × 40: several of an encoder's blocks, even at half the size. */
const CODE = { x: 20, y: 180, width: 600, height: 160 };

/** Pixels a cell when it is read; those at its edges belong to the neighbours too. */
const SAMPLES = 4;
const INNER = [1, 2];

/**
 * @param {CanvasRenderingContext2D} context of a canvas of `WIDTH` × `HEIGHT`
 * @param {number} time milliseconds since 1970
 */
export function draw(context, time) {
  context.fillStyle = 'black';
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = 'white';
  context.font = DIGITS.font;
  context.textAlign = 'center';
  context.fillText(digits(time), DIGITS.middle, DIGITS.base, DIGITS.width);
  const [width, height] = [CODE.width / COLUMNS, CODE.height / ROWS];
  encode(time).forEach((white, index) => {
    const [column, row] = [index % COLUMNS, Math.floor(index / COLUMNS)];
    if (white) context.fillRect(CODE.x + column * width, CODE.y + row * height, width, height);
  });
}

/** @returns {(video: HTMLVideoElement) => number[]} what each cell's luminance is */
export function createReader() {
  const canvas = document.createElement('canvas');
  canvas.width = COLUMNS * SAMPLES;
  canvas.height = ROWS * SAMPLES;
  const context = context2d(canvas);
  return (video) => {
    // An encoder that is short of bits sends a smaller picture.
    const scale = video.videoWidth / WIDTH;
    const [x, y, width, height] = [CODE.x, CODE.y, CODE.width, CODE.height]
      .map((each) => each * scale);
    context.drawImage(video, x, y, width, height, 0, 0, canvas.width, canvas.height);
    return luminances(context.getImageData(0, 0, canvas.width, canvas.height));
  };
}

/**
 * In the computer's memory, where pictures are taken from it at once; a graphics card hands them
 * over later.
 * @param {HTMLCanvasElement} canvas
 */
export function context2d(canvas) {
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  if (!context) throw new Error('This browser cannot draw.');
  return context;
}

/** @param {ImageData} picture */
function luminances({ data, width }) {
  return Array.from({ length: COLUMNS * ROWS }, (_, cell) => {
    const left = (cell % COLUMNS) * SAMPLES;
    const top = Math.floor(cell / COLUMNS) * SAMPLES;
    const inner = INNER.flatMap((down) => INNER.map((right) => (top + down) * width + left + right));
    // The code has no colour, so green tells as much as all three.
    return inner.reduce((sum, at) => sum + data[at * 4 + 1], 0) / inner.length;
  });
}

/** @param {number} time */
function digits(time) {
  const date = new Date(time);
  const part = (/** @type {number} */ number, length = 2) => String(number).padStart(length, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((each) => part(each));
  return `${clock.join(':')}.${part(date.getMilliseconds(), 3)}`;
}
