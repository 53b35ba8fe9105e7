// Viewers and publishers behind firewalls get through by themselves, and their pages say how. Needs
// root, which makes network namespaces.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openChromiumOn } from './support/browsers.js';
import { certificate } from './support/certificate.js';
import { OUTSIDE, firewalled } from './support/network.js';
import { originOutside, proxyOutside } from './support/nodes.js';
import {
  Player, Publisher, isMoving, says, shows, showsPath, watchUntilGood,
} from './support/pages.js';

const FIRST_PICTURE_MS = 3000;
/** A busy machine may spoil an opening; a fault of ours spoils every one. */
const OPENINGS = 3;
const FRAMES_PER_SECOND = 20;
/** An address that nobody has. */
const NOBODY = '203.0.113.99';

test('where UDP passes, media takes it', async (t) => {
  const scene = await scenery(t, ['udp dport 443', 'tcp dport 443']);
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await playsAtOnce(t, player, scene.node);
  await showsPath(player.page, 'path', /^UDP$/);
  await isFluent(t, player);
});

test('a player behind TCP/443 alone plays within three seconds', async (t) => {
  const scene = await scenery(t, ['tcp dport 443']);
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await playsAtOnce(t, player, scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^ICE-TCP$/);
});

test('a publisher behind TCP/443 alone is seen and heard', async (t) => {
  const scene = await scenery(t, ['tcp dport 443']);
  const publisher = new Publisher(await visitor(t, scene));
  await publisher.connect(scene.node);
  await publisher.publish();
  await showsPath(publisher.page, 'local-path', /^ICE-TCP$/);
  const player = new Player(await openChromiumOn(t, scene.network.outside, scene.trusted));
  await player.open(scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^UDP$/);
});

test('a player whose only way out is an HTTP proxy plays', async (t) => {
  const scene = await scenery(t, ['tcp dport 3128']);
  await publishes(t, scene);
  const proxy = await proxyOutside(t, scene.network);
  const player = new Player(await visitor(t, scene, { proxy }));
  await player.open(scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^(ICE-TCP|TURN\/TCP|TURN\/TLS)$/);
});

const RELAYS = [
  ['TURN/TCP', `turn:${OUTSIDE}:443?transport=tcp`],
  ['TURN/TLS', `turns:${OUTSIDE}:443?transport=tcp`],
];

for (const [path, url] of RELAYS) {
  test(`a player that may use ${url} alone plays over it`, async (t) => {
    const scene = await scenery(t, ['tcp dport 443']);
    await publishes(t, scene);
    const player = new Player(await visitor(t, scene));
    await player.page.addInitScript(onlyRelay, url);
    await player.open(scene.node);
    await isFluent(t, player);
    assert.equal(await showsPath(player.page, 'path', /./), path);
  });
}

test('when UDP stops passing, media goes on over TCP', async (t) => {
  const scene = await scenery(t, ['udp dport 443', 'tcp dport 443']);
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await player.open(scene.node);
  await showsPath(player.page, 'path', /^UDP$/);
  await player.settled(FRAMES_PER_SECOND);
  scene.network.pass('tcp dport 443');
  await showsPath(player.page, 'path', /^(ICE-TCP|TURN\/TCP|TURN\/TLS)$/);
  await player.shows('PLAYING');
  await player.settled(FRAMES_PER_SECOND);
});

test('where only signalling passes, the page says so', async (t) => {
  const scene = await scenery(t, ['tcp dport 443'], '--public', NOBODY);
  const publisher = new Publisher(await visitor(t, scene));
  await publisher.connect(scene.node);
  await publisher.tryToPublish();
  await shows(publisher.page, 'FAILED');
  await says(publisher.page, /works, but no media gets through over UDP.*: a firewall is in the way/);
});

/**
 * A node outside of a firewall.
 * @param {import('node:test').TestContext} t
 * @param {import('./support/network.js').Rule[]} rules
 * @param {...string} flags
 */
async function scenery(t, rules, ...flags) {
  const network = firewalled(t, ...rules);
  const trusted = certificate(t, OUTSIDE);
  const wishes = flags.length > 0 ? flags : [];
  const node = await originOutside(t, network, trusted, ...wishes);
  return { network, trusted, node };
}

/** Somebody behind the firewall. */
function visitor(t, { network, trusted }, options) {
  return openChromiumOn(t, network.inside, trusted, options);
}

/** Somebody outside. */
async function publishes(t, { network, trusted, node }) {
  const publisher = new Publisher(await openChromiumOn(t, network.outside, trusted));
  await publisher.connect(node);
  await publisher.publish();
}

/** The picture is there soon after the page was opened. */
async function playsAtOnce(t, player, node) {
  for (let left = OPENINGS; ; left -= 1) {
    await player.open(node);
    await player.shows('PLAYING');
    const time = await player.firstFrame();
    t.diagnostic(`first picture after ${Math.round(time)} ms`);
    if (time <= FIRST_PICTURE_MS) return;
    if (left <= 1) assert.fail(`the picture came after ${time} ms`);
  }
}

/** Enough pictures, and sound. */
async function isFluent(t, player) {
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

/** Runs in a page: as if its node knew one relay only, and there were no other way. */
function onlyRelay(wanted) {
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(given) {
      super({ ...given, iceTransportPolicy: 'relay' });
    }

    setConfiguration({ iceServers = [], ...given }) {
      const only = iceServers.filter(({ urls }) => [urls].flat().includes(wanted))
        .map((server) => ({ ...server, urls: wanted }));
      super.setConfiguration({ ...given, iceServers: only, iceTransportPolicy: 'relay' });
    }
  };
}
