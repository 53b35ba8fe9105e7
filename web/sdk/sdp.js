// The parts of SDP that trickle ICE and ICE restarts touch (RFC 8840); the rest passes untouched.

const CREDENTIALS = /^a=ice-(ufrag|pwd):/;
const CANDIDATES = /^a=(candidate:|end-of-candidates)/;

/** @param {string} text */
function linesOf(text) {
  return text.split(/\r?\n/).filter((line) => line !== '');
}

/** @param {string[]} lines */
function joined(lines) {
  return lines.map((line) => `${line}\r\n`).join('');
}

/**
 * @param {(RTCIceCandidate | null)[]} candidates `null` is the end of them
 * @returns {string} empty if there is nothing to tell
 */
export function candidateFragment(candidates) {
  const lines = candidates.map((candidate) => {
    if (candidate === null) return 'a=end-of-candidates';
    // Browsers announce the end of one gathering by an empty candidate before they send `null`.
    return candidate.candidate === '' ? '' : `a=${candidate.candidate}`;
  });
  return joined(lines.filter((line) => line !== ''));
}

/**
 * The credentials of an offer: what an ICE restart tells the node.
 * @param {string} sdp
 */
export function credentialFragment(sdp) {
  const lines = linesOf(sdp);
  const ufrag = lines.find((line) => line.startsWith('a=ice-ufrag:'));
  const pwd = lines.find((line) => line.startsWith('a=ice-pwd:'));
  if (!ufrag || !pwd) throw new Error('the offer holds no ICE credentials');
  return joined([ufrag, pwd]);
}

/**
 * Whether the node can be reached by ICE over TCP (RFC 6544).
 * @param {string} sdp
 */
export function offersTcp(sdp) {
  return linesOf(sdp).some((line) => /^a=candidate:\S+ \d+ tcp /i.test(line));
}

/**
 * The node's description with the credentials and candidates of its fragment in place of the old.
 * @param {string} sdp
 * @param {string} fragment
 */
export function withIce(sdp, fragment) {
  const ice = linesOf(fragment).filter((line) => CREDENTIALS.test(line) || CANDIDATES.test(line));
  const [head, ...media] = sectionsOf(sdp);
  const sections = media.map((section) => (isRejected(section) ? section : [...section, ...ice]));
  return joined([...head, ...sections.flat()]);
}

/**
 * The lines before the first `m=`, then those of each medium, all without ICE.
 * @param {string} sdp
 */
function sectionsOf(sdp) {
  /** @type {string[][]} */
  const sections = [[]];
  for (const line of linesOf(sdp)) {
    if (line.startsWith('m=')) sections.push([]);
    if (!CREDENTIALS.test(line) && !CANDIDATES.test(line)) sections[sections.length - 1].push(line);
  }
  return sections;
}

/** @param {string[]} section */
function isRejected(section) {
  return /^m=\w+ 0 /.test(section[0]);
}
