// Viewers and publishers behind firewalls get through by themselves, and their pages say how. Needs
// root, which makes network namespaces.

import { test } from 'node:test';

import { openChromiumOn } from './support/browsers.js';
import { isFluent, playsAtOnce, publishes, scenery, visitor } from './support/firewall.js';
import { proxyOutside } from './support/nodes.js';
import { Player, Publisher, showsPath } from './support/pages.js';

test('where UDP passes, media takes it', async (t) => {
  const scene = await scenery(t, ['udp dport 443', 'tcp dport 443'], '--turn');
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await playsAtOnce(t, player, scene.node);
  await showsPath(player.page, 'path', /^UDP$/);
  await isFluent(t, player);
});

test('a player behind TCP/443 alone plays within three seconds', async (t) => {
  const scene = await scenery(t, ['tcp dport 443'], '--turn');
  await publishes(t, scene);
  const player = new Player(await visitor(t, scene));
  await playsAtOnce(t, player, scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^ICE-TCP$/);
});

test('a publisher behind TCP/443 alone is seen and heard', async (t) => {
  const scene = await scenery(t, ['tcp dport 443'], '--turn');
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
  const scene = await scenery(t, ['tcp dport 3128'], '--turn');
  await publishes(t, scene);
  const proxy = await proxyOutside(t, scene.network);
  const player = new Player(await visitor(t, scene, { proxy }));
  await player.open(scene.node);
  await isFluent(t, player);
  await showsPath(player.page, 'path', /^(ICE-TCP|TURN\/TCP|TURN\/TLS)$/);
});
