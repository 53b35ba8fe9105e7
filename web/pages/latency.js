// Latency: publishes a clock, plays it back beside it, and tells how much later it is.

import { STATE } from '../sdk/farcast.js';
import { figures } from './figures.js';
import { Camera } from './latency/camera.js';
import { now } from './latency/clock.js';
import { csv, fileName } from './latency/csv.js';
import { watchFrames } from './latency/frames.js';
import { Loop } from './latency/loop.js';
import { Measurement } from './latency/measurement.js';
import { createReader } from './latency/picture.js';
import { showReadings } from './latency/readings.js';
import { routeFrom } from './latency/route.js';
import { decode } from './latency/timecode.js';
import {
  button, element, fillCodecs, input, parameters, select, showPath, showState, video, viewing,
} from './page.js';

const READINGS_EVERY_MS = 500;
const FIGURES_EVERY_MS = 1000;
const SAVED_AFTER_MS = 60_000;

const HIDDEN = 'The page was hidden: browsers slow hidden pages down, so those frames do not count.';

const given = parameters();
const wishes = new URLSearchParams(location.search);
const known = routeFrom(wishes);
const remote = video('remote');
const camera = new Camera(/** @type {HTMLCanvasElement} */ (element('local')));
const read = createReader();

let measurement = new Measurement();
/** @type {Loop | null} */
let loop = null;
let unwatch = () => {};
/** The node that was played from last. */
let node = '';

function start() {
  say('');
  try {
    loop = createLoop();
  } catch (error) {
    camera.stop();
    return complain(error);
  }
  loop.on('state', follow).on('error', complain);
  measurement = new Measurement();
  node = '';
  unwatch = watchFrames(remote, see);
  return follow();
}

function createLoop() {
  const name = input('stream').value.trim();
  if (!name) throw new Error('Give the stream a name first.');
  const token = input('token').value.trim() || undefined;
  const server = input('server').value.trim() || null;
  const source = camera.start(Number(select('fps').value));
  return new Loop({
    publishing: { urlServer: location.origin, token },
    playing: viewing({ ...given, server, token }),
  }, {
    publishing: { name, source, codec: select('codec').value },
    playing: { name, display: remote, audio: false },
  });
}

function follow() {
  if (loop?.state === STATE.FAILED) end(STATE.FAILED);
  else if (loop) refresh(loop.state);
}

/** @param {'STOPPED' | 'FAILED'} state */
function end(state) {
  const ended = loop;
  loop = null;
  unwatch();
  ended?.stop();
  camera.stop();
  refresh(state);
}

function see() {
  // Before anything that takes time itself.
  const time = now();
  if (!document.hidden) measurement.frame(decode(read(remote)), time);
}

function watchVisibility() {
  if (!loop) return;
  // What was under way meanwhile arrives late, and is not the route's doing.
  measurement.settle();
  say(HIDDEN);
}

/** @param {import('../sdk/events.js').State} state */
function refresh(state) {
  showState(state);
  const playing = state === STATE.PLAYING;
  if (playing) say('');
  node = loop?.node || node;
  element('local-monitor').dataset.state = loop?.published ? STATE.PUBLISHING : '';
  element('remote-monitor').dataset.state = playing ? state : '';
  button('start').disabled = loop !== null;
  button('stop').disabled = loop === null;
  for (const id of ['stream', 'token', 'server']) input(id).disabled = loop !== null;
  for (const id of ['codec', 'fps']) select(id).disabled = loop !== null;
  showMeasurement();
}

function showMeasurement() {
  showReadings(measurement, route());
  button('export').disabled = measurement.statistics.count === 0;
}

/** @returns {import('./latency/route.js').Route} */
function route() {
  return { ...known, name: known.name ?? (node && `via ${node}`) };
}

async function showFigures() {
  const stats = await loop?.stats();
  for (const side of /** @type {const} */ (['local', 'remote'])) {
    const measured = stats?.[side];
    element(`${side}-figures`).textContent = measured ? figures(measured) : '';
    showPath(`${side}-path`, measured?.path ?? '');
  }
}

function reset() {
  measurement.reset();
  showMeasurement();
}

function save() {
  const file = new Blob([csv(measurement.statistics.samples())], { type: 'text/csv' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = fileName(route().name);
  link.click();
  // Some browsers fetch the file after the click, and none says when it has it.
  setTimeout(() => URL.revokeObjectURL(link.href), SAVED_AFTER_MS);
}

/** @param {any} error */
function complain(error) {
  say(error.message);
}

/** @param {string} sentence */
function say(sentence) {
  element('message').textContent = sentence;
}

/**
 * @param {HTMLSelectElement} list
 * @param {string | null} wish
 */
function choose(list, wish) {
  if (!wish) return;
  // Whether a wish beside the list can be fulfilled, the browser knows better.
  if (![...list.options].some(({ value }) => value === wish)) list.add(new Option(wish, wish));
  list.value = wish;
}

fillCodecs();
choose(select('codec'), wishes.get('codec'));
choose(select('fps'), wishes.get('fps'));
input('stream').value = given.stream ?? 'latency';
input('token').value = given.token ?? '';
input('server').value = given.server ?? '';
element('node').textContent = location.host;
button('start').addEventListener('click', start);
button('stop').addEventListener('click', () => end(STATE.STOPPED));
button('reset').addEventListener('click', reset);
button('export').addEventListener('click', save);
element('controls').addEventListener('submit', (event) => event.preventDefault());
document.addEventListener('visibilitychange', watchVisibility);
setInterval(showMeasurement, READINGS_EVERY_MS);
setInterval(showFigures, FIGURES_EVERY_MS);
refresh(STATE.STOPPED);
if (wishes.get('auto') === '1') start();
