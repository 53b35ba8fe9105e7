// The parts without time: addresses, balancers, SDP fragments, codecs, figures.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../sdk/backoff.js';
import {
  askBalancers, balancerAddress, nodeOf, signallingAddress,
} from '../../sdk/balancer.js';
import { captureError, mediaBlocked, refusal } from '../../sdk/errors.js';
import { candidateFragment, credentialFragment, offersTcp, withIce } from '../../sdk/sdp.js';
import { pathOf, summary } from '../../sdk/stats.js';
import { addReceivers, addSenders, codecPreferences, videoCodecs } from '../../sdk/tracks.js';

const PAGE = 'https://farcast.example/publish';

test('a node may be given in any form that people write', () => {
  assert.equal(signallingAddress('https://edge1.example', PAGE), 'wss://edge1.example/ws');
  assert.equal(signallingAddress('http://edge1.example:8080', PAGE), 'ws://edge1.example:8080/ws');
  assert.equal(signallingAddress('edge1.example:8080', PAGE), 'wss://edge1.example:8080/ws');
  assert.equal(signallingAddress('wss://edge1.example/ws', PAGE), 'wss://edge1.example/ws');
  assert.throws(() => signallingAddress('ftp://edge1', PAGE), { code: 'BAD_ADDRESS' });
});

test('the root of a host means its balancer', () => {
  const asked = 'https://origin.example/?action=server_list';
  assert.equal(balancerAddress('https://origin.example', PAGE), asked);
  assert.equal(balancerAddress(asked, PAGE), asked);
});

test('a balancer’s answer becomes an address this page may open', () => {
  const answer = { server: 'edge1.example', ws: '8080', wss: '443' };
  assert.equal(nodeOf(answer, PAGE, PAGE), 'wss://edge1.example:443/ws');
  assert.equal(nodeOf(answer, PAGE, 'http://localhost/'), 'ws://edge1.example:8080/ws');
  assert.equal(nodeOf({ ...answer, wss: '' }, PAGE, PAGE), null);
  assert.equal(nodeOf({ ...answer, url: 'https://e.example' }, PAGE, PAGE), 'wss://e.example/ws');
  const withPort = { ...answer, server: 'edge1:8080' };
  assert.equal(nodeOf(withPort, PAGE, 'http://x/'), 'ws://edge1:8080/ws');
});

test('balancers are asked in order, and the first answer wins', async () => {
  const asked = [];
  const world = worldThatFetches(async (address) => {
    asked.push(address);
    if (address === 'http://one/') throw new TypeError('refused');
    if (address === 'http://two/') return { ok: false };
    return { ok: true, json: async () => ({ server: 'edge2', ws: '8080' }) };
  });
  const balancers = ['http://one/', 'http://two/', 'http://three/', 'http://four/'];
  assert.equal(await askBalancers(world, balancers), 'ws://edge2:8080/ws');
  assert.deepEqual(asked, balancers.slice(0, 3));
});

test('a silent balancer is passed over', async () => {
  const world = worldThatFetches((_, { signal }) => new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  }));
  world.setTimeout = (action) => queueMicrotask(action);
  assert.equal(await askBalancers(world, ['http://one/']), null);
});

function worldThatFetches(fetch) {
  return { location: 'http://localhost/', fetch, setTimeout: () => 0, clearTimeout: () => {} };
}

test('waiting grows from a quarter of a second to five, with jitter', () => {
  const longest = new Backoff(() => 1);
  const steps = [1, 2, 3, 4, 5, 6, 7].map(() => longest.next());
  assert.deepEqual(steps, [250, 500, 1000, 2000, 4000, 5000, 5000]);
  assert.equal(new Backoff(() => 0).next(), 125);
  longest.reset();
  assert.equal(longest.next(), 250);
});

test('candidates become a fragment', () => {
  const candidate = { candidate: 'candidate:1 1 udp 1 192.0.2.1 5000 typ host' };
  assert.equal(
    candidateFragment([candidate, { candidate: '' }, null]),
    `a=${candidate.candidate}\r\na=end-of-candidates\r\n`,
  );
  assert.equal(candidateFragment([{ candidate: '' }]), '');
});

