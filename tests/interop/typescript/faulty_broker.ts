/** A broker made by hand that fails at the worst moments. */

import { mock } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { failure } from './calls.js';
import { Client as OddClient } from './odd.js';
import { Client, ModuleError } from './reference.js';
import type { ClientOptions, WebSocketConstructor, WebSocketLike } from './reference.js';

/** A queue of items. */
class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  push(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    return item === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(item);
  }
}

interface Frame {
  messageId?: string;
  context?: string;
  payload: string;
  properties: Record<string, string | number>;
}

/** The sockets of producers and of consumers. */
const sockets = { producer: new Queue<Socket>(), consumer: new Queue<Socket>() };
let passes = true;

class Socket implements WebSocketLike {
  onopen: WebSocketLike['onopen'] = null;
  onmessage: WebSocketLike['onmessage'] = null;
  onerror: WebSocketLike['onerror'] = null;
  onclose: WebSocketLike['onclose'] = null;
  readonly sent = new Queue<Frame>();
  readonly closed = new Queue<string>();
  readonly url: string;
  readonly options: unknown;

  constructor(url: string, _protocols?: string[], options?: unknown) {
    this.url = url;
    this.options = options;
    const isConsumer = url.includes('typescript-client-');
    sockets[isConsumer ? 'consumer' : 'producer'].push(this);
    queueMicrotask(() => (passes ? this.onopen?.({}) : this.drop('no way in')));
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed.push(this.url);
    queueMicrotask(() => this.onclose?.({ code: 1000, reason: '' }));
  }

  drop(message: string): void {
    this.onerror?.({ message });
    this.onclose?.({ code: 1006, reason: '' });
  }

