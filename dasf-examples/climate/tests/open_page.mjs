/** Opens the page in Chromium, uses its form, and prints the texts that it shows. */

import { say, wanted, withBrowser } from '../../../tests/interop/web/browser.mjs';

await withBrowser(() => '', async (page) => {
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  const result = page.locator('#result');

  /** Waits for a result with this text, and returns all of it. */
  async function shown(text) {
    const found = result.filter({ hasText: text });
    await found.waitFor();
    return found.textContent();
  }

  await page.goto(`${wanted.page}?broker=${encodeURIComponent(wanted.broker)}`);
  const co2 = await shown('ppm per decade');
  const line = await page.locator('#means').getAttribute('d');
  await page.locator('body').screenshot({ path: wanted.screenshot });

  await page.locator('select').selectOption('nino12');
  await page.getByRole('button').click();
  const nino12 = await shown('°C per decade');

  // An error of the module stands on the page too.
  await page.locator('select').selectOption('co2');
  await page.locator('[name=from]').fill('2005');
  await page.locator('[name=to]').fill('2010');
  await page.getByRole('button').click();
  const error = await shown('no value');

  say({ co2, nino12, error, points: line.split('L').length, errors });
});
