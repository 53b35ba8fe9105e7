// Two Way Streaming: publish from this browser, play beside it.

import { Farcast, STATE } from '../sdk/farcast.js';
import { chosenCamera, chosenMicrophone, fillDevices } from './devices.js';
import { figures } from './figures.js';
import {
  button, element, fillCodecs, input, parameters, select, showPath, showState, video,
} from './page.js';

/** @typedef {import('../sdk/session.js').Session} Session */
/** @typedef {import('../sdk/stream.js').Stream} Stream */

const FIGURES_EVERY_MS = 1000;

const given = parameters();

/** @type {Session | null} */
let session = null;
/** @type {{local: Stream | null, remote: Stream | null}} */
const streams = { local: null, remote: null };
/** The stream whose state changed last: the one to speak of. @type {Stream | null} */
let latest = null;

function toggleConnection() {
  if (session) return session.disconnect();
  say('');
  try {
    session = Farcast.createSession({
      urlServer: input('server').value.trim() || location.origin,
      lbUrl: given.balancers,
      token: input('token').value.trim() || undefined,
    });
    session.on('state', refresh).on('error', complain).on(STATE.ESTABLISHED, () => say(''));
  } catch (error) {
    complain(error);
  }
  return refresh();
}

function publish() {
  const stream = create('local', {
    video: chosenCamera(),
    audio: chosenMicrophone(),
    codec: select('codec').value,
  });
  stream?.on(STATE.PUBLISHING, fillDevices);
  stream?.publish();
}

function play() {
  create('remote', {})?.play();
}

/**
 * @param {'local' | 'remote'} side
 * @param {Partial<import('../sdk/stream.js').StreamOptions>} options
 */
function create(side, options) {
  const name = input('stream').value.trim();
  if (!session || !name) return complain(new Error('Give the stream a name first.'));
  say('');
  const stream = session.createStream({ name, display: video(side), ...options });
  stream.on('error', complain);
  stream.on('state', () => {
    latest = stream;
    refresh();
  });
  stream.on('path', (path) => showPath(`${side}-path`, path));
  streams[side] = stream;
  latest = stream;
  return stream;
}

function stop() {
  for (const stream of Object.values(streams)) stream?.stop();
}

/** @param {Stream | null} stream */
function isActive(stream) {
  return stream !== null && stream.state !== STATE.STOPPED && stream.state !== STATE.FAILED;
}

function refresh() {
  const state = session?.state ?? STATE.DISCONNECTED;
  const established = state === STATE.ESTABLISHED;
  if (session?.closed) session = null;
  showState(established && latest ? latest.state : state);
  element('node').textContent = session?.node || location.host;
  button('connect').textContent = session ? 'Disconnect' : 'Connect';
  button('publish').disabled = !established || isActive(streams.local);
  button('play').disabled = !established || isActive(streams.remote);
  button('stop').disabled = !isActive(streams.local) && !isActive(streams.remote);
  for (const id of ['server', 'token']) input(id).disabled = session !== null;
  element('local-monitor').dataset.state = streams.local?.state ?? '';
  element('remote-monitor').dataset.state = streams.remote?.state ?? '';
  if (latest?.state === STATE.PUBLISHING || latest?.state === STATE.PLAYING) say('');
  if (latest?.state === STATE.WAITING) say(`${latest.name} starts as soon as it is published.`);
}

/** @param {any} error */
function complain(error) {
  say(error.message);
  return null;
}

/** @param {string} sentence */
function say(sentence) {
  element('message').textContent = sentence;
}

async function showFigures() {
  for (const side of /** @type {const} */ (['local', 'remote'])) {
    const stream = streams[side];
    const stats = isActive(stream) ? await stream?.stats() : null;
    element(`${side}-figures`).textContent = stats ? figures(stats) : '';
  }
}

input('server').value = given.server ?? location.origin;
input('stream').value = given.stream ?? 'stream1';
input('token').value = given.token ?? '';
button('connect').addEventListener('click', toggleConnection);
button('publish').addEventListener('click', publish);
button('play').addEventListener('click', play);
button('stop').addEventListener('click', stop);
element('controls').addEventListener('submit', (event) => event.preventDefault());
navigator.mediaDevices?.addEventListener('devicechange', fillDevices);
fillCodecs();
fillDevices();
refresh();
setInterval(showFigures, FIGURES_EVERY_MS);
