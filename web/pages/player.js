// Embed Player: finds a node, plays, waits, comes back; all by itself.

import { Farcast, STATE } from '../sdk/farcast.js';
import {
  button, element, parameters, showPath, showState, video, viewing,
} from './page.js';

const given = parameters();
const name = given.stream;
const remote = video('remote');
const unmute = button('unmute');

/** The last error, as long as it is still the reason for not playing. */
let trouble = '';

function start(/** @type {string} */ streamName) {
  const session = Farcast.createSession(viewing(given));
  const stream = session.createStream({ name: streamName, display: remote });
  const show = () => {
    const offline = stream.state === STATE.PENDING && session.state === STATE.DISCONNECTED;
    const starved = stream.quality?.paused ?? false;
    present(offline ? STATE.DISCONNECTED : stream.state, starved);
  };
  for (const source of [session, stream]) {
    source.on('state', show);
    source.on('error', (error) => {
      trouble = error.message;
      show();
    });
  }
  stream.on('quality', show);
  stream.on('path', (path) => showPath('path', path));
  show();
  stream.play();
}

/**
 * @param {import('../sdk/events.js').State} state
 * @param {boolean} starved whether the line is too slow for the picture
 */
function present(state, starved) {
  const playing = state === STATE.PLAYING;
  const waiting = state === STATE.WAITING;
  if (playing || waiting) trouble = '';
  showState(state);
  element('message').textContent = message(state, starved);
  element('status').classList.toggle('quiet', playing && !starved);
  showUnmute();
}

/**
 * @param {import('../sdk/events.js').State} state
 * @param {boolean} starved
 */
function message(state, starved) {
  if (state === STATE.WAITING) return `${name} starts by itself as soon as it is published.`;
  if (state === STATE.PLAYING && starved) {
    return 'Your line is too slow for the picture at the moment: the sound goes on.';
  }
  return trouble;
}

function showUnmute() {
  const playing = element('state').dataset.state === STATE.PLAYING;
  unmute.hidden = !(playing && remote.muted);
}

unmute.addEventListener('click', () => {
  remote.muted = false;
  remote.play();
});
// The SDK mutes by itself where a browser insists on silence.
remote.addEventListener('volumechange', showUnmute);

if (name) {
  start(name);
} else {
  showState(STATE.FAILED);
  element('message').textContent = 'Which stream? Add its name to the address: ?stream=stream1.';
}
