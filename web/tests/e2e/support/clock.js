// A clock in front of the publisher's camera, and somebody at the player who reads it: how late is
// what is seen and heard. Uses what the latency page is made of; runs in pages.

/**
 * From now on the publisher's camera films a clock, and so much grain that the encoder uses all the
 * bits that it has. The microphone is what it was.
 * @param {any} page of a node
 * @param {number} maxBitrate of the video, bits a second
 */
export function filmsClock(page, maxBitrate) {
  return page.evaluate(async (given) => {
    const [{ now }, { HEIGHT, WIDTH, context2d, draw }] = await Promise.all([
      import('/pages/latency/clock.js'), import('/pages/latency/picture.js'),
    ]);
    const [picture, grain] = [[WIDTH, HEIGHT], [WIDTH / 4, HEIGHT / 9]].map(([width, height]) => (
      context2d(Object.assign(document.createElement('canvas'), { width, height }))));
    const noise = grain.createImageData(grain.canvas.width, grain.canvas.height);
    const greys = new Uint32Array(noise.data.buffer);
    picture.imageSmoothingEnabled = false;
    let drawn = 0;
    const next = (time) => {
      requestAnimationFrame(next);
      // Nearly 33: a screen's steps are never quite even.
      if (time - drawn < 25) return;
      drawn = time;
      greys.forEach((_, at) => {
        greys[at] = 0xff000000 + Math.floor(Math.random() * 256) * 0x010101;
      });
      grain.putImageData(noise, 0, 0);
      draw(picture, now());
      // Where people would read the time; the code below it stays.
      picture.drawImage(grain.canvas, 0, 0, WIDTH, grain.canvas.height * 4);
    };
    requestAnimationFrame(next);
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wishes) => {
      const [sound, filmed] = [await open(wishes), picture.canvas.captureStream()];
      sound.getVideoTracks().forEach((track) => track.stop());
      return new MediaStream([...sound.getAudioTracks(), ...filmed.getVideoTracks()]);
    };
    const { addTransceiver } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.addTransceiver = function add(track, options) {
      const sendEncodings = [track.kind === 'video' ? { maxBitrate: given } : {}];
      return addTransceiver.call(this, track, { ...options, sendEncodings });
    };
  }, maxBitrate);
}

/**
 * From now on somebody looks at the player and listens.
 * @param {any} page
 */
export function readsClock(page) {
  return page.evaluate(async () => {
    const [{ now }, { watchFrames }, { createReader }, { decode, elapsed }] = await Promise.all(
      ['clock', 'frames', 'picture', 'timecode'].map((each) => import(`/pages/latency/${each}.js`)),
    );
    const remote = document.getElementById('remote');
    const read = createReader();
    window.notes = { seen: [], heard: [] };
    watchFrames(remote, () => {
      const time = now();
      const drawn = decode(read(remote));
      window.notes.seen.push(drawn === null ? null : elapsed(drawn, time));
    });
    setInterval(() => {
      const last = window.spy.sound();
      if (last) window.notes.heard.push(last.timestamp - last.rtpTimestamp / 48);
    }, 50);
  });
}

/**
 * @typedef {object} Notes
 * @property {(number | null)[]} seen how old each frame was when it was presented, in milliseconds;
 *   null where the clock could not be read
 * @property {number[]} heard how late the sound was, in milliseconds since a time that nobody knows
 * @property {number} sound packets that have come so far
 */

/**
 * What was noted since the last call.
 * @param {any} page
 * @returns {Promise<Notes>}
 */
export function notes(page) {
  return page.evaluate(async () => {
    const { audio } = await window.spy.inbound();
    const { seen, heard } = window.notes;
    window.notes = { seen: [], heard: [] };
    return { seen, heard, sound: audio?.packetsReceived ?? 0 };
  });
}
