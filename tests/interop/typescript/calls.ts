/** Calls everything in the reference module, from Node.js and from a page. */

import { Client as OddClient } from './odd.js';
import { Client, ModuleError } from './reference.js';
import type { ClientOptions, Point, ProgressReport, PulsarAddress } from './reference.js';

/** The input of a run. */
export interface Wanted {
  url?: string;
  pulsar?: PulsarAddress;
  topic: string;
  /** The number of simultaneous calls. */
  calls: number;
}

/** Returns the class of the error with which a call rejects, and its message. */
export async function failure(call: Promise<unknown>): Promise<unknown[]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ModuleError) return [error.name, error.kind, error.message];
    return error instanceof Error ? [error.name, error.message] : ['', error];
  }
  throw new Error('the call did not fail');
}

/** Calls everything; returns the results by name. */
export async function callEverything(
  { url, pulsar, topic, calls }: Wanted,
  options: ClientOptions = {},
): Promise<Record<string, unknown>> {
  const client = new Client({ url, pulsar, topic, ...options });
  const odd = new OddClient({ url, pulsar, topic, ...options });
  const seen: Record<string, unknown> = {};

  await client.ping();
  const sum: number = await client.add({ a: 3 });
  seen.add = [sum, await client.add({ a: 3, b: -4 })];
  const hello: string = await client.hello({ name: 'Ada' });
  seen.hello = [hello, await client.hello({ name: 'Ada', lang: 'de' })];
  seen.sqrt = await client.sqrt({ a: 2.25 });
  const points: Point[] = [{ x: 1, y: 2.5 }, { x: -1 }];
  const area: Record<string, number> = await client.area({ points });
  const scaled = await client.area({ points, scale: 0.5 });
  seen.area = [area, scaled, await client.area({ points: [], scale: null })];
  const texts = ['', 'Grüße, ä 世 🌍 \0 "\\', '\x7f\x80\u2028\u{10ffff}'];
  seen.echo = [];
  for (const text of texts)
    (seen.echo as boolean[]).push((await client.echo({ data: text })) === text);
  seen.when = await client.when({ t: '2020-02-28T12:30:00+02:00' });
  await client.none();

  const greeter = client.greeter({ greeting: 'Yo' });
  seen.greet = [await greeter.greet({ name: '世' }), await client.greeter().greet({ name: 'Ada' })];
  const twice: string[] = await greeter.twice({ name: 'Bob' });
  seen.twice = [twice, await greeter.twice({ name: 'Bob', times: 1 })];

  const numbers = Array.from({ length: calls }, (_, index) => index);
  const sums = await Promise.all(numbers.map((a) => client.add({ a, b: 1 }, { timeout: 120_000 })));
  seen.at_once = sums.filter((sum, index) => sum === index + 1).length;

  // 5 MB, which arrive in fragments.
  const part = '0123456789'.repeat(10_000);
  const parts = await greeter.twice({ name: part, times: 50 });
  seen.large_result = parts.filter((text) => text === `Yo ${part}`).length;
  const large = 'ä'.repeat(600_000);
  seen.large_request = await client
    .echo({ data: large })
    .then((echo) => echo === large)
    .catch(({ name }: Error) => name);

  const reports: ProgressReport[] = [];
  seen.slow = await client.slow({ n: 2 }, { onProgress: (report) => reports.push(report) });
  const steps = reports.map(({ status, children }) => [
    status,
    children.map((step) => step.status),
  ]);
  seen.reports = [
    steps.at(-1),
    reports.at(-1)?.step_message,
    reports.at(-1)?.children[1]?.step_message,
  ];
  seen.running = steps.slice(0, -1).every(([status]) => status === 'running');

  seen.fail = await failure(client.fail({ msg: 'nö 世' }));
  seen.sqrt_of_negative = await failure(client.sqrt({ a: -1 }));
  seen.never = await failure(client.when({ t: 'never' }));
  seen.odd = await failure(odd.hello({ name: 'Ada' }));
  // Calls that end early come last: their reports delay those of other calls at a slow broker.
  seen.patient = await client.slow({ n: 80 }, { timeoutWithoutProgress: 3000 });
  // The call takes 1 s. Through a slow broker the first report needs more than 100 ms.
  seen.late = await failure(client.slow({ n: 60 }, { timeout: 2500 }));
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = failure(
    client.slow({ n: 20 }, { signal, onProgress: () => controller.abort('enough') }),
  );
  seen.aborted = [await aborted, await failure(client.add({ a: 1 }, { signal }))];
  const thrown = () => {
    throw new Error('by the handler');
  };
  seen.handler = await failure(client.slow({ n: 1 }, { onProgress: thrown }));

  // The compiler would reject these calls.
  const plain: any = client;
  seen.unknown = [
    await failure(plain.add({ a: 1, bb: 2 })),
    await failure(plain.add({ a: 1, zzz: 2 })),
    await failure(plain.add(1)),
    await failure(plain.greeter().greet({ nmae: 'Ada' })),
    await failure((async () => plain.greeter({ greting: 'Yo' }))()),
    await plain.add({ a: 1, bb: undefined }),
  ];

  const { functions } = (await client.apiInfo()) as { functions: { name: string }[] };
  seen.functions = functions.map(({ name }) => name);
  const pending = failure(client.slow({ n: 20 }));
  await Promise.all([client.close(), odd.close()]);
  seen.closed = [await pending, await failure(client.add({ a: 1 }))];
  return seen;
}

/** Calls that the compiler rejects. */
export function refused(client: Client): void {
  // @ts-expect-error `a` is required
  void client.add({});
  // @ts-expect-error `a` is a number
  void client.add({ a: '1' });
  // @ts-expect-error `c` is unknown
  void client.add({ a: 1, c: 2 });
  // @ts-expect-error `fr` is not a language of the module
  void client.hello({ name: 'Ada', lang: 'fr' });
  // @ts-expect-error the result is a number
  void client.add({ a: 1 }).then((sum: string) => sum);
  // @ts-expect-error a point has an `x`
  void client.area({ points: [{ y: 1 }] });
  // @ts-expect-error `name` is required
  void client.greeter().greet();
}
