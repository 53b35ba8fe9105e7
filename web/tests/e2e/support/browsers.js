// Chromium and Firefox as people have them, but with a made-up camera and nobody watching; knows
// nothing of what is done in them.

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

const DEVICES = [
  '--use-fake-device-for-media-stream=fps=30',
  // What a visitor has who never touched the page.
  '--autoplay-policy=document-user-activation-required',
];

/**
 * @param {import('node:test').TestContext} t
 * @param {{camera?: 'allowed' | 'denied'}} [options] what the visitor answers
 */
export async function openChromium(t, { camera = 'allowed' } = {}) {
  const answer = camera === 'denied' ? '=deny' : '';
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...QUIET, ...DEVICES, `--use-fake-ui-for-media-stream${answer}`],
    timeout: START_TIMEOUT_MS,
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * A page of somebody who shares nothing with the others.
 * @param {import('playwright-core').Browser} browser
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function newPage(browser, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
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
  await page.evaluateOnNewDocument(spy);
  return page;
}
