// A certificate for one test, and the hash by which Chromium trusts it.

import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * @typedef {object} Certificate
 * @property {string[]} flags by which a node uses it
 * @property {string} spki SHA-256 of its public key, base64
 */

/**
 * @param {import('node:test').TestContext} t
 * @param {string} address an IP
 * @returns {Certificate}
 */
export function certificate(t, address) {
  const folder = mkdtempSync(join(tmpdir(), 'farcast-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-subj', '/CN=farcast.test', '-addext', `subjectAltName=IP:${address}`,
    '-keyout', key, '-out', cert,
  ], { stdio: 'ignore' });
  const { publicKey } = new X509Certificate(readFileSync(cert));
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const spki = createHash('sha256').update(der).digest('base64');
  return { flags: ['--cert', cert, '--key', key], spki };
}
