// The demo with lines of one kind: all its nodes in one place, all browsers in another.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { demo } from './nodes.js';

/**
 * What lies between every browser and every node.
 * @typedef {object} Line
 * @property {number} rtt milliseconds
 * @property {number} [jitter] up to so much longer a packet takes each way, in milliseconds
 * @property {number} [loss] percent of the packets each way
 */

/**
 * @param {import('node:test').TestContext} t
 * @param {Line} line
 * @returns {ReturnType<typeof demo>}
 */
export function demoBehind(t, { rtt, jitter = 0, loss = 0 }) {
  const folder = mkdtempSync(join(tmpdir(), 'farcast-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const atlas = join(folder, 'atlas.toml');
  writeFileSync(atlas, `
    city = [{ name = "here" }, { name = "there" }]
    [[link]]
    between = ["here", "there"]
    rtt_ms = ${rtt}
    jitter_ms = ${2 * jitter}
    loss_percent = ${loss}
  `);
  const nodes = ['--origin', 'there', '--edge', 'there', '--edge', 'there'];
  return demo(t, '--atlas', atlas, '--viewer', 'here', ...nodes);
}
