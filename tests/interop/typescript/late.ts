/** Calls before the module listens, in step with the lines of the test. */

import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { WebSocket } from 'ws';

import { Client } from './reference.js';

const { url } = JSON.parse(process.argv[2] ?? '');
const lines = createInterface({ input: process.stdin });
const client = new Client({ url, topic: 'late', WebSocket });

console.log('calling');
console.log(await client.add({ a: 1 }));
// The broker restarts before the next line, without the module.
await once(lines, 'line');
console.log(await client.add({ a: 2 }));
await client.close();
lines.close();
