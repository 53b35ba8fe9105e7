// A lamp that flashes whenever a buzzer sounds, in front of the publisher's camera and microphone;
// and somebody who tells when the one is seen and the other heard. Runs in pages.

const EVERY_MS = 1000;
const LASTS_MS = 100;

/**
 * From now on the publisher's camera films the lamp, and the microphone hears the buzzer.
 * @param {any} page of a node, that somebody has clicked on
 */
export function flashesAndBeeps(page) {
  return page.evaluate(async ([every, lasts]) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const picture = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    const audio = new AudioContext({ sampleRate: 48_000 });
    const [buzzer, power] = [audio.createOscillator(), audio.createGain()];
    const heard = audio.createMediaStreamDestination();
    buzzer.frequency.value = 2000;
    power.gain.value = 0;
    buzzer.connect(power).connect(heard);
    buzzer.start();
    await audio.resume();
    // Some work for the encoder: a line that carries nearly nothing is no usual one.
    const grain = new OffscreenCanvas(160, 20).getContext('2d');
    const noise = grain.createImageData(160, 20);
    const greys = new Uint32Array(noise.data.buffer);
    let drawn = 0;
    let due = 0;
    const next = (time) => {
      requestAnimationFrame(next);
      // Nearly 33: a screen's steps are never quite even.
      if (time - drawn < 25) return;
      drawn = time;
      if (time >= due + lasts) due += Math.ceil((time - due) / every) * every;
      const lit = time >= due;
      if (lit !== power.lit) power.gain.setValueAtTime(lit ? 0.8 : 0, audio.currentTime);
      power.lit = lit;
      picture.fillStyle = lit ? 'white' : 'black';
      picture.fillRect(0, 0, canvas.width, canvas.height);
      greys.forEach((_, at) => {
        greys[at] = 0xff000000 + Math.floor(Math.random() * 256) * 0x010101;
      });
      grain.putImageData(noise, 0, 0);
      picture.drawImage(grain.canvas, 0, 0, canvas.width, 80);
    };
    requestAnimationFrame(next);
    window.lamp = new MediaStream([
      ...canvas.captureStream().getVideoTracks(), ...heard.stream.getAudioTracks(),
    ]);
    navigator.mediaDevices.getUserMedia = async () => window.lamp.clone();
  }, [EVERY_MS, LASTS_MS]);
}

/**
 * How much later than the buzzer the lamp is noticed, again and again.
 * @param {any} page the player's, or the publisher's for what it sees and hears without a network;
 *   somebody has clicked on it
 * @param {number} flashes how many
 * @returns {Promise<number[]>} milliseconds
 */
export async function lags(page, flashes) {
  const { seen, heard } = await page.evaluate(watchAndListen, flashes * EVERY_MS);
  return seen.flatMap((flash) => {
    const beep = heard.find((each) => Math.abs(each - flash) < EVERY_MS / 2);
    return beep === undefined ? [] : [flash - beep];
  });
}

/** When the lamp went on and the buzzer began, by the page's clock. @param {number} milliseconds */
async function watchAndListen(milliseconds) {
  const video = window.lamp ? document.createElement('video') : document.getElementById('remote');
  if (window.lamp) {
    Object.assign(video, { srcObject: window.lamp, muted: true });
    await video.play();
  }

  const seen = [];
  const canvas = Object.assign(document.createElement('canvas'), { width: 8, height: 8 });
  const look = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  let lit = true;
  const follow = (_, { expectedDisplayTime }) => {
    video.requestVideoFrameCallback(follow);
    look.drawImage(video, 0, 0, 8, 8);
    const { data } = look.getImageData(0, 0, 8, 8);
    const was = lit;
    lit = data[4 * 36 + 1] > 128;
    if (lit && !was) seen.push(expectedDisplayTime);
  };
  video.requestVideoFrameCallback(follow);

  const heard = [];
  const audio = new AudioContext({ sampleRate: 48_000 });
  const ear = `registerProcessor('ear', class extends AudioWorkletProcessor {
    silence = 0;
    process([[sound = []]]) {
      sound.forEach((each, at) => {
        const loud = Math.abs(each) > 0.1;
        if (loud && this.silence > sampleRate / 4) {
          this.port.postMessage((currentFrame + at) / sampleRate);
        }
        this.silence = loud ? 0 : this.silence + 1;
      });
      return true;
    }
  })`;
  const type = 'text/javascript';
  await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([ear], { type })));
  const listener = new AudioWorkletNode(audio, 'ear');
  listener.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = audio.getOutputTimestamp();
    heard.push(performanceTime + (data - contextTime) * 1000);
  };
  const muted = audio.createGain();
  muted.gain.value = 0;
  audio.createMediaStreamSource(video.srcObject).connect(listener).connect(muted);
  muted.connect(audio.destination);
  await audio.resume();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  await audio.close();
  return { seen, heard };
}
