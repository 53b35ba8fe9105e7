// Everything that the SDK takes from the browser, in one value, so that tests can hand in another.

/**
 * @typedef {object} World
 * @property {new (address: string) => WebSocket} WebSocket
 * @property {new (configuration?: RTCConfiguration) => RTCPeerConnection} RTCPeerConnection
 * @property {new (tracks?: MediaStreamTrack[]) => MediaStream} MediaStream
 * @property {(address: string, options?: RequestInit) => Promise<Response>} fetch
 * @property {(action: () => void, milliseconds: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now milliseconds, of a clock that goes on while a laptop sleeps
 * @property {() => number} random between 0 and 1
 * @property {MediaDevices | undefined} mediaDevices missing on pages that are not secure
 * @property {string} location the page's own address
 * @property {(kind: string) => RTCRtpCodec[]} senderCodecs
 * @property {(element: Element, action: () => void) => () => void} watchSize until the result is called
 * @property {() => number} pixelRatio
 */

/** @returns {World} */
export function browserWorld() {
  return {
    WebSocket,
    RTCPeerConnection,
    MediaStream,
    fetch: (address, options) => fetch(address, options),
    setTimeout: (action, milliseconds) => setTimeout(action, milliseconds),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => Date.now(),
    random: Math.random,
    mediaDevices: navigator.mediaDevices,
    location: location.href,
    watchSize: (element, action) => {
      const observer = new ResizeObserver(action);
      observer.observe(element);
      return () => observer.disconnect();
    },
    pixelRatio: () => devicePixelRatio,
    senderCodecs: (kind) => RTCRtpSender.getCapabilities(kind)?.codecs ?? [],
  };
}
