/** The HTTP interface of the gateway. */

import { type Json, type JsonObject, isObject, parse } from './json';
import { type Problem, type Schema, text } from './schema';

export interface ModuleRow {
  topic: string;
  name?: string;
  version?: string;
  host?: string;
  since?: string | number;
  instances?: number;
  waiting?: number;
  running?: number;
  failures?: number;
  latency_ms?: number;
  description?: string;
}

export interface FunctionInfo {
  name: string;
  description?: string;
  parameters: Schema;
  returns?: Schema;
  reports_progress?: boolean;
  uiSchema?: JsonObject;
  response_type?: string;
}

export interface ClassInfo {
  name: string;
  description?: string;
  parameters: Schema;
  methods: FunctionInfo[];
}

export interface ModuleInfo {
  topic: string;
  name?: string;
  description?: string;
  version?: string;
  functions: FunctionInfo[];
  classes: ClassInfo[];
}

export type JobStatus = 'waiting' | 'delivered' | 'running' | 'done' | 'failed' | 'cancelled';

export interface JobInfo {
  id: string;
  topic?: string;
  status: JobStatus;
  percent?: number;
  report?: JsonObject;
}

/** A failure in words, from the gateway (RFC 9457) or from the connection to it. */
export class Failure extends Error {
  constructor(
    readonly title: string,
    readonly detail: string,
    readonly status: number,
    readonly errors: Problem[] = [],
    readonly more: JsonObject = {},
  ) {
    super(detail || title);
  }
}

const TOKEN = 'dasf-token';

/** The token stays in this tab, and is gone when the tab is closed. */
export function token(): string {
  return sessionStorage.getItem(TOKEN) ?? '';
}

