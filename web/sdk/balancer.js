// Asks balancers which node to use, and turns their answers into addresses.

import { FarcastError } from './errors.js';

/** @typedef {import('./world.js').World} World */

/**
 * @typedef {object} ServerList what `/?action=server_list` answers
 * @property {string} [server] a host, perhaps with its port
 * @property {string} [ws]
 * @property {string} [wss]
 * @property {string} [url]
 */

/** A balancer that is silent for longer than this is as good as dead. */
const ANSWER_TIMEOUT_MS = 1500;

/**
 * The WebSocket's address on a node given as a page's address or a WebSocket's.
 * @param {string} url
 * @param {string} page the page's own address, for relative ones
 */
export function signallingAddress(url, page) {
  const address = absolute(url, page);
  address.protocol = address.protocol.replace('http', 'ws');
  if (address.pathname === '/') address.pathname = '/ws';
  address.search = '';
  address.hash = '';
  return address.href;
}

/**
 * @param {string} url a host's root means its balancer
 * @param {string} page
 */
export function balancerAddress(url, page) {
  const address = absolute(url, page);
  address.protocol = address.protocol.replace('ws', 'http');
  if (address.pathname === '/' && address.search === '') address.search = '?action=server_list';
  return address.href;
}

/**
 * @param {string} url
 * @param {string} page
 */
function absolute(url, page) {
  try {
    const address = new URL(/^[\w.-]+:\d+/.test(url) ? `//${url}` : url, page);
    if (/^(http|ws)s?:$/.test(address.protocol)) return address;
  } catch {
    // Said below, in words that help more than the parser's.
  }
  throw new FarcastError('BAD_ADDRESS',
    `“${url}” is no address of a node: write it like https://edge1.example.com.`);
}

/**
 * The first answer wins; a balancer that is down or late is passed over.
 * @param {World} world
 * @param {string[]} balancers
 * @returns {Promise<string | null>} the chosen node's WebSocket, null if no balancer answered
 */
export async function askBalancers(world, balancers) {
  for (const balancer of balancers) {
    const answer = await ask(world, balancer);
    const node = answer && nodeOf(answer, balancer, world.location);
    if (node) return node;
  }
  return null;
}

/**
 * @param {World} world
 * @param {string} balancer
 * @returns {Promise<ServerList | null>}
 */
async function ask(world, balancer) {
  const abort = new AbortController();
  const timer = world.setTimeout(() => abort.abort(), ANSWER_TIMEOUT_MS);
  try {
    const response = await world.fetch(balancer, { signal: abort.signal, cache: 'no-store' });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  } finally {
    world.clearTimeout(timer);
  }
}

/**
 * @param {ServerList} answer
 * @param {string} balancer
 * @param {string} page
 * @returns {string | null} null if the answer names no node that this page may talk to
 */
export function nodeOf({ server, ws, wss, url }, balancer, page) {
  const secure = new URL(page).protocol === 'https:';
  if (url && (!secure || url.startsWith('https:'))) return signallingAddress(url, balancer);
  if (!server) return null;
  const host = server.replace(/:\d+$/, '');
  if (wss && (secure || !ws)) return `wss://${host}:${wss}/ws`;
  return ws && !secure ? `ws://${host}:${ws}/ws` : null;
}
