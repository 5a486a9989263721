/** Calls the backend of `dasf-exb-reference` from the page of the gateway, and reads what the page shows. */

import { readFile } from 'node:fs/promises';
import { withBrowser } from './browser.mjs';
import { open, over, run, say, wanted, watch } from './page.mjs';

await withBrowser(
  () => '',
  async (page) => {
    const { others, errors } = watch(page);
    const shown = page.locator('.result');
    const form = (name) => open(page, 'modules', wanted.topic, name);

    await form('default_content');
    await run(page);
    await over(page);
    say({ default_content: await shown.innerText() });

    await form('get_timeseries');
    await run(page);
    await page.locator('.plot-frame canvas').first().waitFor();
    await page.getByRole('tab', { name: 'Table' }).click();
    const rows = page.locator('.result tbody tr');
    await rows.first().waitFor();
    say({ timeseries: ['plot', await rows.count()] });

    await form('get_point_info');
    const map = page.locator('.map-frame').first();
    await map.locator('.land').first().waitFor({ state: 'attached' });
    await map.focus();
    await page.keyboard.press('Enter');
    await run(page);
    await over(page);
    say({ point: await shown.innerText() });

    await form('show_buttons');
    await run(page);
    await over(page);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      shown.getByRole('button', { name: 'Binary data to download' }).click(),
    ]);
    say({ button: (await readFile(await file.path())).toString() });
    say({ link: await shown.getByRole('link').first().getAttribute('href') });

    await form('erroring_test_function');
    await run(page);
    const problem = page.locator('.result .problem');
    await problem.waitFor();
    say({ failure: await problem.innerText() });
    say({ others, errors });
  },
);
