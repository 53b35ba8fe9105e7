// Viewers and publishers behind firewalls get through by themselves, and their pages say how. Needs
// root, which makes network namespaces.

import { test } from 'node:test';

import { openChromiumOn } from './support/browsers.js';
import { isFluent, playsAtOnce, publishes, scenery, visitor } from './support/firewall.js';
import { proxyOutside } from './support/nodes.js';
import { Player, Publisher, showsPath } from './support/pages.js';

// Chromium begins with TURN, adds TCP of its own 100 ms later, and gathers nothing more once it is
// connected. So where the node is near, TURN may be all that it has.
const overTcp = /^(ICE-TCP|TURN\/TCP)$/;

test('where UDP passes, media takes it', async (t) => {
  const scene = await scenery(t, ['udp dport 443', 'tcp dport 443'], '--turn');
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await playsAtOnce(t, player, scene.node);
  await showsPath(player.page, 'path', /^UDP$/);
  await isFluent(t, player);
});

for (const [turn, path] of /** @type {const} */ ([
  ['--turn=false', /^ICE-TCP$/],
  ['--turn', overTcp],
])) {
  test(`a player behind TCP/443 alone plays within three seconds with ${turn}`, async (t) => {
    const scene = await scenery(t, ['tcp dport 443'], turn);
    await publishes(t, scene);
    const player = new Player(await visitor(t, scene));
    await playsAtOnce(t, player, scene.node);
    await isFluent(t, player);
    await showsPath(player.page, 'path', path);
  });
}

test('a publisher behind TCP/443 alone is seen and heard', async (t) => {
  const scene = await scenery(t, ['tcp dport 443'], '--turn');
  const publisher = new Publisher(await visitor(t, scene));
  await publisher.connect(scene.node);
  await publisher.publish();
  await showsPath(publisher.page, 'local-path', overTcp);
  const player = new Player(await openChromiumOn(t, scene.network.outside, scene.trusted));
  await player.open(scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^UDP$/);
});

test('a player whose only way out is an HTTP proxy plays', async (t) => {
  const scene = await scenery(t, ['tcp dport 3128'], '--turn');
  await publishes(t, scene);
  const proxy = await proxyOutside(t, scene.network);
  const player = new Player(await visitor(t, scene, { proxy }));
  await player.open(scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^(ICE-TCP|TURN\/TCP|TURN\/TLS)$/);
});
