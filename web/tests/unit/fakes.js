// A browser without a browser: a clock that is turned by hand, WebSockets whose node is the test,
// peer connections that only know their states.

export class FakeWorld {
  time = 0;
  location = 'http://localhost:8080/publish';
  sockets = [];
  connections = [];
  timers = new Map();
  tracks = [{ kind: 'video', stop() { this.stopped = true; } }];
  answers = {};
  #lastTimer = 0;

  constructor() {
    const world = this;
    this.WebSocket = class extends FakeSocket {
      constructor(address) {
        super(address);
        world.sockets.push(this);
      }
    };
    this.RTCPeerConnection = class extends FakeConnection {
      constructor(configuration) {
        super(configuration);
        world.connections.push(this);
      }
    };
    this.MediaStream = class {};
    this.mediaDevices = { getUserMedia: async () => ({ getTracks: () => this.tracks }) };
  }

  watchSize = () => () => {};
  pixelRatio = () => 1;
  random = () => 0.5;
  now = () => this.time;
  senderCodecs = () => [{ mimeType: 'video/VP8' }];

  fetch = async (address) => {
    const answer = this.answers[address];
    if (!answer) throw new TypeError('refused');
    return { ok: true, json: async () => answer };
  };

  setTimeout = (action, milliseconds) => {
    this.#lastTimer += 1;
    this.timers.set(this.#lastTimer, { at: this.time + milliseconds, action });
    return this.#lastTimer;
  };

  clearTimeout = (timer) => this.timers.delete(timer);

  /** Turns the clock, and lets everything that is due happen in order. */
  async pass(milliseconds) {
    const end = this.time + milliseconds;
    await settled();
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end);
      if (due.length === 0) break;
      const [timer, { at, action }] = due.sort(([, one], [, other]) => one.at - other.at)[0];
      this.timers.delete(timer);
      this.time = Math.max(this.time, at);
      action();
      await settled();
    }
    this.time = end;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get connection() {
    return this.connections.at(-1);
  }
}

/** Lets everything happen that waits for no timer. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

class FakeSocket {
  sent = [];
  closeCode = null;

  constructor(address) {
    this.address = address;
  }

  send(text) {
    const message = JSON.parse(text);
    this.sent.push(message);
    if (message.type === 'ping' && !this.deaf) this.push({ type: 'pong', id: message.id });
  }

  close(code) {
    this.closeCode = code;
  }

  greet(node) {
    this.onopen?.();
    this.push({ type: 'hello', version: 1, node });
  }

  push(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  break() {
    this.onclose?.();
  }

  last(type) {
    return this.sent.findLast((message) => message.type === type);
  }

  async answer(type, answer) {
    this.push({ id: this.last(type).id, ...answer });
    await settled();
  }
}

class FakeConnection {
  connectionState = 'new';
  iceConnectionState = 'new';
  frames = 0;
  transceivers = [];
  currentRemoteDescription = null;
  /** The local candidate in use. */
  local = { candidateType: 'host', protocol: 'udp' };
  /** What was done, in order. */
  steps = [];

  constructor(configuration) {
    this.configuration = configuration;
  }

  addTransceiver(what, init) {
    const sender = { getParameters: () => ({}), setParameters: async () => {} };
    const transceiver = { what, init, sender, setCodecPreferences() {} };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getReceivers() {
    return [];
  }

  async createOffer() {
    return { type: 'offer', sdp: 'v=0\r\nm=video 9 x 96\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n' };
  }

  setConfiguration(configuration) {
    const { bundlePolicy } = this.configuration;
    if (configuration.bundlePolicy !== bundlePolicy) throw new Error('InvalidModificationError');
    this.configuration = configuration;
    this.steps.push('configuration');
  }

  async setLocalDescription() {
    this.steps.push('local');
  }

  async setRemoteDescription(description) {
    this.steps.push('remote');
    this.currentRemoteDescription = description;
  }

  async getStats() {
    return new Map(Object.entries({
      V: { type: 'inbound-rtp', framesDecoded: this.frames },
      P: { type: 'candidate-pair', selected: true, localCandidateId: 'L' },
      L: { type: 'local-candidate', ...this.local },
    }));
  }

  /** Media passes, and its first frame is here. */
  async flow() {
    this.frames = 1;
    this.connectionState = this.iceConnectionState = 'connected';
    this.onconnectionstatechange();
    await settled();
  }

  ice(state) {
    this.iceConnectionState = state;
    this.oniceconnectionstatechange();
  }

  close() {
    this.connectionState = 'closed';
  }
}
