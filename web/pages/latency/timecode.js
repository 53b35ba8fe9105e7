// A time as a grid of black and white cells, with a checksum: what a picture tells is the time that
// was drawn into it, or nothing. It knows no canvas and no clock.

export const COLUMNS = 12;
export const ROWS = 4;

const TIME_BITS = 32;
const CHECK_BITS = COLUMNS * ROWS - TIME_BITS;

/** The finest step that browsers let pages see. */
const TICKS_PER_MS = 10;
/** The code starts again after five days. */
const CYCLE = 2 ** TIME_BITS;

/** Between black and white: a picture so blurred is not read. */
const BLACK_BELOW = 96;
const WHITE_ABOVE = 160;

/**
 * @param {number} time milliseconds since 1970
 * @returns {boolean[]} row by row, true for white
 */
export function encode(time) {
  const ticks = Math.floor(time * TICKS_PER_MS) % CYCLE;
  const bits = bitsOf(ticks, TIME_BITS);
  return [...bits, ...bitsOf(checksum(bits), CHECK_BITS)];
}

/**
 * @param {number[]} luminances of the cells, from 0 to 255
 * @returns {number | null} ticks, for `elapsed`; null if the picture cannot be trusted
 */
export function decode(luminances) {
  if (luminances.some((each) => each >= BLACK_BELOW && each <= WHITE_ABOVE)) return null;
  const cells = luminances.map((each) => each > WHITE_ABOVE);
  const bits = cells.slice(0, TIME_BITS);
  const check = numberOf(cells.slice(TIME_BITS));
  return check === checksum(bits) ? numberOf(bits) : null;
}

/**
 * @param {number} ticks of a time that has passed
 * @param {number} now milliseconds since 1970
 * @returns {number} milliseconds between them
 */
export function elapsed(ticks, now) {
  return ((now * TICKS_PER_MS - ticks) % CYCLE) / TICKS_PER_MS;
}

/**
 * CRC-16/CCITT-FALSE: it misses no error in fewer than four cells, and of others one in 65,536.
 * @param {boolean[]} bits
 */
function checksum(bits) {
  return bits.reduce((crc, bit) => {
    const overflow = ((crc >> 15) & 1) !== Number(bit);
    return ((crc << 1) & 0xffff) ^ (overflow ? 0x1021 : 0);
  }, 0xffff);
}

/**
 * @param {number} number
 * @param {number} count
 */
function bitsOf(number, count) {
  return Array.from({ length: count }, (_, index) => ((number >>> (count - 1 - index)) & 1) === 1);
}

/** @param {boolean[]} bits */
function numberOf(bits) {
  return bits.reduce((number, bit) => number * 2 + Number(bit), 0);
}
