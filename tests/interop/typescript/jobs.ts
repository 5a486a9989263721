/** Submits jobs and collects them: `generated_jobs.py` lists the actions. */

import { WebSocket } from 'ws';

import { failure } from './calls.js';
import { type Job, type ProgressReport, Client } from './work.js';

const { action, value, kind, ...place } = JSON.parse(process.argv[2] ?? '');
const client = new Client({ ...place, WebSocket, timeout: 120_000 });

function check(isRight: boolean, found?: unknown): void {
  if (!isRight) throw new Error(`unexpected: ${JSON.stringify(found)}`);
}

async function refused(call: Promise<unknown>, expected: string): Promise<string> {
  const [name, text] = (await failure(call)) as string[];
  check(name === expected, [name, text]);
  return text ?? '';
}

async function tryAll(gate: string): Promise<void> {
  const large: Job<string> = await client.submit.fill({ bytes: 100_000 }, { keep: 60_000 });
  const small = await client.submit.fill({ bytes: 10 }, { timeout: 120_000 });
  check((await large.result()).length === 100_000 && large.isNew);
  check((await small.result()) === '0123456789');
  check((await client.attach<string>(small.id).result()) === '0123456789');
  check((await small.status()).state === 'done');
  const failed = await client.submit.refuse({ text: 'no' });
  check((await refused(failed.result(), 'ModuleError')) === 'executing: no');
  const { state, error } = await failed.status();
  check(state === 'failed' && error?.reason === 'no', state);
  for (const id of ['7', 'other.other_a1b2c3d4.7']) {
    const attached = async () => client.attach(id);
    await refused(attached(), 'DasfError');
  }

  const waiting = await client.submit.wait({ gate });
  let report: ProgressReport | undefined;
  const reported = new Promise<void>((resolve) => {
    const onProgress = (it: ProgressReport) => {
      report = it;
      resolve();
    };
    waiting.result({ onProgress }).catch(() => {});
  });
  await reported;
  check(report?.step_message === 'wait', report);
  const text = await refused(waiting.result({ timeout: 10 }), 'TimeoutError');
  check(text.startsWith(`the job ${waiting.id} is not done after 10 ms`), text);
  const controller = new AbortController();
  const aborted = waiting.result({ signal: controller.signal });
  controller.abort(new Error('enough'));
  check((await refused(aborted, 'Error')) === 'enough');
  if (kind !== 'django') {
    await waiting.cancel();
    await refused(waiting.result(), 'JobCancelledError');
    check((await waiting.status()).state === 'cancelled');
  }
  await (await client.submit.open({ gate })).result();
  await small.forget();
  if (kind !== 'django') {
    for (const unknown of [small, client.attach(small.id)]) {
      await refused(unknown.status(), 'NoJobError');
      await refused(unknown.result(), 'NoJobError');
    }
    await giveUp(`${gate} again`, `${gate} never`);
  }
  const pending = (await client.submit.wait({ gate: `${gate} never` })).result();
  const closed = refused(pending, 'ConnectionError');
  await client.close();
  check((await closed) === 'the client is closed');
}

async function giveUp(key: string, gate: string): Promise<void> {
  for (let time = 0; time < 2; time++) {
    const job = await client.submit.fill({ bytes: 3 }, { key });
    check(job.isNew && (await job.result()) === '012');
    check(!(await client.submit.fill({ bytes: 4 }, { key })).isNew);
    await job.forget();
  }
  if (kind !== 'pulsar') return;
  const waiting = await client.submit.wait({ gate });
  let unknown: Promise<string> | undefined;
  await new Promise<void>((resolve) => {
    unknown = refused(waiting.result({ onProgress: () => resolve() }), 'NoJobError');
  });
  await client.attach(waiting.id).forget();
  await unknown;
}

if (action === 'try') {
  await tryAll(value);
} else if (action === 'submit') {
  const job = await client.submit.wait({ gate: value });
  console.log(job.id);
  await job.result();
} else if (action === 'key') {
  const job = await client.submit.fill({ bytes: 5 }, { key: value });
  console.log(`${job.id} ${job.isNew}`);
} else if (action === 'refused') {
  const options = value === '' ? {} : { key: value };
  console.log(await refused(client.submit.fill({ bytes: 5 }, options), 'RefusedError'));
} else if (action === 'collect') {
  console.log((await client.attach<string>(value).result()).length);
} else {
  console.log((await client.attach(value).status()).state);
}
await client.close();
