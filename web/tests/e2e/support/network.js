// Two hosts in network namespaces, with a firewall between them that drops without a word. Needs
// root; knows nothing of what runs on the hosts.

import { execFileSync } from 'node:child_process';

/**
 * Where nodes are. Below 1024 browsers send media to the ports 80 and 443 alone, and only if the
 * address is no private one.
 */
export const OUTSIDE = '203.0.113.7';
const INSIDE = '203.0.113.2';

/**
 * What may pass from inside to outside, and its answers back, in the words of nft.
 * @typedef {'tcp dport 443' | 'udp dport 443' | 'tcp dport 3128'} Rule
 */

/**
 * @typedef {object} Network
 * @property {string} outside the namespace of those that can be reached
 * @property {string} inside the namespace of those behind the firewall
 * @property {(...rules: Rule[]) => void} pass from now on nothing else
 * @property {(bitsPerSecond: number) => void} squeeze from now on no more gets inside
 * @property {() => void} widen from now on as much as there is
 * @property {() => number} entered bytes that got inside so far, with all their headers
 */

/** A squeezed line holds so much before it drops: what a small router has. */
export const QUEUE_MS = 100;
const QUEUE = ['burst', '4kb', 'latency', `${QUEUE_MS}ms`];

/** Namespaces outlive processes, so they are taken away however the tests end. */
const living = new Set();
process.on('exit', () => living.forEach(remove));

let made = 0;

/**
 * @param {import('node:test').TestContext} t
 * @param {...Rule} rules what may pass
 * @returns {Network}
 */
export function firewalled(t, ...rules) {
  made += 1;
  const [outside, inside] = ['outside', 'inside']
    .map((side) => `farcast-web-${process.pid}-${made}-${side}`);
  for (const name of [outside, inside]) {
    ip('netns', 'add', name);
    living.add(name);
    t.after(() => remove(name));
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  ip('-n', outside, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', inside);
  for (const [name, address] of [[outside, OUTSIDE], [inside, INSIDE]]) {
    ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'wire');
    // An IPv6 address that turns up seconds later would fail what browsers are just loading.
    ip('-n', name, 'link', 'set', 'wire', 'addrgenmode', 'none');
    ip('-n', name, 'link', 'set', 'wire', 'up');
  }
  ip('-n', inside, 'route', 'add', 'default', 'via', OUTSIDE);
  const pass = (...wanted) => {
    filter(outside, wanted);
    filter(inside, wanted.map((rule) => rule.replace('dport', 'sport')));
  };
  pass(...rules);
  const line = ['dev', 'wire', 'root'];
  return {
    outside,
    inside,
    pass,
    squeeze: (rate) => tc('-n', outside, 'qdisc', 'add', ...line, 'tbf', 'rate', `${rate}`, ...QUEUE),
    widen: () => tc('-n', outside, 'qdisc', 'del', ...line),
    entered: () => JSON.parse(
      ip('-n', outside, '-json', '-statistics', 'link', 'show', 'wire'),
    )[0].stats64.tx.bytes,
  };
}

/**
 * Dropped where packets come out of the wire: where they go in, the sender would see an error.
 * @param {string} host
 * @param {string[]} rules
 */
function filter(host, rules) {
  const text = `
    table inet firewall
    delete table inet firewall
    table inet firewall {
      chain in {
        type filter hook input priority 0;
        ${rules.map((rule) => `iifname wire ${rule} accept`).join('\n')}
        iifname wire drop
      }
    }`;
  ip('netns', 'exec', host, 'nft', text);
}

/** @param {string} name */
function remove(name) {
  if (living.delete(name)) ip('netns', 'del', name);
}

/** @param {...string} words */
function ip(...words) {
  return told('ip', words);
}

/** @param {...string} words */
function tc(...words) {
  return told('tc', words);
}

/**
 * @param {string} program
 * @param {string[]} words
 */
function told(program, words) {
  return execFileSync(program, words, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
}