  /** Sends a frame to the client. */
  frame(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

/** Returns a client with its two sockets. */
async function connect(options: ClientOptions = {}) {
  return connected(new Client({ url: 'ws://h/ws/', topic: 't', WebSocket: Socket, ...options }));
}

async function connected<C extends { ping(): Promise<void> }>(client: C) {
  const call = failure(client.ping());
  const [producer, consumer] = await Promise.all([
    sockets.producer.next(),
    sockets.consumer.next(),
  ]);
  const ping = await producer.sent.next();
  producer.frame({ result: 'ok', context: ping.context, messageId: 'p' });
  return { client, producer, consumer, ping, call };
}

/** Returns the next request. Before it, the client may ask where a waiting call is. */
async function nextRequest(producer: Socket): Promise<Frame> {
  for (;;) {
    const frame = await producer.sent.next();
    if (frame.properties.messageType !== 'ping') return frame;
    producer.frame({ result: 'ok', context: frame.context });
  }
}

/** Returns the content of a request. */
function text({ payload }: Frame): string {
  return Buffer.from(payload, 'base64').toString();
}

/** Answers a request. */
function answer(
  consumer: Socket,
  { context }: Frame,
  payload: string,
  properties: object = {},
): void {
  const always = { messageType: 'response', requestContext: context, status: 'success' };
  const messageId = `answer to ${context}`;
  consumer.frame({ messageId, payload, properties: { ...always, ...properties } });
}

const base64 = (text: string, encoding: BufferEncoding = 'utf8') =>
  Buffer.from(text, encoding).toString('base64');
const seen: Record<string, unknown> = {};

{
  const { client, producer, consumer, ping } = await connect();
  const session = String(ping.properties.response_topic).slice(2);
  seen.session = /^[-\w]{22}$/.test(session);
  const urls = [producer.url, consumer.url].map((url) => url.replaceAll(session, '…'));
  seen.urls = urls;

  // The connection is lost before the receipt of the first request, but after that of the second.
  const first = client.echo({ data: 'ä 世' });
  const second = client.add({ a: 1 });
  const before = [await producer.sent.next(), await producer.sent.next()] as const;
  seen.request = [
    text(before[0]),
    typeof before[0].context,
    before[0].context === before[0].properties.requestContext,
  ];
  const { context } = before[1];
  producer.frame({ result: 'ok', context, messageId: '2' });
  producer.drop('gone');
  const producerAgain = await sockets.producer.next();
  const again = await producerAgain.sent.next();
  seen.again = [
    again.context === before[0].context,
    again.payload === before[0].payload,
    before[0].properties.x_dasf_repeated ?? null,
    again.properties.x_dasf_repeated,
  ];
  producerAgain.frame({ result: 'ok', context: again.context, messageId: '1' });
  const third = client.add({ a: 2 });
  const next = await producerAgain.sent.next();
  seen.next = text(next);
  answer(consumer, next, base64('4'));
  await third;

  // A response in fragments, which arrive in any order and more than once.
  const whole = base64(JSON.stringify('ä 世 🌍'));
  const cuts = [whole.slice(0, 3), whole.slice(3, 8), whole.slice(8)];
  const places = [2, 0, 0, 1, 1];
  for (const fragment of places)
    answer(consumer, again, cuts[fragment] ?? '', { fragment, num_fragments: '3' });
  seen.echo = await first;
  const acknowledged = [];
  for (const _ of [next, ...places]) acknowledged.push((await consumer.sent.next()).messageId);
  seen.acknowledged = acknowledged.slice(1).every((id) => id === `answer to ${again.context}`);

  // The client ignores messages for other clients.
  for (const foreign of [
    { source_topic: 'another' },
    { source_topic: 't', response_topic: 't_another' },
    { source_topic: 'another', messageType: 'pong' },
    { source_topic: 'another', messageType: 'fetch', response_topic: 'x' },
    { requestContext: '-1' },
  ]) {
    answer(consumer, before[1], base64('0'), foreign);
    await consumer.sent.next();
  }

  // A single fragment, and a response in Latin-1.
  const here = { source_topic: 't', response_topic: ping.properties.response_topic };
  answer(consumer, before[1], base64('5'), { fragment: 0, num_fragments: 1, ...here });
  seen.add = await second;
  const greet = client.greeter().greet({ name: 'x' });
  const request = await producerAgain.sent.next();
  answer(consumer, request, base64('"Gr\xfc\xdfe"', 'latin1'));
  seen.latin1 = await greet;

  // The client sends nothing while it cannot read responses.
  consumer.drop('gone');
  const waiting = client.add({ a: 3 });
  const consumerAgain = await sockets.consumer.next();
  seen.same_consumer = consumerAgain.url === consumer.url;
  const late = await producerAgain.sent.next();
  answer(consumerAgain, late, base64('9'));
  seen.waiting = await waiting;

  // Errors.
  const failing = client.fail({ msg: 'x' }).catch((error: unknown) => error);
  const info = { code: 'no_such_station', details: { name: 'ä' } };
  answer(consumerAgain, await producerAgain.sent.next(), base64('error executing request: gone'), {
    status: 'error',
    x_dasf_error: JSON.stringify(info),
  });
  const error = await failing;
  if (error instanceof ModuleError) {
    const { kind, message, reason, text, code, details } = error;
    seen.failed = [kind, message, reason, text, code, details];
  }
  const forbidden = client.fail({ msg: 'x' }).catch((error: unknown) => error);
  answer(consumerAgain, await producerAgain.sent.next(), base64('request not allowed: fail: no'), {
    status: 'error',
    x_dasf_error: '{"code": "not_allowed", "details": null}',
  });
  const notAllowed = await forbidden;
  if (notAllowed instanceof ModuleError)
    seen.not_allowed = [notAllowed.kind, notAllowed.message, notAllowed.reason, notAllowed.code];
  const refuse = async (receipt: (frame: Frame) => object) => {
    const call = failure(client.add({ a: 1 }));
    producerAgain.frame(receipt(await producerAgain.sent.next()));
    return call;
  };
  const sentence = 'User is not allowed to publish to this topic';
  const pulsar = { result: 'send-error:3', errorMsg: 'Failed to parse' };
  seen.refused = [
    await refuse(({ context }) => ({ context, result: sentence })),
    await refuse(({ context }) => ({ context, ...pulsar })),
  ];
  const unreadable = failure(client.echo({ data: 'x' }));
  answer(consumerAgain, await producerAgain.sent.next(), base64('{'));
  const broken = failure(client.echo({ data: 'x' }));
  answer(consumerAgain, await producerAgain.sent.next(), base64('1'), {
    fragment: 2,
    num_fragments: 2,
  });
  seen.unreadable = [(await unreadable)[0], await broken];

  // Payloads that are not base64.
  const reported = client.echo({ data: 'x' });
  const asked = await producerAgain.sent.next();
  answer(consumerAgain, asked, '%', { messageType: 'progress' });
  answer(consumerAgain, asked, base64('"after the report"'));
  const answers = [];
  for (const status of ['success', 'error']) {
    const call = failure(client.echo({ data: 'x' }));
    answer(consumerAgain, await producerAgain.sent.next(), '%', { status });
    answers.push(await call);
  }
  seen.no_base64 = [await reported, ...answers];
  await client.close();
}

{
  // The broker reports that nobody reads the topic.
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
  const { client, producer } = await connect();
  const refuse = (socket: Socket, { context }: Frame) =>
    socket.frame({ context, result: 'nobody', status: 404 });
  const refuseAll = async (socket: Socket, call: Promise<unknown>) => {
    const frames: Frame[] = [];
    for (;;) {
      const next = socket.sent.next();
      const frame = await Promise.race([call.then(() => undefined), next]);
      if (!frame) return { frames, next };
      frames.push(frame);
      refuse(socket, frame);
      mock.timers.tick(250);
    }
  };
  const unread = failure(client.add({ a: 1 }));
  const { frames } = await refuseAll(producer, unread);
  const isMarked = frames.some(({ properties }) => 'x_dasf_repeated' in properties);
  seen.unread = [await unread, frames.length, isMarked];

  // After a lost connection, a request has more time.
  producer.drop('gone');
  mock.timers.tick(100);
  const again = await sockets.producer.next();
  const unreadAgain = failure(client.add({ a: 2 }));
  const begun = Date.now();
  const { next } = await refuseAll(again, unreadAgain);
  const isLong = Date.now() - begun >= 10_000;
  seen.unread_after_loss = [(await unreadAgain)[0], isLong, Date.now() - begun < 11_000];

  // It waits for the next connection, and does not come after its end.
  const late = client.add({ a: 3 });
  refuse(again, await next);
  again.drop('gone');
  mock.timers.tick(250);
  const last = await sockets.producer.next();
  const frame = await last.sent.next();
  refuse(last, frame);
  seen.unread_marked = 'x_dasf_repeated' in frame.properties;
  const ended = failure(late);
  await client.close();
  mock.timers.tick(1_000);
  const none = new Promise(setImmediate).then(() => 'none');
  seen.unread_ended = [(await ended)[0], await Promise.race([last.sent.next(), none])];
  mock.timers.reset();
}

{
  // The client gives up a request that breaks the connection.
  const { client, producer } = await connect();
  const fatal = failure(client.add({ a: 1 }));
  let socket = producer;
  let times = 0;
  for (; times < 4; times++) {
    await socket.sent.next();
    socket.drop('gone');
    socket = await sockets.producer.next();
  }
  seen.fatal = await fatal;
  await client.close();
}

{
  // A large request, for a module with support of fragments and for one without.
  const data = '0123456789'.repeat(6);
  const unable = await connect({ maxPayloadSize: 40 });
  const refused = failure(unable.client.echo({ data }));
  answer(unable.consumer, await unable.producer.sent.next(), '', { api_info: '{}' });
  seen.too_large = await refused;
  await unable.client.close();

  const able = await connect({ maxPayloadSize: 40 });
  const sent = able.client.echo({ data });
  const question = await able.producer.sent.next();
  const api_info = JSON.stringify({ x_dasf: { version: 1, speaks: ['request_fragments'] } });
  answer(able.consumer, question, '', { api_info });
  const pieces = [];
  let last = question;
  for (let left = Infinity; left > 0; left--) {
    last = await able.producer.sent.next();
    if (left === Infinity) left = Number(last.properties.num_fragments);
    pieces.push(last.payload);
  }
  seen.pieces = pieces.map((piece) => piece.length);
  seen.joined = JSON.parse(Buffer.from(pieces.join(''), 'base64').toString());
  answer(able.consumer, last, base64('"done"'));
  seen.sent = await sent;
  await able.client.close();
}

{
  // A large request, for a module of a group that asks for it.
  const data = '0123456789'.repeat(6);
  const { client, producer, consumer } = await connect({ maxPayloadSize: 40 });
  const call = client.echo({ data });
  const api_info = JSON.stringify({ x_dasf: { version: 1, speaks: ['requests_on_demand'] } });
  answer(consumer, await producer.sent.next(), '', { api_info });
  const request = await producer.sent.next();
  const { x_dasf_on_demand, x_dasf_timeout_ms: _, ...routing } = request.properties;
  const ask = (response_topic: unknown) =>
    answer(consumer, request, '', { messageType: 'fetch', response_topic });
  const frames = async (socket: Socket, count: number) => {
    const sent = [];
    for (let left = count; left > 0; left--) sent.push(await socket.sent.next());
    return sent;
  };
  const whole = (sent: Frame[]) => {
    const payload = sent.map(({ payload }) => payload).join('');
    return JSON.parse(text({ ...request, payload }));
  };

  // No invalid topic becomes a part of a URL.
  for (const topic of ['', 'a/b', 'a?b', 'ä', 'a\n', 'a'.repeat(256), 7, null]) ask(topic);
  ask('ada');
  const ada = await sockets.producer.next();
  const first = await frames(ada, 3);
  const places = first.map(({ properties: { x_dasf_timeout_ms: _, ...properties } }) => properties);
  seen.asked = [
    [request.payload, x_dasf_on_demand, ada.url],
    places.every(({ fragment: _, num_fragments: __, ...properties }) =>
      isDeepStrictEqual(properties, routing),
    ),
    places.map(({ fragment, num_fragments }) => [fragment, num_fragments]),
    whole(first),
  ];

  // After a lost connection, the client does not repeat a frame with a receipt.
  ada.frame({ result: 'ok', context: request.context });
  ada.drop('gone');
  const adaAgain = await sockets.producer.next();
  const rest = await frames(adaAgain, 2);
  seen.asked_again = [adaAgain.url, rest.map(({ properties }) => properties.fragment)];

  // Another module takes over, and receives the whole payload.
  ask('bob');
  const bob = await sockets.producer.next();
  seen.taken_over = [await adaAgain.closed.next(), bob.url, whole(await frames(bob, 3))];
  for (let left = 3; left > 0; left--) bob.frame({ result: 'ok', context: request.context });
  const closed = [await bob.closed.next()];

  // The call goes on if the client cannot send the payload.
  ask('cyd');
  const cyd = await sockets.producer.next();
  cyd.frame({ result: 'send-error:3', errorMsg: 'full' });
  closed.push(await cyd.closed.next());
  ask('dan');
  let dan = await sockets.producer.next();
  for (let times = 0; times < 4; times++) {
    await frames(dan, 3);
    dan.drop('gone');
    dan = await sockets.producer.next();
  }
  closed.push(await dan.closed.next());

  // The client sends nothing after the end of the call.
  ask('eve');
  const eve = await sockets.producer.next();
  answer(consumer, request, base64('"done"'));
  closed.push(await eve.closed.next());
  const stopped = failure(client.echo({ data }));
  const last = await nextRequest(producer);
  answer(consumer, last, '', { messageType: 'fetch', response_topic: 'fay' });
  const fay = await sockets.producer.next();
  await client.close();
  closed.push(await fay.closed.next());
  seen.asked_in_vain = [await call, (await stopped)[0], closed];
}

/**
 * A module at a broker that keeps nothing. Each fragment makes the module busy, so the broker loses
 * the next message, although it sends a receipt.
 */
class BusyModule {
  /** The types of the lost messages, and the fragments that arrived. */
  readonly lost: unknown[] = [];
  readonly read: Frame[] = [];
  pings = new Queue<Frame>();
  /** The result of the receipt of a ping, and whether the module answers pings. */
  receipt = 'ok';
  answers = true;
  readonly #consumer: Socket;
  readonly #speaks: string;
  #isBusy = false;

  constructor(consumer: Socket, speaks: string) {
    this.#consumer = consumer;
    this.#speaks = speaks;
  }

  /** Reads everything that the client sends on a socket. */
  async serve(socket: Socket): Promise<void> {
    for (;;) {
      const frame = await socket.sent.next();
      const isPing = frame.properties.messageType === 'ping';
      socket.frame({ result: isPing ? this.receipt : 'ok', context: frame.context });
      this.#take(frame);
      if (isPing) this.pings.push(frame);
    }
  }

  #take(frame: Frame): void {
    const { messageType, x_dasf_on_demand, num_fragments } = frame.properties;
    // The call has ended; this module has answered it, or never will.
    if (messageType === 'cancel') return;
    if (messageType === 'api_info') {
      const api_info = JSON.stringify({ x_dasf: { version: 1, speaks: [this.#speaks] } });
      answer(this.#consumer, frame, '', { api_info });
    } else if (x_dasf_on_demand) {
      answer(this.#consumer, frame, '', { messageType: 'fetch', response_topic: 'inbox' });
    } else if (this.#isBusy) {
      this.#isBusy = false;
      this.lost.push(messageType);
    } else if (messageType === 'ping') {
      if (this.answers) answer(this.#consumer, frame, '', { messageType: 'pong' });
    } else {
      this.#isBusy = true;
      this.read.push(frame);
      const pieces = this.read.filter(({ context }) => context === frame.context);
      if (pieces.length < Number(num_fragments)) return;
      const payload = pieces.map((it) => it.payload).join('');
      const { data } = JSON.parse(text({ ...frame, payload }));
      answer(this.#consumer, frame, base64(JSON.stringify(data)));
    }
  }
}

/** Returns a client of a module at a Pulsar whose topics keep nothing. */
async function connectToBusy(speaks: string) {
  const options = { url: undefined, pulsar: {}, maxPayloadSize: 40, timeout: 5_000 };
  const made = await connect(options);
  const module = new BusyModule(made.consumer, speaks);
  void module.serve(made.producer);
  const echoes = async (data: string) =>
    (await made.client.echo({ data }).catch(({ name }: Error) => name)) === data;
  return { ...made, module, echoes };
}

const texts = ['0123456789', 'abcdefghij', '-'].map((part) => part.repeat(20));

{
  // Fragments of several calls reach a module that is busy with each of them.
  const { client, producer, module, echoes } = await connectToBusy('request_fragments');
  seen.in_turn = await Promise.all(texts.map(echoes));
  seen.lost = [...new Set(module.lost)];
  const marks = [module.read[0], await module.pings.next()];
  seen.marks = marks.map((frame) => frame?.properties.x_dasf_answers_pings ?? null);

  // A call that ends while the module does not answer makes way for the next one.
  module.answers = false;
  module.pings = new Queue();
  const aborter = new AbortController();
  const { length } = module.read;
  const aborted = failure(client.echo({ data: 'x'.repeat(100) }, { signal: aborter.signal }));
  const silent = await module.pings.next();
  const next = echoes('y'.repeat(100));
  aborter.abort('enough');
  module.answers = true;
  seen.next_in_turn = [await aborted, await next];
  const after = module.read.slice(length);
  seen.only_next = new Set(after.map(({ context }) => context)).size;

  // The connection is lost while the client waits for the module.
  module.answers = false;
  module.pings = new Queue();
  const interrupted = echoes('z'.repeat(100));
  const before = await module.pings.next();
  producer.drop('gone');
  const producerAgain = await sockets.producer.next();
  module.answers = true;
  void module.serve(producerAgain);
  const again = await module.pings.next();
  seen.ping_again = [await interrupted, before.context === again.context];
  seen.other_ping = silent.context === before.context;

  // The broker rejects a ping.
  module.receipt = 'no';
  seen.ping_refused = await failure(client.echo({ data: 'x'.repeat(100) }));
  module.receipt = 'ok';
  seen.after_refusal = await echoes('x'.repeat(100));
  await client.close();

  // A broker that keeps messages does not need this.
  const persistent = await connect({ url: undefined, pulsar: { persistence: 'persistent' } });
  const call = failure(persistent.client.add({ a: 1 }));
  const { properties } = await persistent.producer.sent.next();
  seen.marked_for_persistent = 'x_dasf_answers_pings' in properties;
  await persistent.client.close();
  await call;
}

{
  // A busy module of a group asks for the payloads of several calls.
  const { client, module, echoes } = await connectToBusy('requests_on_demand');
  const calls = Promise.all(texts.map(echoes));
  const late = await sockets.producer.next();
  for (const _ of texts.slice(1)) void module.serve(await sockets.producer.next());
  // No ping on another connection overtakes the fragment on a slow one.
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
  seen.overtaking = module.read.length;
  void module.serve(late);
  seen.held_in_turn = await calls;
  seen.held_lost = [...new Set(module.lost)];
  await client.close();
}

{
  // The client answers the pings of the module, on the topic that they name.
  mock.timers.enable({ apis: ['setTimeout'] });
  const { client, consumer } = await connect({ url: undefined, pulsar: {} });
  const ask = (response_topic: string, more: object = {}) => {
    const properties = { messageType: 'ping', requestContext: '7', source_topic: 't', ...more };
    consumer.frame({ messageId: 'm', payload: '', properties: { ...properties, response_topic } });
  };
  ask('m0', { source_topic: 'another' });
  ask('m0', { requestContext: { a: 1 } });
  ask('a/b');
  const asked = async (topic: string) => {
    ask(topic);
    const socket = await sockets.producer.next();
    return { socket, pong: await socket.sent.next() };
  };
  const first = await asked('m0');
  ask('m0', { requestContext: '8' });
  const { context } = await first.socket.sent.next();
  seen.pong = [first.socket.url.split('/').at(-1), first.pong, context];

  // It keeps some connections, and each of them for some time.
  const others = [];
  for (let number = 1; number <= 8; number++) others.push((await asked(`m${number}`)).socket);
  const closed = [await first.socket.closed.next()];
  mock.timers.tick(29_999);
  ask('m8');
  mock.timers.tick(1);
  for (const other of others.slice(0, 7)) closed.push(await other.closed.next());
  const last = await asked('m9');
  await client.close();
  for (const socket of [...others.slice(7), last.socket]) closed.push(await socket.closed.next());
  seen.pongs_closed = closed.map((url) => url.split('/').at(-1));
  mock.timers.reset();
}

{
  // Response topics have random names, and fit the database of the broker.
  const lengths: [number, number, number][] = [];
  for (const length of [4, 27, 28, 35, 41, 42]) {
    const topic = 'x'.repeat(length);
    const names = new Set<string>();
    const contexts = new Set<string>();
    for (let left = 20; left > 0; left--) {
      const { client, ping } = await connect({ topic });
      names.add(String(ping.properties.response_topic).slice(length + 1));
      contexts.add(String(ping.context));
      await client.close();
    }
    const sizes = new Set([...names].map((name) => (/^[-\w]+$/.test(name) ? name.length : 0)));
    lengths.push([length, names.size, Math.max(...sizes)]);
    if ([...contexts].some((it) => !(Number(it) < 2 ** 31))) lengths.push([0, 0, 0]);
    seen.contexts = contexts.size > 15;
  }
  seen.names = lengths;
}

{
  // Addresses and logins.
  const pulsar = await connect({
    url: undefined,
    pulsar: { tls: true, tenant: 'a b' },
    token: 'x+y',
  });
  const { url, options } = pulsar.producer;
  const consumer = pulsar.consumer.url.replace(/_[-\w]{22}\/typescript-client-[-\w]{22}/, '_…/…');
  seen.pulsar = [url, consumer, options];
  await pulsar.client.close();
  const dasf = await connect({ url: 'ws://h/ws?a=b', token: 'x', headers: { cookie: 'c' } });
  seen.dasf = [dasf.producer.url, dasf.producer.options];
  await dasf.client.close();
  Object.assign(globalThis, { WebSocket: Socket });
  const platform = await connect({ WebSocket: undefined, token: 'x+y' });
  seen.platform = [platform.producer.url, platform.producer.options ?? null];
  await platform.client.close();
  const refusals = [{ headers: { a: 'b' } }, { url: 'http://h' }, { topic: 'a b' }].map((options) =>
    failure((async () => new Client({ url: 'ws://h', ...options }))()),
  );
  seen.options = await Promise.all(refusals);

  // Hosts, and values from files.
  const urls = async (options: ClientOptions) => {
    const made = await connect({ url: undefined, ...options });
    await made.client.close();
    const { url, options: login } = made.producer;
    return [url, login ?? null];
  };
  seen.hosts = [
    await urls({ pulsar: { host: '::1' } }),
    await urls({ pulsar: { host: '[2001:db8::1]', port: 1 } }),
    await urls({ pulsar: { host: 'größe.example_1\n' } }),
    await urls({ url: 'ws://[::1]:8080/ws\r\n', token: 'x\n', headers: { a: 'b\n' } }),
  ];
  const mistakes: ClientOptions[] = [
    ...['', ' ', ' h', 'h/ws', 'fe80::1%eth0', '[h]', ':::', 'localhost:18080', 'ws://localhost'].map(
      (host) => ({ pulsar: { host } }),
    ),
    { pulsar: { host: 'me:secret@h' } },
    { pulsar: { host: 'a\nb' } },
    { pulsar: { port: 0 } },
    ...['ws://', 'ws://:80/ws', 'ws://::1:8080/ws', 'ws://h:port', 'ws://a b', 'h:80'].map((url) => ({
      url,
    })),
    { url: 'ws://me:secret@h/ws' },
    { url: 'http://me:secret@h/ws' },
    { url: 'ws://h', token: 'a\nb' },
    { url: 'ws://h', headers: { a: 'b\rc' } },
  ];
  seen.mistakes = [];
  for (const mistake of mistakes) {
    const said = await failure((async () => new Client({ WebSocket: Socket, ...mistake }))());
    (seen.mistakes as unknown[]).push(said[1]);
  }

  // No error contains the query of an address.
  const refuse = function (url: string) {
    throw new SyntaxError(`Invalid URL: ${url}`);
  } as unknown as WebSocketConstructor;
  const refused = async (url: string) => {
    const [name, text] = await failure(
      (async () => new Client({ url, topic: 't', WebSocket: refuse }).ping())(),
    );
    return [name, String(text).replace(/_[-\w]{22}\/typescript-client-[-\w]{22}/g, '_…/…')];
  };
  seen.queries = [
    await refused('ws://h/ws?token=x'),
    await refused('ws://h/ws'),
    await refused('ws://h:99999/ws?token=x'),
  ];
}

{
  // Results without properties that have defaults, and results of other types.
  const options = { url: 'ws://h/ws', topic: 't', WebSocket: Socket };
  const { client, producer, consumer } = await connected(new OddClient(options));
  const results = [
    { x: 1, more: [] },
    { x: 1, y: [], z: 'b', w: null },
    [1],
    { x: '1' },
    { y: [] },
    { x: 1, y: [{ x: 2.5 }] },
    { x: 1, z: 'c' },
  ];
  const read = [];
  for (const result of results) {
    const call = client.area({ points: [] });
    answer(consumer, await producer.sent.next(), base64(JSON.stringify(result)));
    read.push(await call.catch((error: Error) => error.message));
  }
  seen.read = read;
  await client.close();
}

{
  // A broker that sends no receipt has lost both connections.
  const { client, producer, consumer } = await connect();
  mock.timers.enable({ apis: ['setTimeout'] });
  const call = client.add({ a: 1 });
  await producer.sent.next();
  mock.timers.tick(19_000);
  await Promise.all([producer.closed.next(), consumer.closed.next()]);
  mock.timers.tick(5_000);
  const [again, consumerAgain] = await Promise.all([
    sockets.producer.next(),
    sockets.consumer.next(),
  ]);
  const repeated = await again.sent.next();
  again.frame({ result: 'ok', context: repeated.context });
  answer(consumerAgain, repeated, base64('3'));
  seen.without_receipt = [await call, repeated.properties.x_dasf_repeated];

  // A large message has the time that a slow link needs.
  const message = 'x'.repeat(400_000);
  const large = client.echo({ data: message }, { timeout: 600_000 });
  const sent = await nextRequest(again);
  mock.timers.tick(100_000);
  again.frame({ result: 'ok', context: sent.context });
  answer(consumerAgain, sent, base64('"large"'));
  seen.large = await large;
  mock.timers.reset();
  await client.close();
}

{
  // Calls that end before the client sends them use no memory afterwards.
  const { client, consumer } = await connect();
  passes = false;
  consumer.drop('gone');
  const aborter = new AbortController();
  const call = (options: object) => {
    const onProgress = () => {};
    const ended = failure(client.add({ a: 1 }, { ...options, onProgress }));
    return { ended, held: new WeakRef(onProgress) };
  };
  const calls = [call({ timeout: 10 }), call({ signal: aborter.signal })];
  aborter.abort('enough');
  for (const { ended } of calls) await ended;
  await new Promise((resolve) => setTimeout(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  seen.held = calls.map(({ held }) => held.deref() !== undefined);
  await client.close();
  passes = true;
  [sockets.producer, sockets.consumer] = [new Queue(), new Queue()];
}

{
  // Without a first connection, a call fails at once.
  passes = false;
  const client = new Client({ url: 'ws://h/ws', topic: 't', WebSocket: Socket });
  seen.no_connection = await failure(client.ping());
  passes = true;
  [sockets.producer, sockets.consumer] = [new Queue(), new Queue()];
  const call = client.add({ a: 1 });
  const [producer, consumer] = await Promise.all([
    sockets.producer.next(),
    sockets.consumer.next(),
  ]);
  answer(consumer, await producer.sent.next(), base64('3'));
  seen.connected_later = await call;
  await client.close();
}

console.log(JSON.stringify(seen));
