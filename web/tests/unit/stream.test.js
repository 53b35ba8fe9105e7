// Sessions and streams against a node played by the test.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session } from '../../sdk/session.js';
import { FakeWorld, settled } from './fakes.js';

const NODE = 'http://localhost:8080';
const SDP = 'v=0\r\nm=video 9 x 96\r\na=ice-ufrag:s\r\na=ice-pwd:s\r\n';

async function established(options = { urlServer: NODE }) {
  const world = new FakeWorld();
  const session = new Session(world, options);
  const errors = [];
  session.on('error', ({ code }) => errors.push(code));
  await settled();
  world.socket.greet('origin');
  await settled();
  return { world, session, errors };
}

async function started(role) {
  const scene = await established();
  const stream = scene.session.createStream({ name: 'stream1', token: 'secret' });
  stream.on('error', ({ code }) => scene.errors.push(code));
  stream[role]();
  await settled();
  return { ...scene, stream };
}

async function playing(more = {}) {
  const scene = await started('play');
  await scene.world.socket.answer('play', { type: 'answer', session: 'one', sdp: SDP, ...more });
  await scene.world.connection.flow();
  assert.equal(scene.stream.state, 'PLAYING');
  return scene;
}

test('a session passes through its states', async () => {
  const world = new FakeWorld();
  const session = new Session(world, { urlServer: NODE });
  const states = [];
  session.on('state', (state) => states.push(state));
  await settled();
  assert.equal(world.socket.address, 'ws://localhost:8080/ws');
  world.socket.greet('origin');
  await settled();
  session.disconnect();
  assert.deepEqual(states, ['CONNECTED', 'ESTABLISHED', 'DISCONNECTED']);
  assert.equal(world.socket.closeCode, 1000);
  assert.equal(world.timers.size, 0);
});

test('the balancer is asked first, and urlServer serves if its node does not answer', async () => {
  const world = new FakeWorld();
  world.answers[`${NODE}/?action=server_list`] = { server: 'edge1', ws: '80', wss: '' };
  const session = new Session(world, { urlServer: NODE, lbUrl: NODE });
  await settled();
  assert.equal(world.socket.address, 'ws://edge1:80/ws');
  world.socket.break();
  await settled();
  assert.equal(world.socket.address, 'ws://localhost:8080/ws');
  session.disconnect();
});

test('a balancer that still names a dead node is asked again', async () => {
  const world = new FakeWorld();
  const named = ['edge1', 'edge1', 'edge2'];
  const lbUrl = `${NODE}/?action=server_list`;
  const answer = () => ({ server: named.shift(), ws: '80', wss: '' });
  Object.defineProperty(world.answers, lbUrl, { get: answer });
  const session = new Session(world, { urlServer: NODE, lbUrl });
  await settled();
  world.socket.greet('edge1');
  await settled();
  world.socket.break();
  await world.pass(500);
  world.socket.break();
  await settled();
  assert.equal(world.socket.address, 'ws://edge2:80/ws');
  session.disconnect();
});

test('a node that is down is an error, and is tried again', async () => {
  const world = new FakeWorld();
  const session = new Session(world, { urlServer: NODE });
  const errors = [];
  session.on('error', ({ code }) => errors.push(code));
  await settled();
  world.socket.break();
  await settled();
  assert.equal(session.state, 'DISCONNECTED');
  assert.deepEqual(errors, ['NODE_DOWN']);
  await world.pass(250);
  assert.equal(world.sockets.length, 2);
  session.disconnect();
});

test('publishing sends an offer and a token, and leaves nothing behind', async () => {
  const { world, session, stream } = await started('publish');
  const { token, stream: name, sdp } = world.socket.last('publish');
  assert.deepEqual([token, name, sdp.slice(0, 3)], ['secret', 'stream1', 'v=0']);
  await world.socket.answer('publish', { type: 'answer', session: 'one', sdp: SDP });
  await world.connection.flow();
  assert.equal(stream.state, 'PUBLISHING');
  stream.stop();
  assert.equal(stream.state, 'STOPPED');
  assert.equal(world.socket.last('stop').session, 'one');
  assert.equal(world.tracks[0].stopped, true);
  assert.equal(world.connection.connectionState, 'closed');
  session.disconnect();
  assert.equal(world.timers.size, 0);
});