export function setToken(value: string): void {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

/** Returns the address of a path. The gateway may be served below a folder of another server. */
export function address(...parts: string[]): string {
  return new URL(`api${parts.map((part) => `/${encodeURIComponent(part)}`).join('')}`, document.baseURI).href;
}

function headersOf(more: Record<string, string> = {}): Headers {
  const headers = new Headers(more);
  if (token()) headers.set('authorization', `Bearer ${token()}`);
  return headers;
}

async function send(url: string, options: RequestInit & { headers?: Headers }): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-store', ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw unreachable();
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

function unreachable(): Failure {
  return new Failure(
    'The gateway does not answer',
    'The connection failed. Check that the gateway runs and that you are online, then try again.',
    0,
  );
}

async function failureOf(response: Response): Promise<Failure> {
  let body: Json = null;
  const written = await response.text();
  try {
    body = parse(written);
  } catch {
    // A proxy in front of the gateway may answer with a page.
  }
  return problemOf(body, response.status);
}

/** What a status means, if the answer does not say it. */
const TITLES: Record<number, string> = {
  401: 'A token is needed',
  403: 'You may not do this',
  404: 'This does not exist',
  408: 'The time is over',
  413: 'The request is too large',
  422: 'The arguments do not fit',
  429: 'Too many requests',
  502: 'The module failed',
  503: 'Nobody listens',
  504: 'The time is over',
};

/** Reads a problem document. */
export function problemOf(body: Json, fallback: number): Failure {
  const problem = isObject(body) ? body : {};
  const status = typeof problem['status'] === 'number' ? problem['status'] : fallback;
  const listed = Array.isArray(problem['errors']) ? problem['errors'].filter(isObject) : [];
  const errors = listed.map((error) => ({
    path: text(error['path']) ?? '',
    detail: text(error['detail']) ?? text(error['message']) ?? 'this value is wrong',
  }));
  const { type: _, title, detail, status: _s, errors: _e, instance: _i, ...more } = problem;
  return new Failure(
    text(title) ?? TITLES[status] ?? 'The call failed',
    text(detail) ?? `The gateway answered with the status ${status}.`,
    status,
    errors,
    more,
  );
}

async function read(url: string, options: RequestInit = {}): Promise<Json> {
  const response = await send(url, { ...options, headers: headersOf({ accept: 'application/json' }) });
  return parse(await response.text());
}

export async function modules(signal?: AbortSignal): Promise<ModuleRow[]> {
  const body = await read(address(), signal ? { signal } : {});
  const rows = isObject(body) && Array.isArray(body['modules']) ? body['modules'] : [];
  return rows.filter(isObject).filter((row) => typeof row['topic'] === 'string') as unknown as ModuleRow[];
}

export async function describe(topic: string, signal?: AbortSignal): Promise<ModuleInfo> {
  const body = await read(address(topic), signal ? { signal } : {});
  const info = isObject(body) ? body : {};
  return { topic, functions: [], classes: [], ...info } as unknown as ModuleInfo;
}

/** An event of a call or a job that runs. */
export type CallEvent =
  | { kind: 'progress'; report: JsonObject }
  | { kind: 'place'; place: Json }
  | { kind: 'result'; value: Json; size: number }
  | { kind: 'problem'; failure: Failure };

/**
 * Runs a call and passes on its events. To abort `signal` closes the connection, and so the gateway
 * cancels the call.
 */
export async function run(
  path: string[],
  body: string,
  onEvent: (event: CallEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const headers = headersOf({
    accept: 'text/event-stream',
    'content-type': 'application/json',
    // A person decides when to give up.
    prefer: 'wait=86400',
  });
  await follow(address(...path), { method: 'POST', headers, body, signal }, onEvent);
}

/** Submits a call as a job, and returns the job's id. */
export async function submit(path: string[], body: string, key: string): Promise<JobInfo> {
  const headers = headersOf({
    accept: 'application/json',
    'content-type': 'application/json',
    prefer: 'respond-async',
    'idempotency-key': key,
  });
  const response = await send(address(...path), { method: 'POST', headers, body });
  const value = parse(await response.text());
  if (!isObject(value) || typeof value['id'] !== 'string') {
    throw new Failure('The job has no id', 'The gateway did not answer with the id of the job.', 0);
  }
  return value as unknown as JobInfo;
}

export async function job(id: string, signal?: AbortSignal): Promise<JobInfo> {
  return (await read(address('jobs', id), signal ? { signal } : {})) as unknown as JobInfo;
}

export async function followJob(
  id: string,
  onEvent: (event: CallEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const headers = headersOf({ accept: 'text/event-stream' });
  await follow(address('jobs', id, 'events'), { headers, signal }, onEvent);
}

export async function cancelJob(id: string): Promise<void> {
  await send(address('jobs', id, 'cancel'), { method: 'POST', headers: headersOf() });
}

export async function forgetJob(id: string): Promise<void> {
  await send(address('jobs', id), { method: 'DELETE', headers: headersOf() });
}

async function follow(
  url: string,
  options: RequestInit & { headers: Headers },
  onEvent: (event: CallEvent) => void,
): Promise<void> {
  const response = await send(url, options);
  // A gateway that answers without a stream has the result already.
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    const written = await response.text();
    onEvent({ kind: 'result', value: parse(written), size: written.length });
    return;
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  let ended = false;
  const emit = (event: RawEvent): void => {
    const typed = typedEvent(event);
    if (!typed) return;
    ended ||= typed.kind === 'result' || typed.kind === 'problem';
    onEvent(typed);
  };
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const event of events.read(value)) emit(event);
    }
  } catch (error) {
    // A problem in the stream is an answer, and a call that is given up has no failure.
    if (error instanceof Failure || (error instanceof DOMException && error.name === 'AbortError')) throw error;
    throw unreachable();
  }
  if (!ended) {
    throw new Failure(
      'The connection was lost',
      'The gateway closed the connection before the result came.',
      0,
    );
  }
}

export interface RawEvent {
  event: string;
  data: string;
}

/** Cuts an event stream into events. Parts of a line wait for the next piece. */
export class EventReader {
  #parts: string[] = [];
  #event = '';
  #data: string[] = [];

  read(piece: string): RawEvent[] {
    const events: RawEvent[] = [];
    const lines = piece.split('\n');
    const last = lines.pop() ?? '';
    for (const line of lines) {
      this.#parts.push(line);
      const whole = this.#parts.join('').replace(/\r$/, '');
      this.#parts = [];
      const event = this.#line(whole);
      if (event) events.push(event);
    }
    // The parts of a long line are joined once.
    if (last) this.#parts.push(last);
    return events;
  }

  #line(line: string): RawEvent | undefined {
    if (line === '') {
      const event = { event: this.#event || 'message', data: this.#data.join('\n') };
      const empty = this.#data.length === 0;
      this.#event = '';
      this.#data = [];
      return empty ? undefined : event;
    }
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    if (name === 'data') this.#data.push(value);
    return undefined;
  }
}

function typedEvent({ event, data }: RawEvent): CallEvent | undefined {
  let value: Json;
  try {
    value = parse(data);
  } catch {
    value = data;
  }
  switch (event) {
    case 'progress':
      return { kind: 'progress', report: isObject(value) ? value : {} };
    case 'place':
      return { kind: 'place', place: value };
    case 'result':
      return { kind: 'result', value, size: data.length };
    case 'problem':
      return { kind: 'problem', failure: problemOf(value, 502) };
    default:
      return undefined;
  }
}
