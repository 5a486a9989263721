/** What the tests of the gateway's page do in the page. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PACKAGES, say, wanted } from './browser.mjs';

const AXE = readFileSync(createRequire(`${PACKAGES}/`).resolve('axe-core/axe.min.js'), 'utf8');

/** Watches a page: which other hosts it asks, and what the browser complains about. */
export function watch(page) {
  const seen = { others: [], errors: [] };
  page.on('request', (request) => {
    const own = [wanted.page, 'blob:', 'data:'].some((start) => request.url().startsWith(start));
    if (!own) seen.others.push(request.url());
  });
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('console', (message) => {
    // Chromium reports each response with an error status, which the page shows in words.
    const expected = message.text().startsWith('Failed to load resource: the server responded');
    if (message.type() === 'error' && !expected) seen.errors.push(message.text());
  });
  return seen;
}

/** Goes to a page of the page. */
export async function open(page, ...parts) {
  await page.goto(`${wanted.page}#/${parts.map(encodeURIComponent).join('/')}`);
  // A change behind the `#` alone keeps the state of a form.
  await page.reload();
  await page.getByRole('heading', { level: 1 }).waitFor();
}

export function run(page) {
  return page.getByRole('button', { name: 'Run', exact: true }).click();
}

/** Waits until a call is over, with a result or without one. */
export async function over(page) {
  await page.locator('.result').getByText(/^after /).or(page.locator('.result .problem')).first().waitFor();
}

/** Runs the call that the form describes, and returns its result, which is one value. */
export async function result(page) {
  await run(page);
  const output = page.locator('.result output');
  await output.waitFor();
  return output.innerText();
}

/** Returns the problems that axe finds, with the elements that have them. */
export async function inaccessible(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.slice(0, 3).map((node) => node.html).join(' | ')}`);
}

export { say, wanted };
