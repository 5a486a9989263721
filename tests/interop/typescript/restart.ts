/** Calls while the broker is away, in step with the test, which says so in lines. */

import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { WebSocket } from 'ws';

import { Client } from './reference.js';

const { url, topic } = JSON.parse(process.argv[2] ?? '');
const lines = createInterface({ input: process.stdin });
const client = new Client({ url, topic, WebSocket, timeout: 120_000 });

console.log(await client.add({ a: 1 }));
// The broker ends now, and comes back after the next line.
await once(lines, 'line');
const calls = [2, 3, 4].map((a) => client.add({ a }));
console.log('waiting');
console.log(JSON.stringify(await Promise.all(calls)));
console.log(await client.add({ a: 5 }));
await client.close();
lines.close();