test('a name in use ends a first attempt to publish', async () => {
  const { world, stream, errors } = await started('publish');
  await world.socket.answer('publish', { type: 'error', status: 409 });
  assert.equal(stream.state, 'FAILED');
  assert.deepEqual(errors, ['ALREADY_PUBLISHED']);
  assert.equal(world.tracks[0].stopped, true);
});

test('a page that is not secure gets no camera, and is told why', async () => {
  const { world, session } = await established();
  world.mediaDevices = undefined;
  const stream = session.createStream({ name: 'stream1' });
  const errors = [];
  stream.on('error', ({ code }) => errors.push(code));
  await stream.publish();
  assert.deepEqual(errors, ['INSECURE_PAGE']);
  assert.equal(stream.state, 'FAILED');
});

test('a viewer waits, and plays within half a second once there is a publisher', async () => {
  const { world, stream } = await started('play');
  await world.socket.answer('play', { type: 'waiting', stream: 'stream1' });
  assert.equal(stream.state, 'WAITING');
  assert.equal(world.connection.connectionState, 'closed');
  world.socket.push({ type: 'published', stream: 'another' });
  world.socket.push({ type: 'published', stream: 'stream1' });
  await world.pass(500);
  assert.equal(world.socket.sent.filter(({ type }) => type === 'play').length, 2);
});

test('a viewer that stops waiting is forgotten', async () => {
  const { world, stream } = await started('play');
  await world.socket.answer('play', { type: 'waiting', stream: 'stream1' });
  stream.stop();
  assert.equal(world.socket.last('forget').stream, 'stream1');
});

test('a new codec opens the next session before the last one stops', async () => {
  const { world, stream } = await playing();
  world.socket.push({ type: 'renegotiate', session: 'one', stream: 'stream1' });
  await settled();
  await world.socket.answer('play', { type: 'answer', session: 'two', sdp: SDP });
  const [old, next] = world.connections;
  assert.notEqual(old.connectionState, 'closed');
  await next.flow();
  assert.equal(old.connectionState, 'closed');
  assert.equal(world.socket.last('stop').session, 'one');
  assert.equal(stream.state, 'PLAYING');
});

test('a publisher’s leaving is told, and its end is waited out', async () => {
  const { world, stream } = await playing();
  world.socket.push({ type: 'status', session: 'one', state: 'waiting' });
  assert.equal(stream.state, 'WAITING');
  world.socket.push({ type: 'status', session: 'one', state: 'playing' });
  assert.equal(stream.state, 'PLAYING');
  world.socket.push({ type: 'ended', session: 'one', reason: 'publisher left' });
  assert.equal(stream.state, 'WAITING');
  assert.equal(world.connection.connectionState, 'closed');
});

test('media goes on without the WebSocket, and the next one adopts the session', async () => {
  const { world, stream } = await playing();
  world.socket.break();
  await world.pass(300);
  assert.equal(stream.state, 'PLAYING');
  world.socket.greet('origin');
  await settled();
  assert.equal(world.socket.last('restart').session, 'one');
  await world.socket.answer('restart', {
    type: 'restarted', session: 'one', fragment: 'a=ice-ufrag:n\r\na=ice-pwd:n\r\n',
  });
  assert.match(world.connection.currentRemoteDescription.sdp, /a=ice-ufrag:n/);
  assert.equal(world.connections.length, 1);
});

test('a session that the node has forgotten is renewed', async () => {
  const { world } = await playing();
  world.socket.break();
  await world.pass(300);
  world.socket.greet('origin');
  await settled();
  await world.socket.answer('restart', { type: 'error', status: 404 });
  assert.equal(world.socket.last('play').stream, 'stream1');
  assert.equal(world.connections.length, 2);
});

