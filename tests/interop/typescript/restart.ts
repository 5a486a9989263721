/** Calls while the broker is down, in step with the lines of the test. */

import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { WebSocket } from 'ws';

import { Client } from './reference.js';

const { url, topic } = JSON.parse(process.argv[2] ?? '');
const lines = createInterface({ input: process.stdin });
const client = new Client({ url, topic, WebSocket, timeout: 120_000 });

console.log(await client.add({ a: 1 }));
// The broker stops now, and restarts after the next line.
await once(lines, 'line');
const calls = [2, 3, 4].map((a) => client.add({ a }));
console.log('waiting');
console.log(JSON.stringify(await Promise.all(calls)));
console.log(await client.add({ a: 5 }));
await client.close();
lines.close();
