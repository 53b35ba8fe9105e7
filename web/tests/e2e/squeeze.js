// A line that is too narrow for a while: the picture may freeze, latency may not grow. Needs root,
// which makes network namespaces.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openChromiumOn } from './support/browsers.js';
import { filmsClock, notes, readsClock } from './support/clock.js';
import { onlyRelay, scenery, visitor } from './support/firewall.js';
import { Player, Publisher, showsPath } from './support/pages.js';
import { until } from './support/until.js';

/** What Chromium gives to a camera's picture of 1280 × 720. */
const VIDEO = 2_500_000;
/** With sound and headers that is 2.7 Mbit/s on the line; a busy machine makes a little less. */
const STREAM = 2_200_000;
/** About half of that. Our bounds are bytes: on a narrower line they are more time. */
const NARROW = 1_300_000;

const BEFORE_S = 3;
const FINDING_S = 3;
const SQUEEZED_S = 7;
const RECOVERY_MS = 8000;

const FRAMES_PER_SECOND = 20;
/** A busy machine does not show every frame as soon as it might. */
const NEAR_MS = 100;

/**
 * How old what is shown is at most, in milliseconds. A keyframe goes whole, and takes most of a
 * second on such a line; TCP cannot take back what it has sent for the old pace. Half of it is for a
 * busy machine.
 */
const OLDEST_MS = 2000;
/** The same for one of two pictures: what waits at the node, in the kernel and in the line. */
const USUAL_MS = 1000;
/** How much later than at first the sound may be: Chromium's buffer for it makes room for more. */
const LATE_MS = 2500;

/** Until there is congestion control: a keyframe a second, and a part of the sound. */
const PICTURES_PER_SECOND = 1;
const SOUND = 0.3;

const WAYS = [
  { path: 'ICE-TCP', flag: '--turn=false', scheme: '' },
  { path: 'TURN/TLS', flag: '--turn', scheme: 'turns:' },
];

for (const way of WAYS) {
  test(`over ${way.path}, a line that is too narrow makes nothing old`, async (t) => {
    const scene = await scenery(t, ['tcp dport 443'], way.flag);
    await publishesClock(t, scene);
    const player = new Player(await visitor(t, scene));
    if (way.scheme) await player.page.addInitScript(onlyRelay, way.scheme);
    await player.open(scene.node);
    await player.shows('PLAYING');
    await player.unmute();
    await player.settled();
    assert.equal(await showsPath(player.page, 'path', /./), way.path);

    const viewer = new Viewer(t, player.page, scene.network);
    await viewer.begin();
    const before = await viewer.watch('before', BEFORE_S);
    scene.network.squeeze(NARROW);
    const finding = await viewer.watch('while TCP finds its pace', FINDING_S);
    const squeezed = await viewer.watch('squeezed', SQUEEZED_S);
    scene.network.widen();
    await until('it is as before', async () => {
      const { frames, age } = await viewer.watch('widened', 1);
      return frames >= FRAMES_PER_SECOND && age <= before.age + NEAR_MS;
    }, RECOVERY_MS);

    for (const seen of [finding, squeezed]) {
      assert.ok(seen.oldest <= OLDEST_MS, `a picture was ${seen.oldest} ms old`);
      assert.ok(seen.late <= LATE_MS, `the sound was ${seen.late} ms late`);
    }
    assert.ok(squeezed.age <= USUAL_MS, `half of the pictures were over ${squeezed.age} ms old`);
    assert.ok(squeezed.rate > 0.5 * NARROW, 'the line is used');
    assert.ok(squeezed.frames >= PICTURES_PER_SECOND, `${squeezed.frames} pictures a second`);
    assert.ok(squeezed.sound >= SOUND * before.sound, `${squeezed.sound} packets a second`);
  });
}

async function publishesClock(t, { network, trusted, node }) {
  const publisher = new Publisher(await openChromiumOn(t, network.outside, trusted));
  await publisher.connect(node);
  await filmsClock(publisher.page, VIDEO);
  await publisher.publish();
}

/**
 * What somebody saw and heard for a while, and what came in for it.
 * @typedef {object} Impression
 * @property {number} rate bits a second on the line
 * @property {number} frames a second
 * @property {number} age of the frames, the median, in milliseconds
 * @property {number} oldest of them
 * @property {number} sound packets a second
 * @property {number} late how much later the sound was than at first, in milliseconds
 */

class Viewer {
  #t;
  #page;
  #line;
  /** How late the sound was at first. */
  #usual = Infinity;

  constructor(t, page, line) {
    this.#t = t;
    this.#page = page;
    this.#line = line;
  }

  /** The publisher has found its pace. */
  async begin() {
    await readsClock(this.#page);
    await until('all bits are used', async () => {
      const { rate } = await this.watch('at first', 1);
      return rate >= STREAM;
    });
  }

  /**
   * @param {string} when
   * @param {number} given seconds
   * @returns {Promise<Impression>}
   */
  async watch(when, given) {
    const before = await this.#look();
    await this.#page.waitForTimeout(given * 1000);
    const { time, entered, sound, seen, heard } = await this.#look();
    const seconds = (time - before.time) / 1000;
    const ages = seen.filter((age) => age !== null).sort((one, other) => one - other);
    const below = (share) => ages[Math.ceil(share * ages.length) - 1];
    this.#usual = Math.min(this.#usual, ...heard);
    const impression = {
      rate: ((entered - before.entered) * 8) / seconds,
      frames: seen.length / seconds,
      age: below(0.5) ?? Infinity,
      oldest: below(1) ?? 0,
      sound: (sound - before.sound) / seconds,
      late: Math.max(0, ...heard) - this.#usual,
    };
    this.#t.diagnostic(`${when}: ${JSON.stringify(impression, (_, each) => (
      typeof each === 'number' ? Math.round(each) : each))}`);
    return impression;
  }

  async #look() {
    return { ...await notes(this.#page), entered: this.#line.entered(), time: performance.now() };
  }
}