test('ICE disconnected restarts at once, and gives up after three seconds', async () => {
  const { world, stream, errors } = await playing();
  world.connection.ice('disconnected');
  await settled();
  assert.equal(world.socket.last('restart').session, 'one');
  await world.pass(2900);
  assert.equal(stream.state, 'PLAYING');
  await world.pass(400);
  assert.deepEqual(errors, ['CONNECTION_LOST']);
  assert.equal(world.connections.length, 2);
});

const RESTARTED = {
  type: 'restarted', session: 'one', fragment: 'a=ice-ufrag:n\r\na=ice-pwd:n\r\n',
};

test('a node that answers a restart leaves TURN the time to connect', async () => {
  const { world, stream, errors } = await playing();
  world.connection.ice('disconnected');
  await settled();
  await world.socket.answer('restart', RESTARTED);
  world.connection.ice('failed');
  await world.pass(5900);
  assert.deepEqual([stream.state, errors], ['PLAYING', []]);
  assert.equal(world.socket.sent.filter(({ type }) => type === 'restart').length, 1);
  world.connection.ice('connected');
  await world.pass(1000);
  assert.deepEqual([stream.state, errors], ['PLAYING', []]);
});

test('a restart that leads nowhere ends the session', async () => {
  const { world, errors } = await playing();
  world.connection.ice('disconnected');
  await settled();
  await world.socket.answer('restart', RESTARTED);
  await world.pass(6500);
  assert.deepEqual(errors, ['CONNECTION_LOST']);
});

test('a path that breaks is repaired before the session is given up', async () => {
  const { world, errors } = await playing();
  world.connection.connectionState = 'failed';
  world.connection.ice('failed');
  world.connection.onconnectionstatechange();
  await settled();
  assert.equal(world.socket.last('restart').session, 'one');
  assert.deepEqual(errors, []);
});

test('no media though signalling works means a firewall', async () => {
  const { world, errors } = await started('play');
  await world.socket.answer('play', { type: 'answer', session: 'one', sdp: SDP });
  await world.pass(10_000);
  assert.deepEqual(errors, ['MEDIA_BLOCKED']);
});

test('the ways that were tried are those that the node named', async () => {
  const { world, stream } = await started('play');
  const said = [];
  stream.on('error', ({ message }) => said.push(message));
  const sdp = `${SDP}a=candidate:1 1 tcp 1 192.0.2.1 443 typ host tcptype passive\r\n`;
  await world.socket.answer('play', { type: 'answer', session: 'one', sdp, ...given('one') });
  await world.pass(10_000);
  assert.match(said[0], /over UDP, TCP or TURN:/);
});

test('pairs that fail early are not the end while others may come', async () => {
  const { world, stream, errors } = await started('play');
  await world.socket.answer('play', { type: 'answer', session: 'one', sdp: SDP });
  world.connection.connectionState = 'failed';
  world.connection.ice('failed');
  world.connection.onconnectionstatechange();
  await world.pass(9000);
  assert.deepEqual(errors, []);
  await world.connection.flow();
  assert.equal(stream.state, 'PLAYING');
});

const server = (username) => ({ urls: ['turn:edge1:443'], username, credential: 'c' });
const given = (username) => ({ iceServers: [server(username)], iceServersTtl: 600 });

test('gathering waits for the answer and asks its servers, after the caller’s own', async () => {
  const mediaOptions = { iceServers: [server('own')], iceTransportPolicy: 'relay' };
  const { world, session } = await established({ urlServer: NODE, mediaOptions });
  for (const [role, name] of [['play', 'stream1'], ['publish', 'stream2']]) {
    session.createStream({ name })[role]();
    await settled();
    assert.deepEqual(world.connection.steps, []);
    const answer = { type: 'answer', session: name, sdp: SDP, ...given('one') };
    await world.socket.answer(role, answer);
    assert.deepEqual(world.connection.steps, ['configuration', 'local', 'remote']);
    const { iceServers, iceTransportPolicy } = world.connection.configuration;
    assert.deepEqual(iceServers, [server('own'), server('one')]);
    assert.equal(iceTransportPolicy, 'relay');
  }
});

test('a node without a TURN server changes nothing of what the caller wants', async () => {
  const { world } = await playing();
  assert.deepEqual(world.connection.steps, ['local', 'remote']);
});

