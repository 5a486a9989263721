/** Calls the reference modules from the page of the gateway, as a person does. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { withBrowser } from './browser.mjs';
import { open, result, run, say, wanted, watch } from './page.mjs';

const execute = promisify(execFile);
await withBrowser(
  () => '',
  async (page) => {
    const { others, errors } = watch(page);
    for (const topic of wanted.topics) say({ [topic]: await calls(page, topic) });
    say({ others, errors });
  },
);

async function calls(page, topic) {
  const seen = {};
  await page.goto(wanted.page);
  const card = page.getByRole('link', { name: topic, exact: true });
  await card.waitFor();
  seen.listed = await card.isVisible();
  await card.click();
  await page.locator('.member-name').first().waitFor();
  seen.members = await page.locator('.member-name').allInnerTexts();

  await page.getByRole('link', { name: /^add/ }).click();
  const a = page.getByRole('textbox', { name: /^A\b/ });
  await a.waitFor();
  seen.default = await page.getByRole('textbox', { name: /^B\b/ }).inputValue();
  await run(page);
  seen.missing = await page.locator('.field .wrong').first().innerText();
  await a.fill('40');
  seen.add = await result(page);
  const code = page.locator('.code');
  await code.locator('summary').click();
  const snippet = async (language) => {
    await code.getByRole('tab', { name: language }).click();
    return code.locator('pre').innerText();
  };
  seen.curl = (await execute('bash', ['-c', await snippet('curl')])).stdout;
  seen.python = (await execute('python3', ['-c', await snippet('Python')])).stdout.trim();
  const typescript = ['--input-type=module', '--eval', await snippet('TypeScript')];
  seen.typescript = (await execute(process.execPath, typescript)).stdout.trim();

  await open(page, 'modules', topic, 'sqrt');
  await page.getByRole('textbox').fill('-1');
  seen.refused_by_form = await page.locator('.field .wrong').innerText();

  await open(page, 'modules', topic, 'hello');
  await page.getByRole('textbox').fill('Ada');
  await page.getByRole('combobox').selectOption('de');
  seen.hello = await result(page);

  await open(page, 'modules', topic, 'Greeter', 'greet');
  await page.getByRole('textbox', { name: /^Greeting/ }).fill('Yo');
  await page.getByRole('textbox', { name: /^Name/ }).fill('Ada');
  seen.greet = await result(page);

  await open(page, 'modules', topic, 'when');
  await page.locator('input[type=datetime-local]').fill('2028-02-28T12:30:00');
  seen.when = await result(page);

  await open(page, 'modules', topic, 'area');
  for (const index of [0, 1]) {
    await page.getByRole('button', { name: 'Add an item' }).click();
    await page.getByRole('textbox', { name: /^X\b/ }).nth(index).fill('0.5');
  }
  await page.getByRole('textbox', { name: /^Scale/ }).fill('0.5');
  await run(page);
  await page.locator('.result tbody tr').first().waitFor();
  seen.area = await page
    .locator('.result tbody tr')
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children, (cell) => cell.textContent)));

  await open(page, 'modules', topic, 'slow');
  seen.slow = await result(page);
  await page.locator('.steps summary').click();
  const steps = await page.locator('.steps .step').allInnerTexts();
  seen.steps = steps.map((step) => step.match(/step \d/)?.[0]);

  await open(page, 'modules', topic, 'fail');
  await page.getByRole('textbox').fill('no such dataset');
  await run(page);
  const problem = page.locator('.result .problem');
  await problem.waitFor();
  seen.fail = await problem.innerText();

  // A job goes on when its page is gone.
  await open(page, 'modules', topic, 'slow');
  await page.getByRole('button', { name: 'Run as a job' }).click();
  await page.locator('.job-id').waitFor();
  await page.goto('about:blank');
  await page.goto(`${wanted.page}#/jobs`);
  const job = page.locator('.job').first();
  await job.locator('.status.done').waitFor();
  seen.job_state = await job.locator('.status').innerText();
  await job.getByRole('link').click();
  const output = page.locator('.result output');
  await output.waitFor();
  seen.job = await output.innerText();
  return seen;
}
