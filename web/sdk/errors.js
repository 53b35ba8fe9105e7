// What can go wrong, each in one sentence that says what to do.

/**
 * @typedef {'NO_CAMERA' | 'PERMISSION_DENIED' | 'CAMERA_BUSY' | 'INSECURE_PAGE' | 'BAD_ADDRESS'
 *   | 'UNKNOWN_STREAM' | 'ALREADY_PUBLISHED' | 'WRONG_TOKEN' | 'NOT_ALLOWED' | 'CODEC_NOT_OFFERED'
 *   | 'NODE_DOWN' | 'NODE_FULL' | 'MEDIA_BLOCKED' | 'CONNECTION_LOST' | 'ENDED' | 'REFUSED'
 *   | 'CLOSED'} ErrorCode
 */

/** Errors that trying again, perhaps elsewhere, can mend. */
const PASSING = new Set([
  'UNKNOWN_STREAM', 'NODE_DOWN', 'NODE_FULL', 'MEDIA_BLOCKED', 'CONNECTION_LOST',
]);

export class FarcastError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {ErrorOptions & {status?: number}} [options]
   */
  constructor(code, message, options = {}) {
    super(message, options);
    this.name = 'FarcastError';
    this.code = code;
    /** The status of the node's answer, if it was the node that refused. */
    this.status = options.status;
  }

  get passing() {
    return PASSING.has(this.code);
  }
}

/**
 * @param {unknown} error
 * @returns {FarcastError}
 */
export function asFarcastError(error) {
  if (error instanceof FarcastError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new FarcastError('REFUSED', `The browser refused: ${reason}`, { cause: error });
}

/**
 * What `getUserMedia` threw.
 * @param {unknown} cause
 * @param {string} wanted what was asked for: `camera`, `microphone`, `camera and microphone`
 */
export function captureError(cause, wanted) {
  const name = cause instanceof Error ? cause.name : '';
  switch (name) {
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new FarcastError('NO_CAMERA',
        `No ${wanted} was found: plug it in, or choose another device, then publish again.`,
        { cause });
    case 'NotAllowedError':
    case 'SecurityError':
      return new FarcastError('PERMISSION_DENIED',
        `The browser may not use your ${wanted}: `
        + 'allow it by the icon beside the address, then publish again.', { cause });
    case 'NotReadableError':
    case 'AbortError':
      return new FarcastError('CAMERA_BUSY',
        `Your ${wanted} cannot be opened: close other programs that use it, then publish again.`,
        { cause });
    default:
      return asFarcastError(cause);
  }
}

/** @param {string} kind of the track that ended by itself: audio, video */
export function deviceLost(kind) {
  const device = kind === 'video' ? 'camera' : 'microphone';
  return new FarcastError('NO_CAMERA',
    `The ${device} was unplugged or taken away: plug it in, then publish again.`);
}

/** @param {string} page the page's address */
export function insecurePage(page) {
  return new FarcastError('INSECURE_PAGE',
    `Browsers give no camera to ${new URL(page).origin}: `
    + 'open this page over https, or as http://localhost on the node’s own machine.');
}

/**
 * @param {string} codec
 * @param {string[]} others codecs that would do
 */
export function codecNotOffered(codec, others) {
  return new FarcastError('CODEC_NOT_OFFERED',
    `This browser cannot send ${codec}: choose ${others.join(' or ') || 'another browser'}.`);
}

/** @param {string[]} addresses */
export function nodeDown(addresses) {
  const tried = addresses.map((address) => new URL(address).host).join(' and ');
  return new FarcastError('NODE_DOWN',
    `No answer from ${tried || 'any node'}: check the address and that the node runs; `
    + 'we keep trying.');
}

/**
 * @param {string} node
 * @param {string[]} ways that were tried: UDP, TCP, TURN
 */
export function mediaBlocked(node, ways) {
  const [last, ...others] = ways.toReversed();
  const tried = others.length > 0 ? `${others.toReversed().join(', ')} or ${last}` : last;
  return new FarcastError('MEDIA_BLOCKED',
    `Signalling with ${new URL(node).host} works, but no media gets through over ${tried}: `
    + `a firewall is in the way; allow ${others.length > 0 ? 'one of them' : 'that'} to the `
    + 'node’s address, or use another network.');
}

/** @param {string} node */
export function connectionLost(node) {
  return new FarcastError('CONNECTION_LOST',
    `The connection to ${new URL(node).host} was lost: check your network; we keep trying.`);
}

/**
 * @param {string} stream
 * @param {string} reason as the node puts it
 */
export function publicationEnded(stream, reason) {
  return new FarcastError('ENDED',
    `The node ended ${stream}${reason ? ` (${reason})` : ''}: publish again to go on.`);
}

export function closedSession() {
  return new FarcastError('CLOSED', 'This session was disconnected: create a new one.');
}

/**
 * What a node answered instead of what we asked for.
 * @param {{status?: number, title?: string, detail?: string}} problem RFC 9457
 * @param {string} stream
 * @param {string} node its address
 */
export function refusal({ status = 0, title = '', detail = '' }, stream, node) {
  const host = new URL(node).host;
  const [code, sentence] = REFUSALS[status]?.(stream, host) ?? ['REFUSED', ''];
  const said = detail || title;
  const ours = sentence || `${host} refused ${stream}: ${said || `status ${status}`}.`;
  const message = NODE_KNOWS_BETTER.has(status) ? detail || ours : ours;
  return new FarcastError(code, message, { status, cause: said });
}

/** Refusals whose detail names what we cannot know: the codecs of the stream, who publishes it. */
const NODE_KNOWS_BETTER = new Set([406, 409]);

/** @type {Record<number, (stream: string, host: string) => [ErrorCode, string]>} */
const REFUSALS = {
  401: (stream, host) => ['WRONG_TOKEN',
    `${host} did not accept the token for ${stream}: enter one that is valid and not expired.`],
  403: (stream) => ['NOT_ALLOWED',
    `The token does not allow this with ${stream}: ask for one that names this stream and action.`],
  404: (stream) => ['UNKNOWN_STREAM',
    `Nobody publishes ${stream}: check the name, or start the publisher.`],
  406: (stream) => ['CODEC_NOT_OFFERED',
    `This browser does not offer a codec that ${stream} can use: `
    + 'choose VP8 for publishing, or another browser.'],
  409: (stream) => ['ALREADY_PUBLISHED',
    `Somebody publishes ${stream} already: choose another name, or stop that publisher first.`],
  503: (stream, host) => ['NODE_FULL',
    `${host} has no room for ${stream} at the moment: wait a little, or use another node.`],
};
