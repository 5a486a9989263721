/** Calls with one token after another. */

import { WebSocket } from 'ws';

import { failure } from './calls.js';
import { Client } from './reference.js';

const { url, topic, tokens } = JSON.parse(process.argv[2] ?? '');
const seen: unknown[] = [];
for (const token of tokens) {
  const client = new Client({ url, topic, token: token ?? undefined, WebSocket });
  seen.push(await client.add({ a: 1 }).catch((error) => failure(Promise.reject(error))));
  await client.close();
}
console.log(JSON.stringify({ seen }));
