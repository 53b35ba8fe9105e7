// What a TURN server alone can do, what happens when the way changes, and when there is none. Needs
// root, which makes network namespaces.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isFluent, onlyRelay, playsAtOnce, publishes, scenery, visitor } from './support/firewall.js';
import { Player, Publisher, says, shows, showsPath } from './support/pages.js';

/** An address that nobody has. */
const NOBODY = '203.0.113.99';

const RELAYS = [['TURN/TCP', 'turn:'], ['TURN/TLS', 'turns:']];

for (const [path, scheme] of RELAYS) {
  test(`a player that has no way but ${path} plays over it`, async (t) => {
    const scene = await scenery(t, ['tcp dport 443'], '--turn');
    await publishes(t, scene);
    const player = new Player(await visitor(t, scene));
    await player.page.addInitScript(onlyRelay, scheme);
    await playsAtOnce(t, player, scene.node);
    await isFluent(t, player);
    assert.equal(await showsPath(player.page, 'path', /./), path);
  });
}

test('a node that does not see its public address is reached through its relay', async (t) => {
  const scene = await scenery(t, ['tcp dport 443'], '--turn', '--public', NOBODY);
  const publisher = new Publisher(await visitor(t, scene));
  await publisher.connect(scene.node);
  await publisher.publish();
  await showsPath(publisher.page, 'local-path', /^TURN\/TCP$/);
});

test('when UDP stops passing, media goes on over TCP', async (t) => {
  const scene = await scenery(t, ['udp dport 443', 'tcp dport 443'], '--turn');
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await player.open(scene.node);
  await showsPath(player.page, 'path', /^UDP$/);
  await player.settled();
  scene.network.pass('tcp dport 443');
  await showsPath(player.page, 'path', /^(ICE-TCP|TURN\/TCP|TURN\/TLS)$/);
  await player.shows('PLAYING');
  await player.settled();
});

test('where only signalling passes, the page says so', async (t) => {
  const scene = await scenery(t, ['tcp dport 443'], '--turn=false', '--public', NOBODY);
  const publisher = new Publisher(await visitor(t, scene));
  await publisher.connect(scene.node);
  await publisher.tryToPublish();
  await shows(publisher.page, 'FAILED');
  await says(publisher.page, /works, but no media gets through over UDP.*: a firewall is in/);
});
