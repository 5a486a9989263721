/** Calls everything from Node.js. */

import { WebSocket } from 'ws';

import { callEverything, failure } from './calls.js';
import { Client } from './reference.js';

const wanted = JSON.parse(process.argv[2] ?? '');
const seen = await callEverything(wanted, { WebSocket });

// No broker listens on this port. Then the platform has no WebSocket.
seen.nobody = await failure(new Client({ url: 'ws://127.0.0.1:1/ws', WebSocket }).add({ a: 1 }));
Reflect.deleteProperty(globalThis, 'WebSocket');
seen.no_sockets = await failure((async () => new Client({ url: wanted.url, pulsar: wanted.pulsar }))());
console.log(JSON.stringify(seen));
