// Chromium and Firefox as people have them, but with a made-up camera and nobody watching; knows
// nothing of what is done in them.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

import { spy } from './spy.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const START_TIMEOUT_MS = 60_000;

const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** What a visitor has who never touched the page. */
const AUTOPLAY = '--autoplay-policy=document-user-activation-required';

const CAMERA = '--use-fake-device-for-media-stream=fps=30';

/** What the visitor answers when the browser asks for the camera, if there is one. */
const CAMERAS = {
  allowed: [CAMERA, '--use-fake-ui-for-media-stream'],
  denied: [CAMERA, '--use-fake-ui-for-media-stream=deny'],
  missing: ['--use-fake-ui-for-media-stream'],
};

/**
 * @param {import('node:test').TestContext} t
 * @param {{camera?: keyof typeof CAMERAS}} [options]
 */
export async function openChromium(t, { camera = 'allowed' } = {}) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...QUIET, AUTOPLAY, ...CAMERAS[camera]],
    timeout: START_TIMEOUT_MS,
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * On a host of its own, with a profile: without one Chromium trusts no certificate by its hash.
 * @param {import('node:test').TestContext} t
 * @param {string} host the network namespace
 * @param {import('./certificate.js').Certificate} certificate to be trusted
 * @param {{proxy?: string}} [options] the host and port of the only way out
 */
export async function openChromiumOn(t, host, { spki }, { proxy } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'farcast-'));
  const start = join(folder, 'chromium');
  writeFileSync(start, `#!/bin/sh\nexec ip netns exec ${host} ${CHROMIUM} "$@"\n`, { mode: 0o755 });
  const way = proxy ? [`--proxy-server=http://${proxy}`] : [];
  const trust = `--ignore-certificate-errors-spki-list=${spki}`;
  const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: start,
    args: [...QUIET, AUTOPLAY, ...CAMERAS.allowed, trust, ...way],
    timeout: START_TIMEOUT_MS,
  });
  t.after(async () => {
    await context.close();
    rmSync(folder, { recursive: true });
  });
  return pageOf(t, context);
}

/**
 * A page of somebody who shares nothing with the others. It must throw nothing.
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').Browser} browser
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function newPage(t, browser, options) {
  return pageOf(t, await browser.newContext(options));
}

/**
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').BrowserContext} context
 */
async function pageOf(t, context) {
  const page = await context.newPage();
  throwsNothing(t, page);
  await page.addInitScript(spy);
  return page;
}

/** @param {import('node:test').TestContext} t */
export async function openFirefoxPage(t) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    timeout: START_TIMEOUT_MS,
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  throwsNothing(t, page);
  await page.evaluateOnNewDocument(spy);
  return page;
}

function throwsNothing(t, page) {
  const thrown = [];
  page.on('pageerror', (error) => thrown.push(error));
  t.after(() => assert.deepEqual(thrown, []));
}
