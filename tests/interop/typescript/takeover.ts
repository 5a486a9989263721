/** Sends a large request to modules, of which the first one crashes. */

import { WebSocket } from 'ws';

import { Client } from './readers.js';

const { url, topic } = JSON.parse(process.argv[2] ?? '');
const client = new Client({ url, topic, WebSocket, timeout: 120_000, maxPayloadSize: 1000 });
const measured = await client.measure({ text: 'x'.repeat(100_000) });
await client.close();
console.log(JSON.stringify({ measured }));