const ANSWER = [
  'v=0', 'a=group:BUNDLE 1', 'a=ice-lite',
  'm=audio 0 UDP/TLS/RTP/SAVPF 111', 'a=inactive', 'a=ice-ufrag:old', 'a=ice-pwd:oldoldold',
  'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:1', 'a=ice-ufrag:old', 'a=ice-pwd:oldoldold',
  'a=candidate:1 1 udp 1 192.0.2.1 443 typ host', 'a=end-of-candidates', 'a=rtcp-mux', '',
].join('\r\n');

test('credentials come out of an offer', () => {
  assert.equal(credentialFragment(ANSWER), 'a=ice-ufrag:old\r\na=ice-pwd:oldoldold\r\n');
  assert.throws(() => credentialFragment('v=0\r\n'));
});

test('a restart replaces ICE and nothing else', () => {
  const fragment = 'a=ice-ufrag:new\r\na=ice-pwd:newnewnew\r\n'
    + 'a=candidate:2 1 udp 1 192.0.2.2 443 typ host\r\n';
  assert.deepEqual(withIce(ANSWER, fragment).split('\r\n'), [
    'v=0', 'a=group:BUNDLE 1', 'a=ice-lite',
    'm=audio 0 UDP/TLS/RTP/SAVPF 111', 'a=inactive',
    'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:1', 'a=rtcp-mux',
    'a=ice-ufrag:new', 'a=ice-pwd:newnewnew', 'a=candidate:2 1 udp 1 192.0.2.2 443 typ host', '',
  ]);
});

test('an answer tells whether there is a way over TCP', () => {
  assert.equal(offersTcp(ANSWER), false);
  const passive = 'a=candidate:2 1 tcp 1 192.0.2.1 443 typ host tcptype passive';
  assert.equal(offersTcp(`${ANSWER}${passive}\r\n`), true);
});

