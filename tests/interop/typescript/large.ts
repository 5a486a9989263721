/** Sends large requests over topics that keep nothing. */

import { WebSocket } from 'ws';

import { Client } from './reference.js';

const { pulsar, topic, token, size, calls, group, timeout } = JSON.parse(process.argv[2] ?? '');
const client = new Client({ pulsar, topic, token, WebSocket, timeout });

const texts = Array.from({ length: calls }, (_, index) => String(index).repeat(size));
const echo = async (data: string) => (await client.echo({ data })) === data;
// The broker may drop large responses of several modules at the same time.
const send = async (name: string) =>
  (await client.greeter().twice({ name, times: 0 })).length === 0;
const seen = [await echo(texts[0] ?? ''), ...(await Promise.all(texts.map(group ? send : echo)))];
await client.close();
const left = process.getActiveResourcesInfo().filter((it) => /^(Timeout|TCP.*)$/.test(it));
console.log(JSON.stringify({ answered: seen.filter(Boolean).length, left }));