test('a restart gathers from the servers of its own answer', async () => {
  const { world } = await playing(given('one'));
  world.connection.ice('disconnected');
  await settled();
  world.connection.steps = [];
  await world.socket.answer('restart', { ...RESTARTED, ...given('two') });
  assert.deepEqual(world.connection.steps, ['configuration', 'local', 'remote']);
  assert.deepEqual(world.connection.configuration.iceServers, [server('two')]);
});

test('credentials are renewed before they expire, again and again', async () => {
  const { world, session, stream } = await playing(given('one'));
  const renewals = () => world.socket.sent.filter(({ type }) => type === 'renew');
  await world.pass(479_000);
  assert.equal(renewals().length, 0);
  await world.pass(2000);
  assert.deepEqual(renewals().map((each) => each.session), ['one']);
  await world.socket.answer('renew', { type: 'iceServers', session: 'one', ...given('two') });
  assert.deepEqual(world.connection.configuration.iceServers, [server('two')]);
  await world.pass(481_000);
  assert.equal(renewals().length, 2);
  stream.stop();
  session.disconnect();
  assert.equal(world.timers.size, 0);
});

test('a restart puts off the renewal', async () => {
  const { world } = await playing(given('one'));
  await world.pass(400_000);
  world.connection.ice('disconnected');
  await settled();
  await world.socket.answer('restart', { ...RESTARTED, ...given('two') });
  world.connection.ice('connected');
  await world.pass(470_000);
  assert.equal(world.socket.last('renew'), undefined);
});

test('servers that are no list change nothing', async () => {
  const { world } = await playing({ iceServers: 'turn:edge1', iceServersTtl: 600 });
  assert.deepEqual(world.connection.steps, ['local', 'remote']);
});

test('servers that a browser refuses do not stand in the way of media', async () => {
  const { world } = await started('play');
  world.connection.setConfiguration = () => {
    throw new SyntaxError('not a URL');
  };
  const answer = { type: 'answer', session: 'one', sdp: SDP, ...given('one') };
  await world.socket.answer('play', answer);
  await world.connection.flow();
  assert.deepEqual(world.connection.steps, ['local', 'remote']);
});

test('the path is told whenever it changes', async () => {
  const { world, stream } = await started('play');
  const paths = [];
  stream.on('path', (path) => paths.push(path));
  await world.socket.answer('play', { type: 'answer', session: 'one', sdp: SDP });
  assert.equal(stream.path, '');
  await world.connection.flow();
  assert.equal(stream.path, 'UDP');
  world.connection.local = { candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' };
  await world.pass(1000);
  assert.equal(stream.path, 'TURN/TLS');
  stream.stop();
  assert.deepEqual(paths, ['UDP', 'TURN/TLS', '']);
});

test('a WebSocket that is silent is lost, without ending its sessions', async () => {
  const { world, session } = await playing();
  world.socket.deaf = true;
  await world.pass(12_100);
  assert.equal(world.sockets[0].closeCode, 4000);
  assert.notEqual(session.state, 'ESTABLISHED');
  assert.equal(world.connection.connectionState, 'connected');
});

test('after a laptop’s sleep everything is checked at once', async () => {
  const { world } = await playing();
  world.time += 60_000;
  await world.pass(0);
  assert.equal(world.socket.last('restart').session, 'one');
});

test('a viewer says what it can make use of, and hears what it gets', async () => {
  const { world, stream } = await playing();
  const wishes = () => world.socket.sent.filter(({ type }) => type === 'layer');
  assert.deepEqual(wishes(), [{ type: 'layer', session: 'one' }]);
  stream.setLayer(0);
  assert.deepEqual(wishes().at(-1), { type: 'layer', session: 'one', layer: 0 });
  const seen = [];
  stream.on('quality', (quality) => seen.push(quality));
  const quality = { layer: 0, layers: 3, paused: true };
  world.socket.push({ type: 'quality', session: 'one', ...quality });
  world.socket.push({ type: 'quality', session: 'another', ...quality, layer: 2 });
  assert.deepEqual(seen, [quality]);
  assert.deepEqual(stream.quality, quality);
});
