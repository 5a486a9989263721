/** Calls a function from the reference of the gateway, and takes pictures of the reference. */

import { join } from 'node:path';
import { withBrowser } from './browser.mjs';
import { say, wanted, watch } from './page.mjs';

const SIZES = { desktop: { width: 1200, height: 900 }, phone: { width: 390, height: 844 } };

await withBrowser(
  () => '',
  async (page) => {
    const { others, errors } = watch(page);
    for (const [name, path] of Object.entries({ all: 'api/docs', topic: `api/${wanted.topic}/docs` })) {
      await page.goto(`${wanted.page}${path}`);
      await page.locator('.opblock').first().waitFor();
      say({ [name]: await page.locator('.opblock .opblock-summary-path').allInnerTexts() });
      for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        const path = join(wanted.screenshots, `docs-${name}-${size}.png`);
        await page.screenshot({ path, animations: 'disabled' });
      }
      await page.setViewportSize(SIZES.desktop);
    }

    const add = page.locator('.opblock-post').filter({ hasText: '/add' }).first();
    await add.locator('.opblock-summary').click();
    await add.locator('textarea').first().fill('{"a": 40}');
    await add.getByRole('button', { name: 'Execute' }).click();
    const answer = add.locator('.live-responses-table .response');
    await answer.waitFor();
    say({ status: (await answer.locator('.response-col_status').innerText()).trim() });
    say({ result: (await answer.locator('.microlight').first().innerText()).trim() });
    await page.screenshot({ path: join(wanted.screenshots, 'docs-call.png'), fullPage: true });
    say({ others, errors });
  },
);
