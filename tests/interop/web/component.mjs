/** Uses the web component as a person does: reads the list, fills in forms, looks at results. */

import { say, wanted, withBrowser } from './browser.mjs';

function html(topic) {
  return `<!DOCTYPE html>
    <meta charset="utf-8">
    <title>${topic}</title>
    <dasf-module websocket-url="${wanted.websocket}" topic="${topic}"></dasf-module>
    <script type="module" src="/component.js"></script>`;
}

await withBrowser(html, async (page, ownPages) => {
  const pages = wanted.pages ?? ownPages;
  const component = page.locator('dasf-module');
  const errors = [];
  // Chromium requests an icon, which neither server has.
  await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });

  /** Opens the page of a topic; returns the name and the description of each member. */
  async function members(topic) {
    await page.goto(pages + (wanted.pages ? `${topic}/` : topic));
    const cards = component.locator('.MuiCardContent-root');
    await cards.first().waitFor();
    return cards.evaluateAll((cards) =>
      cards.map((card) => Array.from(card.children, (line) => line.textContent)),
    );
  }

  /** Goes to the form of a member, or of a method of the class that is open. */
  async function open(name) {
    const title = page.locator('.MuiTypography-h5', { hasText: new RegExp(`^${name}$`) });
    await component.locator('.MuiCardActionArea-root', { has: title }).click();
    await component.locator('form').first().waitFor();
  }

  /** Goes back to the list of members from any page. */
  async function back() {
    await component.getByRole('button', { name: 'All functions' }).first().click();
    await component.locator('form').first().waitFor({ state: 'detached' });
  }

  async function fill(fields) {
    for (const [name, value] of Object.entries(fields)) {
      await component.locator(`#root_${name}`).fill(value);
    }
  }

  async function submit() {
    await component.getByRole('button', { name: 'Submit' }).click();
  }

  /** Fills in the form and sends it; returns the output and its title. */
  async function call(fields) {
    await fill(fields);
    await submit();
    const output = component.locator('pre');
    await output.waitFor();
    const caption = await output.locator('xpath=preceding-sibling::div[1]').innerText();
    return { caption, value: JSON.parse(await output.innerText()) };
  }

  /** Like `call`, for a result that is an object or an array; returns the text of its view. */
  async function callForView(fields) {
    await fill(fields);
    await submit();
    const view = component.locator('.react-json-view');
    await view.waitFor();
    return view.innerText();
  }

  /** Saves a picture of the page after all animations. */
  async function picture(name) {
    const path = `${wanted.screenshots}-${name}.png`;
    await page.screenshot({ path, fullPage: true, animations: 'disabled' });
  }

  /** Records from now on each state of the progress bar: its text and its percentage. */
  async function watchProgress() {
    await page.evaluate(() => {
      window.progress = [];
      const look = () => {
        const bar = document.querySelector('[role=progressbar][aria-valuenow]');
        if (!bar) return;
        const text = document.querySelector('dasf-module').textContent.match(/Step \d+ of \d+/);
        const now = [text?.[0], Number(bar.getAttribute('aria-valuenow'))];
        const last = window.progress.at(-1);
        if (String(now) !== String(last)) window.progress.push(now);
      };
      const everything = { subtree: true, childList: true, characterData: true, attributes: true };
      new MutationObserver(look).observe(document.body, everything);
    });
  }

  async function progress() {
    return page.evaluate(() => window.progress);
  }

  say({ members: await members(wanted.reference) });
  await picture('members');

  await open('add');
  say({ argument: await component.getByText('The first number').innerText() });
  say({ default: await component.locator('#root_b').inputValue() });
  say({ add: await call({ a: '40' }) });
  say({ add_again: await call({ a: '40', b: '-1' }) });
  // The form accepts this integer, but it needs more than 64 bits.
  say({ invalid: await call({ a: '1e30' }) });
  await back();

  await open('sqrt');
  await fill({ a: '-1' });
  await submit();
  const refusal = component.locator('.MuiFormHelperText-root.Mui-error, .Mui-error li').first();
  await refusal.waitFor();
  say({ refused_by_form: await refusal.innerText() });
  await back();

  await open('fail');
  say({ fail: await call({ msg: 'no such dataset' }) });
  await back();

  await open('hello');
  await component.getByRole('combobox').click();
  await page.getByRole('option', { name: 'de' }).click();
  say({ hello: await call({ name: 'Ada' }) });
  await back();

  await open('when');
  say({ when: await call({ t: '2028-02-28T12:30' }) });
  await back();

  await open('area');
  for (const index of [0, 1]) {
    await component.getByRole('button', { name: 'Add Item' }).click();
    await fill({ [`points_${index}_x`]: '0.5' });
  }
  say({ area: await callForView({}) });
  await back();

  await open('Greeter');
  await open('greet');
  // The form of the constructor is unchanged.
  say({ greet_untouched: await call({ name: 'Ada' }) });
  await back();

  await open('Greeter');
  await fill({ greeting: 'Grüß Gott' });
  await open('greet');
  say({ greet: await call({ name: 'Ada' }) });
  await back();

  await open('slow');
  await watchProgress();
  say({ slow: await call({ n: '8' }) });
  say({ progress: await progress() });
  await component.getByRole('button', { name: 'Show details' }).click();
  const steps = component.locator('.MuiPaper-elevation3');
  await steps.nth(7).waitFor();
  say({ steps: await steps.allInnerTexts() });
  await picture('progress');
  await back();

  await open('echo');
  say({ echo: await call({ data: 'äöü ß ÿ' }) });
  say({ errors });
  // The client cannot encode characters above U+00FF. Only the console shows the error.
  const refused = page.waitForEvent('console', (message) => message.type() === 'error');
  await fill({ data: '世' });
  await submit();
  say({ refused_by_client: (await refused).text() });

  say({ words: await members(wanted.words) });
  await open('world');
  await watchProgress();
  say({ world: await call({ times: '2' }) });
  say({ world_progress: await progress() });
  await picture('words');
});
