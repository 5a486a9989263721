/** Uses a generated client in a page. */

import { join } from 'node:path';

import { say, wanted, withBrowser } from './browser.mjs';

const HTML = `<!DOCTYPE html>
  <meta charset="utf-8">
  <title>A generated client</title>`;

const SCRIPTS = ['calls.js', 'odd.js', 'reference.js'];

await withBrowser(
  () => HTML,
  async (page, url) => {
    await page.goto(url);
    const call = async ({ token, ...wanted }) => {
      const { callEverything } = await import('/calls.js');
      return callEverything(wanted, { token });
    };
    say(await page.evaluate(call, wanted));
  },
  Object.fromEntries(SCRIPTS.map((name) => [`/${name}`, join(wanted.compiled, name)])),
);
