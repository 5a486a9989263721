/** Fills in a form with fields of all kinds, shows results of all kinds, and takes pictures of them. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withBrowser } from './browser.mjs';
import { inaccessible, open, over, run, say, wanted, watch } from './page.mjs';

const MODES = {
  'desktop-light': { width: 1200, height: 900, colorScheme: 'light' },
  'desktop-dark': { width: 1200, height: 900, colorScheme: 'dark' },
  'phone-light': { width: 390, height: 844, colorScheme: 'light' },
  'phone-dark': { width: 390, height: 844, colorScheme: 'dark' },
};

await withBrowser(
  () => '',
  async (page) => {
    const { others, errors } = watch(page);
    const tooWide = [];
    const problems = [];

    /** Takes a picture in each mode, and checks each: nothing is cut off, and everybody can use it. */
    async function pictures(name) {
      for (const [mode, { width, height, colorScheme }] of Object.entries(MODES)) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        // Plots follow the size of the page after a frame.
        await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
        const path = join(wanted.screenshots, `${name}-${mode}.png`);
        await page.screenshot({ path, fullPage: true, animations: 'disabled' });
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wider > 0) tooWide.push(`${name}-${mode}: ${wider}`);
        if (mode.endsWith('dark') === (width < 500)) problems.push(...(await inaccessible(page, `${name}-${mode}`)));
      }
      await page.setViewportSize({ width: 1200, height: 900 });
    }

    /** Opens the form of a function. */
    const form = (...names) => open(page, 'modules', wanted.topic, ...names);

    await page.goto(wanted.page);
    await page.getByRole('link', { name: wanted.topic, exact: true }).waitFor();
    await pictures('modules');
    await open(page, 'modules', wanted.topic);
    await page.locator('.member-name').first().waitFor();
    await pictures('module');

    await form('form');
    const field = (name) => page.locator(`[data-path="/${name}"]`);
    await field('window').getByRole('textbox').fill('400');
    await run(page);
    const wrong = async (name) => (await field(name).locator('.wrong').first().innerText()).trim();
    say({ wrong: { window: await wrong('window'), name: await wrong('gauge/name'), values: await wrong('values') } });
    await pictures('problems');
    await field('station').getByRole('combobox').selectOption('husum');
    await field('window').getByRole('textbox').fill('30');
    await field('since').locator('input').fill('2024-02-29');
    await field('values').getByRole('textbox').fill('1, 2.5\n4');
    await field('tags').getByRole('button', { name: 'Add an item' }).click();
    await field('tags').getByRole('textbox').fill('a');
    await field('gauge/name').getByRole('textbox').fill('Elbe');
    await field('shape').getByRole('combobox').selectOption('square');
    await field('shape').getByRole('textbox').fill('2');
    await field('flag').getByRole('checkbox').uncheck();
    // A file is dropped, as a person does it.
    const transfer = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array([1, 2, 3, 4, 5])], 'five.bin'));
      return transfer;
    });
    await field('file').locator('.file').dispatchEvent('drop', { dataTransfer: transfer });
    await field('file').getByText('five.bin').waitFor();
    await pictures('form');
    await run(page);
    await over(page);
    const download = async (button) => {
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: button }).click(),
      ]);
      return readFile(await file.path());
    };
    say({ form: JSON.parse(await download('Download JSON')) });

    await form('places');
    const maps = page.locator('.map-frame');
    await maps.nth(1).locator('.land').first().waitFor({ state: 'attached' });
    // The point by the keyboard, and the area by the mouse.
    await maps.nth(0).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('+');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Rectangle' }).click();
    await maps.nth(1).scrollIntoViewIfNeeded();
    const box = await maps.nth(1).boundingBox();
    await page.mouse.move(box.x + 120, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 180, box.y + 100, { steps: 4 });
    await page.mouse.move(box.x + 220, box.y + 140, { steps: 4 });
    await page.mouse.up();
    await pictures('map');
    await run(page);
    await over(page);
    await pictures('places');
    await page.getByRole('tab', { name: 'JSON' }).click();
    say({ places: JSON.parse(await download('Download JSON')) });

    for (const name of wanted.results.filter((name) => name !== 'places')) {
      await form(name);
      if (name === 'work') {
        await page.getByRole('textbox', { name: /^Steps/ }).fill('40');
        await run(page);
        await page.locator('.steps .step').nth(3).waitFor();
      } else {
        await run(page);
        await over(page);
        await page.locator('.plot-frame canvas, .map .land, .raster canvas, .image img, .result').first().waitFor();
        await page.waitForFunction(() => !document.body.textContent.includes('This view is being loaded'));
      }
      await pictures(name);
      if (name === 'work') {
        await page.getByRole('button', { name: 'Cancel' }).click();
        const status = page.getByText('The call was cancelled.');
        await status.waitFor();
        say({ cancelled: await status.innerText() });
      }
      if (name === 'table') {
        await page.getByRole('button', { name: 'level' }).click();
        say({ sorted: await page.locator('.result tbody td:nth-child(2)').allInnerTexts() });
        say({ csv: (await download('Download CSV')).toString() });
      }
      if (name === 'grid') say({ netcdf: (await download('Download grid.nc')).length });
      if (name === 'tree') say({ large: await page.locator('.json-number').last().innerText() });
      if (name === 'text' || name === 'markdown') {
        // What a module returns is text, so it cannot change the page.
        say({ title: (await page.title()) === 'broken' ? 'broken' : 'unbroken' });
      }
    }

    await form('work');
    await page.getByRole('textbox', { name: /^Steps/ }).fill('3');
    await page.getByRole('button', { name: 'Run as a job' }).click();
    await page.locator('.result output').waitFor();
    await pictures('job');
    await open(page, 'jobs');
    await page.locator('.job .status.done').waitFor();
    await pictures('jobs');

    // A reason of the gateway is shown at its field.
    await form('work');
    await page.route('**/api/*/work', (route) =>
      route.fulfill({
        status: 400,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          title: 'The arguments are not valid',
          status: 400,
          detail: 'work: steps: 42 is too many today',
          errors: [{ path: '/steps', detail: '42 is too many today' }],
        }),
      }),
    );
    await field('steps').getByRole('textbox').fill('42');
    await run(page);
    say({ refused_by_gateway: await wrong('steps') });

    // The token stays in the tab.
    await page.getByRole('button', { name: 'Token' }).click();
    await page.getByLabel('Your token at the broker').fill('secret');
    await page.getByRole('button', { name: 'Use' }).click();
    const kept = () => page.evaluate(() => [sessionStorage, localStorage].map((each) => JSON.stringify(each).includes('secret')));
    say({ token: await kept() });
    await page.evaluate(() => sessionStorage.clear());
    await open(page, 'modules', 'page-nobody');
    const problem = page.locator('.problem');
    await problem.first().waitFor();
    say({ missing_module: await problem.first().isVisible() });
    say({ too_wide: tooWide, inaccessible: problems, others, errors });
  },
);
