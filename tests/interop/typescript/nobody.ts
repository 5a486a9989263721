/** Calls a topic that nobody reads. */

import { WebSocket } from 'ws';

import { failure } from './calls.js';
import { Client, TimeoutError } from './reference.js';

const { url } = JSON.parse(process.argv[2] ?? '');
const client = new Client({ url, topic: 'nobody', WebSocket });
const seen: Record<string, unknown> = {};

const begun = Date.now();
const call = client.add({ a: 1 });
const calls = [call, client.ping(), client.apiInfo()];
seen.failures = await Promise.all(calls.map(failure));
seen.is_timeout = await call.catch((error: unknown) => error instanceof TimeoutError);
seen.is_soon = Date.now() - begun < 2_000;
await client.close();
console.log(JSON.stringify(seen));
