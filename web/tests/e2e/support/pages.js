// What people do on the pages and see there, by the ids that scripts may rely on; works in every
// browser that has pages with `goto`, `evaluate` and `click`.

import assert from 'node:assert/strict';

import { until } from './until.js';

/** @typedef {import('./nodes.js').Program} Program */

const WINDOW_SECONDS = 10;
/** A busy machine may spoil a window; a fault of ours spoils every one. */
const WINDOWS = 3;

export class Publisher {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * @param {Program} node
   * @param {string} [search] of the address
   */
  async connect({ url }, search = '?stream=stream1') {
    await this.page.goto(`${url}/publish${search}`);
    await this.page.click('#connect');
    await shows(this.page, 'ESTABLISHED');
  }

  async publish(codec = 'VP8') {
    await this.tryToPublish(codec);
    await shows(this.page, 'PUBLISHING');
  }

  async tryToPublish(codec = 'VP8') {
    await this.page.selectOption('#codec', codec);
    await this.page.click('#publish');
  }

  /** @returns {Promise<number>} how many frames the encoder has made */
  async encoded() {
    return this.page.evaluate(() => window.spy.encoded());
  }

  async stop() {
    await this.page.click('#stop');
    await shows(this.page, 'STOPPED');
  }
}

export class Player {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * @param {Program} node whose page it is, and who is asked for a node to play from
   * @param {string} [search] of the address
   */
  async open({ url }, search = `?stream=stream1&lb=${url}/?action=server_list`) {
    await this.page.goto(`${url}/player${search}`);
  }

  /** @param {string} state */
  async shows(state) {
    await shows(this.page, state);
  }

  /** @returns {Promise<string | null>} the host and port of the node it talks to */
  async node() {
    return this.page.evaluate(() => window.spy.node());
  }

  /** @returns {Promise<number | null>} when the first picture came, ms after the page was opened */
  async firstFrame() {
    return this.page.evaluate(() => window.spy.firstFrame());
  }

  /** @returns {Promise<number>} the longest time without a new picture since the last call, ms */
  async gap() {
    return this.page.evaluate(() => window.spy.gap());
  }

  /** Browsers count the sound of what is heard alone. */
  async unmute() {
    await this.page.click('#unmute');
  }

  /** @param {number} [seconds] */
  async watch(seconds = WINDOW_SECONDS) {
    return this.page.evaluate((given) => window.spy.watch(given), seconds);
  }

  /** The publisher's encoder and the line have found their pace: a good second has passed. */
  async settled(framesPerSecond = 20) {
    await until('a second of fluent pictures', async () => {
      const { decoded, frozen, audioPackets } = await this.watch(1);
      return decoded >= framesPerSecond && frozen === 0 && audioPackets > 0;
    });
  }
}

/**
 * @param {Player} player
 * @param {(seen: any) => void} check throws when it is not good enough
 * @returns {Promise<any>} what was seen in the first window that is
 */
export async function watchUntilGood(player, check) {
  for (let left = WINDOWS; ; left -= 1) {
    await player.settled();
    const seen = await player.watch();
    try {
      check(seen);
      return seen;
    } catch (error) {
      if (left <= 1) throw error;
      console.log(`once more: ${error.message}`);
    }
  }
}

/**
 * @param {any} seen
 * @param {number} [framesPerSecond]
 */
export function isGood(seen, framesPerSecond = 20) {
  const told = JSON.stringify(seen);
  assert.ok(seen.decoded >= framesPerSecond, `${framesPerSecond} frames a second: ${told}`);
  assert.ok(seen.shown >= framesPerSecond, `${framesPerSecond} shown a second: ${told}`);
  isMoving(seen);
  assert.equal(seen.freezes, 0, `no freeze: ${told}`);
  assert.equal(seen.frozen, 0, `no frozen second: ${told}`);
  assert.equal(seen.lost, 0, `no packet lost: ${told}`);
  assert.ok(seen.audioPackets > 0, `audio arrives: ${told}`);
  assert.ok(seen.audioEnergy > 0, `audio is no silence: ${told}`);
}

/** @param {any} seen */
export function isMoving(seen) {
  const told = JSON.stringify(seen);
  assert.ok(seen.pictures > seen.looks / 2, `the picture moves: ${told}`);
  assert.ok(seen.darkest > 16, `the picture is not black: ${told}`);
}

/**
 * @param {any} page
 * @param {string} state
 */
export async function shows(page, state) {
  let seen = '';
  await until(`${state} in #state`, async () => {
    seen = await text(page, 'state');
    return seen === state;
  }).catch(async (error) => {
    throw new Error(`${error.message}; it says ${seen}: ${await text(page, 'message')}`);
  });
}

/**
 * @param {any} page
 * @param {RegExp} sentence
 */
export async function says(page, sentence) {
  let seen = '';
  await until(`${sentence} in #message`, async () => {
    seen = await text(page, 'message');
    return sentence.test(seen);
  }).catch((error) => {
    throw new Error(`${error.message}; it says: ${seen}`);
  });
}

/**
 * @param {any} page
 * @param {string} id
 * @param {RegExp} path
 * @returns {Promise<string>} the one that is shown, with a sentence on what it means
 */
export async function showsPath(page, id, path) {
  let seen = '';
  await until(`${path} in #${id}`, async () => {
    seen = await text(page, id);
    return path.test(seen);
  }).catch((error) => {
    throw new Error(`${error.message}; it says: ${seen}`);
  });
  const meaning = await page.evaluate((given) => document.getElementById(given)?.title, id);
  assert.match(meaning, /^.+\.$/);
  return seen;
}

/**
 * @param {any} page
 * @param {string} id
 * @returns {Promise<string>}
 */
function text(page, id) {
  return page.evaluate((given) => document.getElementById(given)?.textContent ?? '', id);
}
