/** Reads results with several variants, of a module that returns its arguments. */

import { WebSocket } from 'ws';

import { failure } from './calls.js';
import { Client } from './forms.js';
import type { Color, Event, Job2 as Job, Series } from './forms.js';

const { url, topic } = JSON.parse(process.argv[2] ?? '');
const client = new Client({ url, topic, WebSocket });
const bag = { name: 'b' };

// Known variants, and variants of a newer module.
const jobs: Job[] = [
  { name: 'a' },
  { name: 'a', kind: 'Sum' },
  { name: 'a', kind: 'Mean', window: 3 },
];
const colors: Color[] = ['Red', 'Violet'];
const events: Event[] = [
  { event: 'Rain', amount: 1 },
  { event: 'Hail', size: [1, 2] },
];
const series: Series = { name: 'a', 2001: 0.5, unit: 'm' };

const read = [];
for (const job of jobs) read.push(await client.job({ job }));
const others = { adjacent: { t: 'Hail', c: { size: 1 } }, outside: 'Hail' };
for (const [index, color] of colors.entries()) {
  const event = events[index] ?? { event: 'Calm' };
  read.push(await client.others({ color, event, ...others }));
}
read.push((await client.series({ series, bag }))[0]);

// A mistake in a known variant does not make it an unknown one. The error of a closed enum contains
// the value.
const event = { event: 'Rain', amount: 'much' };
const wrong = [
  await failure(client.others({ color: 'Red', event, ...others })),
  await failure(client.closed({ closed: { Oval: {} } as never })),
  await failure(client.job({ job: {} as never })),
];
await client.close();
console.log(JSON.stringify({ read, wrong }));
