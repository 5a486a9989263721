/** Sends large requests to modules that share a topic. */

import { WebSocket } from 'ws';

import { Client } from './reference.js';

const { url, pulsar, topic, calls } = JSON.parse(process.argv[2] ?? '');
const client = new Client({
  url,
  // Pulsar keeps the requests of a group in persistent topics.
  pulsar: pulsar && { ...pulsar, persistence: 'persistent' },
  topic,
  WebSocket,
  timeout: 120_000,
  maxPayloadSize: 1000,
});

const texts = Array.from({ length: calls }, (_, index) => String(index).repeat(100_000));
const echoes = await Promise.all(texts.map((data) => client.echo({ data })));
const same = echoes.every((echo, index) => echo === texts[index]);
const small = await client.echo({ data: 'small' });
await client.close();
const left = process.getActiveResourcesInfo().filter((it) => /^(Timeout|TCP.*)$/.test(it));
console.log(JSON.stringify({ same, small, left }));