const CODECS = [
  { mimeType: 'video/VP8' },
  { mimeType: 'video/rtx' },
  { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42e01f' },
  { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=640034' },
  { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=42e01f' },
  { mimeType: 'video/ulpfec' },
];

test('only the chosen codec is offered, with its retransmissions', () => {
  assert.deepEqual(codecPreferences(CODECS, 'vp8'), [CODECS[0], CODECS[1]]);
  assert.deepEqual(codecPreferences(CODECS, 'H264'), [CODECS[4], CODECS[3], CODECS[2], CODECS[1]]);
  assert.deepEqual(videoCodecs(CODECS), ['VP8', 'H264']);
});

test('a codec that the browser lacks names those that would do', () => {
  assert.throws(() => codecPreferences(CODECS, 'AV1'), {
    code: 'CODEC_NOT_OFFERED',
    message: 'This browser cannot send AV1: choose VP8 or H264.',
  });
});

test('a large camera is published in layers, in as many streams as its codec takes', async () => {
  for (const [codec, lines, expected] of [
    ['VP8', 720, ['L1T3', 'L1T3', 'L1T3']],
    ['H264', 540, ['L1T3', 'L1T3', 'L1T3']],
    ['VP9', 720, ['L3T3_KEY']],
    ['VP9', 480, undefined],
    ['AV1', 720, ['L3T3_KEY']],
  ]) {
    const inits = [];
    const sender = { getParameters: () => ({}), setParameters: async () => {} };
    const connection = {
      addTransceiver(_, init) {
        inits.push(init);
        return { sender, setCodecPreferences() {} };
      },
    };
    const track = { kind: 'video', getSettings: () => ({ height: lines }) };
    const world = { senderCodecs: () => [{ mimeType: `video/${codec}` }] };
    await addSenders(world, connection, { getTracks: () => [track] }, codec);
    const modes = inits[0].sendEncodings?.map(({ scalabilityMode }) => scalabilityMode);
    assert.deepEqual(modes, expected, `${codec}, ${lines} lines`);
  }
});

test('a viewer asks for the header extensions that a browser has but leaves out', () => {
  const uris = [
    'urn:3gpp:video-orientation',
    'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
    'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
    'http://www.webrtc.org/experiments/rtp-hdrext/corruption-detection',
  ];
  const asked = [];
  const transceiver = {
    getHeaderExtensionsToNegotiate: () => uris.map((uri) => ({ uri, direction: 'stopped' })),
    setHeaderExtensionsToNegotiate(extensions) {
      asked.push(extensions.map(({ direction }) => direction));
    },
  };
  addReceivers({ addTransceiver: () => transceiver }, ['video']);
  assert.deepEqual(asked, [['stopped', 'sendrecv', 'sendrecv', 'stopped']]);
  addReceivers({ addTransceiver: () => ({}) }, ['video']);
});

test('every refusal of a node is a sentence that says what to do', () => {
  const codes = [401, 403, 404, 406, 409, 503].map((status) => {
    const error = refusal({ status, title: 'x' }, 'stream1', 'wss://edge1/ws');
    assert.match(error.message, /^[^.]+: .+\.$/);
    return error.code;
  });
  assert.deepEqual(codes, ['WRONG_TOKEN', 'NOT_ALLOWED', 'UNKNOWN_STREAM', 'CODEC_NOT_OFFERED',
    'ALREADY_PUBLISHED', 'NODE_FULL']);
});

test('who publishes a name already is in the node’s own words', () => {
  const detail = 'stream1 is published on origin; choose another name';
  assert.equal(refusal({ status: 409, detail }, 'stream1', 'wss://edge1/ws').message, detail);
});

test('where no media gets through, exactly the ways that were tried are named', () => {
  const said = (...ways) => mediaBlocked('wss://edge1/ws', ways).message;
  assert.match(said('UDP'), /through over UDP: .*; allow that to/);
  assert.match(said('UDP', 'TURN'), /through over UDP or TURN: .*; allow one of them to/);
  assert.match(said('UDP', 'TCP', 'TURN'), /through over UDP, TCP or TURN: /);
});

test('what a camera refuses is told apart', () => {
  const named = (name) => captureError(Object.assign(new Error('x'), { name }), 'camera').code;
  assert.equal(named('NotFoundError'), 'NO_CAMERA');
  assert.equal(named('NotAllowedError'), 'PERMISSION_DENIED');
  assert.equal(named('NotReadableError'), 'CAMERA_BUSY');
});

test('figures count from one report to the next', () => {
  const report = (timestamp, bytesReceived, emitted, delay) => new Map(Object.entries({
    V: {
      id: 'V', type: 'inbound-rtp', kind: 'video', timestamp, bytesReceived, packetsLost: 2,
      jitterBufferEmittedCount: emitted, jitterBufferDelay: delay, framesPerSecond: 30,
    },
    T: { id: 'T', type: 'transport', selectedCandidatePairId: 'P' },
    P: { id: 'P', type: 'candidate-pair', localCandidateId: 'L', currentRoundTripTime: 0.09 },
    L: { id: 'L', type: 'local-candidate', candidateType: 'srflx', protocol: 'udp' },
  }));
  const figures = summary(report(2000, 125_000, 40, 0.5), report(1000, 0, 10, 0.2));
  assert.equal(figures.bitrate, 1_000_000);
  assert.equal(Math.round(figures.jitterBufferDelay), 10);
  assert.equal(figures.roundTripTime, 90);
  assert.equal(figures.packetsLost, 2);
  assert.equal(figures.candidateType, 'srflx');
  assert.equal(figures.path, 'UDP');
});

const PATHS = [
  ['', { candidateType: 'host' }],
  ['UDP', { candidateType: 'prflx', protocol: 'udp' }],
  ['ICE-TCP', { candidateType: 'host', protocol: 'tcp' }],
  ['TURN/UDP', { candidateType: 'relay', protocol: 'udp', relayProtocol: 'udp' }],
  ['TURN/TCP', { candidateType: 'relay', protocol: 'udp', relayProtocol: 'tcp' }],
  ['TURN/TLS', { candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' }],
  ['TURN/TLS', { candidateType: 'prflx', protocol: 'udp', relayProtocol: 'tls' }],
  ['', { candidateType: 'relay', protocol: 'udp' }],
];

test('the path is read off our end of the pair in use', () => {
  assert.equal(pathOf(new Map()), '');
  for (const [path, local] of PATHS) {
    const pair = { type: 'candidate-pair', selected: true, localCandidateId: 'L' };
    assert.equal(pathOf(new Map([['P', pair], ['L', local]])), path, JSON.stringify(local));
  }
});
