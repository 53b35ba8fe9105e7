// Who takes part in the tests with firewalls: a node and a publisher outside, visitors inside; and
// what a visitor must see.

import assert from 'node:assert/strict';

import { openChromiumOn } from './browsers.js';
import { certificate } from './certificate.js';
import { OUTSIDE, firewalled } from './network.js';
import { originOutside } from './nodes.js';
import { Publisher, isMoving, watchUntilGood } from './pages.js';

const FIRST_PICTURE_MS = 3000;
/** A busy machine may spoil an opening; a fault of ours spoils every one. */
const OPENINGS = 3;

const FRAMES_PER_SECOND = 20;

/**
 * A node outside of a firewall.
 * @param {import('node:test').TestContext} t
 * @param {import('./network.js').Rule[]} rules
 * @param {...string} flags of the node
 */
export async function scenery(t, rules, ...flags) {
  const network = firewalled(t, ...rules);
  const trusted = certificate(t, OUTSIDE);
  const node = await originOutside(t, network, trusted, ...flags);
  return { network, trusted, node };
}

/** Somebody behind the firewall. @returns {Promise<any>} a page */
export function visitor(t, { network, trusted }, options) {
  return openChromiumOn(t, network.inside, trusted, options);
}

/** Somebody outside, where nothing is in the way. */
export async function publishes(t, { network, trusted, node }) {
  const publisher = new Publisher(await openChromiumOn(t, network.outside, trusted));
  await publisher.connect(node);
  await publisher.publish();
}

/** Enough pictures, and sound. */
export async function isFluent(t, player) {
  await player.shows('PLAYING');
  await player.unmute();
  const seen = await watchUntilGood(player, (each) => {
    const told = JSON.stringify(each);
    assert.ok(each.decoded >= FRAMES_PER_SECOND, `frames: ${told}`);
    assert.ok(each.shown >= FRAMES_PER_SECOND, `frames shown: ${told}`);
    assert.ok(each.audioPackets > 0 && each.audioEnergy > 0, `audio: ${told}`);
    isMoving(each);
  });
  t.diagnostic(JSON.stringify(seen));
}

/** The picture is there soon after the page was opened. */
export async function playsAtOnce(t, player, node) {
  for (let left = OPENINGS; ; left -= 1) {
    await player.open(node);
    await player.shows('PLAYING');
    const time = await player.firstFrame();
    t.diagnostic(`first picture after ${Math.round(time)} ms`);
    if (time <= FIRST_PICTURE_MS) return;
    if (left <= 1) assert.fail(`the picture came after ${time} ms`);
  }
}

/**
 * Runs in a page: as if its node knew one relay over TCP, and there were no other way.
 * @param {string} scheme `turn:` or `turns:`
 */
export function onlyRelay(scheme) {
  const isWanted = (url) => url.startsWith(scheme) && url.endsWith('?transport=tcp');
  const relay = { iceTransportPolicy: 'relay' };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(given) {
      super({ ...given, ...relay });
    }

    setConfiguration({ iceServers = [], ...given }) {
      const wanted = iceServers.map((server) => (
        { ...server, urls: [server.urls].flat().filter(isWanted) }));
      super.setConfiguration({ ...given, ...relay, iceServers: wanted });
    }
  };
}
