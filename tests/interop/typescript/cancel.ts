/** Gives up calls that nobody answers. */

import { WebSocket } from 'ws';

import { failure } from './calls.js';
import { Client } from './reference.js';

const { url, topic } = JSON.parse(process.argv[2] ?? '');
const client = new Client({ url, topic, WebSocket });

const late = await failure(client.add({ a: 1 }, { timeout: 500 }));
const controller = new AbortController();
setTimeout(() => controller.abort('enough'), 500);
const aborted = await failure(client.add({ a: 2 }, { signal: controller.signal }));
await client.close();
console.log(JSON.stringify({ late: late[0], aborted: aborted[1] }));
