/** Opens pages in Chromium, and prints observations as lines of JSON. */

import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TARGET = fileURLToPath(new URL('../../../target/', import.meta.url));
export const PACKAGES = join(TARGET, 'web/node_modules');
const { chromium } = createRequire(join(TARGET, 'web/'))('playwright-core');

/** The time limit of a script, because some waits in a page have none. */
const PATIENCE_MS = 300_000;

/** The arguments of the Rust test. */
export const wanted = JSON.parse(process.argv[2]);

/** Prints an observation. */
export function say(seen) {
  console.log(JSON.stringify(seen));
}

/** The folder `dist` of the web component. The wheel of the Django broker contains it. */
function bundle() {
  const lib = join(TARGET, 'python/lib');
  const python = readdirSync(lib).find((name) => name.startsWith('python'));
  const packages = join(lib, python, 'site-packages');
  return join(packages, 'dasf_broker/frontend/static/dasf_frontend/dasf-web-component/dist');
}

const FILES = {
  '/component.js': join(bundle(), 'wc/dasf.js'),
  '/client.js': join(bundle(), 'dasf.umd.cjs'),
  '/react.js': join(PACKAGES, 'react/umd/react.production.min.js'),
  '/react-dom.js': join(PACKAGES, 'react-dom/umd/react-dom.production.min.js'),
};

/** Serves these scripts, and at any other path the page that `html` returns. */
async function servePages(html, files) {
  const server = createServer(async (request, response) => {
    const file = files[request.url];
    const type = file ? 'text/javascript' : 'text/html';
    response.setHeader('content-type', `${type}; charset=utf-8`);
    response.end(file ? await readFile(file) : html(request.url.slice(1)));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return server;
}

/**
 * Opens Chromium with pages of this test, and closes it when `use(page, url)` is over. `scripts` are
 * the files of further paths.
 */
export async function withBrowser(html, use, scripts = {}) {
  const giveUp = setTimeout(() => {
    console.error(`not done after ${PATIENCE_MS} ms`);
    process.exit(1);
  }, PATIENCE_MS);
  const folders = process.env.PATH.split(delimiter);
  const executablePath = folders.map((folder) => join(folder, 'chromium')).find(existsSync);
  if (!executablePath) {
    throw new Error('there is no `chromium` on the PATH; run `cargo xtask browser`');
  }
  const server = await servePages(html, { ...FILES, ...scripts });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const viewport = { width: 1200, height: 900 };
  try {
    const page = await browser.newPage({ viewport, timezoneId: 'UTC' });
    await use(page, `http://127.0.0.1:${server.address().port}/`);
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
    clearTimeout(giveUp);
  }
}
