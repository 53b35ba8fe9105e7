// Starts and ends the real programs, on free ports of this machine or on hosts of their own; knows
// nothing of browsers.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { OUTSIDE } from './network.js';
import { until } from './until.js';

export const TARGET = fileURLToPath(new URL('../../../../target', import.meta.url));
const BINARIES = process.env.FARCAST_BIN ?? join(TARGET, 'release');
const LOGS = join(TARGET, 'e2e');
const START_TIMEOUT_MS = 20_000;
const PORTS_FROM = 20_000;
const PORTS_TO = 32_000;
const TABLE_ENDS = 'Ctrl-C ends it.';
const PROXY = fileURLToPath(new URL('proxy.js', import.meta.url));
const PROXY_PORT = 3128;

/** Every child that lives: none may outlive the tests, however they end. */
const living = new Set();
process.on('exit', () => living.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

/**
 * One running program.
 * @typedef {object} Program
 * @property {string} url where its pages are
 * @property {string} log the file with all that it says
 * @property {() => Promise<void>} start once more, when it has ended
 * @property {() => Promise<void>} end without a word
 * @property {() => void} freeze until it is ended
 */

/** A media address of this machine; browsers send no media to loopback. */
export function interfaceAddress() {
  const all = Object.values(networkInterfaces()).flat();
  const found = all.find((each) => each?.family === 'IPv4' && !each.internal);
  if (!found) throw new Error('these tests need a network interface beside loopback');
  return found.address;
}

/**
 * Three processes: an origin and two edges, or as many as asked for.
 * @param {import('node:test').TestContext} t
 * @param {{edges?: number}} [options]
 * @returns {Promise<{origin: Program, edges: Program[]}>} when the origin names every edge
 */
export async function cluster(t, { edges: count = 2 } = {}) {
  const base = await freePorts(count + 1);
  const ports = Array.from({ length: count }, (_, index) => base + 1 + index);
  const named = ports.flatMap((port) => ['--edge', `http://127.0.0.1:${port}`]);
  const edges = ports.map((port, index) => node(t, 'farcast-edge', port, [
    '--name', `edge${index + 1}`, '--open',
  ]));
  const origin = node(t, 'farcast-origin', base, ['--open', ...named]);
  const started = await Promise.all([origin, ...edges]);
  await balancerNames(started[0], started.slice(1));
  return { origin: started[0], edges: started.slice(1) };
}

/**
 * An origin that serves viewers itself.
 * @param {import('node:test').TestContext} t
 * @param {string[]} flags
 */
export async function origin(t, ...flags) {
  return node(t, 'farcast-origin', await freePorts(1), flags);
}

/**
 * An origin outside of a firewall: everything on port 443.
 * @param {import('node:test').TestContext} t
 * @param {import('./network.js').Network} network
 * @param {import('./certificate.js').Certificate} certificate
 * @param {string[]} wishes more flags
 */
export async function originOutside(t, { outside }, certificate, ...wishes) {
  const address = `${OUTSIDE}:443`;
  const listen = ['--https', address, '--udp', address, ...certificate.flags];
  const flags = [...listen, '--open', '--log', 'debug', ...wishes];
  return programOutside(t, outside, 'farcast-origin', [binary('farcast-origin'), ...flags], 443);
}

/**
 * An HTTP proxy outside of a firewall.
 * @param {import('node:test').TestContext} t
 * @param {import('./network.js').Network} network
 * @returns {Promise<string>} its address
 */
export async function proxyOutside(t, { outside }) {
  const command = [process.execPath, PROXY, OUTSIDE, String(PROXY_PORT)];
  await programOutside(t, outside, 'proxy', command, PROXY_PORT);
  return `${OUTSIDE}:${PROXY_PORT}`;
}

/**
 * What people try first: three nodes in one process.
 * @param {import('node:test').TestContext} t
 * @param {string[]} wishes more flags
 * @returns {Promise<{origin: Program, edges: Program[], table: string}>} the table as printed
 */
export async function demo(t, ...wishes) {
  const base = await freePorts(3);
  const url = `http://localhost:${base}`;
  const flags = ['demo', '--port-base', String(base), '--log', 'debug', ...wishes];
  const origin = await program(t, 'farcast', flags, base, url);
  const edges = [1, 2].map((step) => ({ ...origin, url: `http://localhost:${base + step}` }));
  await balancerNames(origin, edges);
  const table = await until('the whole table', () => {
    const text = readFileSync(origin.log, 'utf8');
    return text.includes(TABLE_ENDS) && text;
  });
  return { origin, edges, table };
}

/**
 * @param {Program} balancer
 * @param {Program[]} wanted
 */
export async function balancerNames(balancer, wanted) {
  const urls = wanted.map(({ url }) => url).sort().join();
  await until(`the balancer names ${urls} and nobody else`, async () => {
    const answers = await Promise.all(wanted.map(() => serverList(balancer)));
    return answers.map(({ url }) => url).sort().join() === urls;
  });
}

/**
 * @param {Program} balancer
 * @returns {Promise<{server: string, ws: string, name: string, url: string}>}
 */
export async function serverList({ url }) {
  const response = await fetch(`${url}/?action=server_list`);
  return response.ok ? response.json() : {};
}

/**
 * Runs one of the programs to its end.
 * @param {string} name
 * @param {string[]} flags
 * @returns {Promise<string>} what it printed
 */
export async function printed(name, ...flags) {
  const child = spawn(binary(name), flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`${name} ${flags.join(' ')} ended with ${code}`);
  return text.trim();
}

function node(t, name, port, flags) {
  const listen = ['--http', `127.0.0.1:${port}`, '--udp', `${interfaceAddress()}:${port}`];
  const all = [...listen, '--log', 'debug', ...flags];
  return program(t, name, all, port, `http://127.0.0.1:${port}`);
}

function binary(name) {
  return join(BINARIES, name);
}

function program(t, name, flags, port, url) {
  const isReady = () => fetch(`${url}/readyz`).then(({ ok }) => ok, () => false);
  return started(t, name, [binary(name), ...flags], port, url, isReady);
}

/** Nobody here can ask it whether it is ready, so its own word counts. */
function programOutside(t, outside, name, command, port) {
  const isReady = (log) => readFileSync(log, 'utf8').includes(' listens: ');
  const there = ['ip', 'netns', 'exec', outside, ...command];
  return started(t, name, there, port, `https://${OUTSIDE}`, isReady);
}

/** What it logs lies in target/e2e, under the test's name. */
async function started(t, name, command, port, url, isReady) {
  mkdirSync(LOGS, { recursive: true });
  const title = t.name.replaceAll(/\W+/g, '-');
  const path = join(LOGS, `${title}-${name}-${port}.log`);
  const log = openSync(path, 'w');
  let running = null;
  const start = async () => {
    running = run(command, log);
    await until(`${name} is ready on ${url}`, async () => {
      if (!living.has(running.child)) throw new Error(`${name} did not start; see ${LOGS}`);
      return isReady(path);
    }, START_TIMEOUT_MS);
  };
  const freeze = () => running.child.kill('SIGSTOP');
  const end = async () => {
    running.child.kill('SIGKILL');
    await running.gone;
  };
  t.after(async () => {
    await end();
    closeSync(log);
  });
  await start();
  return { url, log: path, start, end, freeze };
}

function run([program, ...flags], log) {
  const child = spawn(program, flags, { stdio: ['ignore', log, log] });
  living.add(child);
  const gone = new Promise((resolve) => {
    child.once('close', resolve).once('error', resolve);
  }).then(() => living.delete(child));
  return { child, gone };
}

/** @param {number} count of ports in a row, free for TCP and UDP */
async function freePorts(count) {
  for (;;) {
    const base = PORTS_FROM + Math.floor(Math.random() * (PORTS_TO - PORTS_FROM));
    const ports = Array.from({ length: count }, (_, index) => base + index);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
}

async function isFree(port) {
  const tcp = createServer();
  const udp = createSocket('udp4');
  const opened = (socket, start) => new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    socket.once('listening', () => socket.close(() => resolve(true)));
    start();
  });
  const both = await Promise.all([
    opened(tcp, () => tcp.listen(port)),
    opened(udp, () => udp.bind(port)),
  ]);
  return both.every(Boolean);
}
