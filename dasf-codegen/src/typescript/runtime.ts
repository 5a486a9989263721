/** The address of a broker, the login, and the defaults of all calls. */
export interface ClientOptions {
  /** The base URL of a DASF broker, such as `ws://localhost:8080/ws`. Topics are paths below it. */
  url?: string | undefined;
  /** The address of an Apache Pulsar, in place of `url`. */
  pulsar?: PulsarAddress | undefined;
  /** The topic of the module; default: the topic in the module's description. */
  topic?: string | undefined;
  /**
   * The token for the login. With the option `WebSocket`, the client sends it in the header
   * `authorization`; without it in the URL as `?token=`, because the platform's `WebSocket` cannot
   * send headers. Pulsar reads both; the Django broker reads only the header.
   */
  token?: string | undefined;
  /** Headers of the handshake. They need the option `WebSocket`. */
  headers?: Record<string, string> | undefined;
  /**
   * A constructor of sockets to use in place of the platform's `WebSocket`. Node.js before version
   * 22 has none: use that of the package `ws`. It receives `{ headers }` as its third argument.
   */
  WebSocket?: WebSocketConstructor | undefined;
  /** How long a call waits for its response, in milliseconds; default 60,000. */
  timeout?: number | undefined;
  /**
   * The largest request that the client sends in one frame, in bytes; default 700 KiB. It sends a
   * larger request in fragments if the module supports this. If several modules share the topic, it
   * sends the fragments when one of them asks for them.
   */
  maxPayloadSize?: number | undefined;
  /** The largest response in fragments, in bytes of base64; default 256 MiB. */
  maxResponseSize?: number | undefined;
}

/** The address of an Apache Pulsar. */
export interface PulsarAddress {
  /** Default `localhost`. */
  host?: string | undefined;
  /** The HTTP port; default 8080. */
  port?: number | undefined;
  /** Default `non-persistent`. */
  persistence?: "persistent" | "non-persistent" | undefined;
  /** Default `public`. */
  tenant?: string | undefined;
  /** Default `default`. */
  namespace?: string | undefined;
  /** Whether to connect with TLS; default false. */
  tls?: boolean | undefined;
}

/** The options of one call. */
export interface CallOptions {
  /** How long to wait for the response, in milliseconds; default: the timeout of the client. */
  timeout?: number | undefined;
  /** The same, but the time restarts with each progress report. It replaces `timeout`. */
  timeoutWithoutProgress?: number | undefined;
  /** Cancels the call: it rejects with the signal's reason, and the module learns it. */
  signal?: Signal | undefined;
  /** Receives the progress reports. Each one contains the whole tree of steps. */
  onProgress?: ((report: ProgressReport) => void) | undefined;
}

/** The part of an `AbortSignal` that the client uses. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The progress of a call, or of one of its steps. */
export interface ProgressReport {
  /** A description of the step. */
  step_message: string;
  /** The state of the step. */
  status: "running" | "success" | "error";
  /** The number of steps below this one, as far as the module announced them. */
  steps: number;
  /** The steps below this one that have started. */
  children: ProgressReport[];
  /** The identifier of the step; `root` for the call itself. */
  report_id: string;
  /** The type of the report, `tree`. */
  report_type: string;
}

/** Return the part of the announced steps that is done, from 0 to 1. It is 1 for a report that ended. */
export function fraction(report: ProgressReport): number {
  if (report.status !== "running") return 1;
  const done = report.children.reduce((sum, step) => sum + fraction(step), 0);
  return Math.min(done / Math.max(report.steps, report.children.length, 1), 1);
}

/** The part of a `WebSocket` that the client uses. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(): void;
}

/** A constructor of sockets: the platform's `WebSocket`, or the one of the package `ws`. */
export type WebSocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => WebSocketLike;

/** A call that failed. The class of the error is the reason. */
export class DasfError extends Error {
  override readonly name: string = "DasfError";
}

/** A function has no argument of this name. The client sends no request. */
export class ArgumentError extends DasfError {
  override readonly name = "ArgumentError";
}

/**
 * The kind of a failure.
 *
 * - `validation`: the request does not match the module.
 * - `not_allowed`: the function is for users of some groups, and the caller is in none of them.
 * - `execution`: the function failed.
 * - `processing`: the module could not finish the call.
 * - `overflow`: the queue of the module is full.
 * - `put_aside`: the request ended the modules that ran it.
 */
export type FailureKind =
  | "validation"
  | "not_allowed"
  | "execution"
  | "processing"
  | "overflow"
  | "put_aside";

/** The module reported a failure. The message begins with its kind, as in `executing: …`. */
export class ModuleError extends DasfError {
  override readonly name = "ModuleError";
  /** The kind of the failure; undefined if the module did not send it. */
  readonly kind: FailureKind | undefined;
  /** The module's message, without the kind. */
  readonly reason: string;
  /** The code of the function's error, `not_allowed` or `put_aside`; undefined if it has none. */
  readonly code: string | undefined;
  /** The details of the function's error; undefined if it has none. */
  readonly details: unknown;
  /** The text that the module sent, such as `error executing request: …`. */
  readonly text: string;

  constructor(text: string, info: { code?: unknown; details?: unknown } = {}) {
    const [kind, prefix = "", verb = ""] = FAILURES.find((it) => text.startsWith(it[1])) ?? [];
    const reason = text.slice(prefix.length).replace(/^: /, "");
    super(verb && reason ? `${verb}: ${reason}` : text);
    this.kind = kind;
    this.reason = reason || (kind === "overflow" ? text : "");
    this.text = text;
    this.code = typeof info.code === "string" ? info.code : undefined;
    this.details = info.details ?? undefined;
  }
}

/** The kinds of failures: the beginning of the module's text, and the beginning of the message. */
const FAILURES: readonly (readonly [FailureKind, string, string])[] = [
  ["validation", "error validating request", "validating"],
  ["not_allowed", "request not allowed", "not allowed"],
  ["execution", "error executing request", "executing"],
  ["processing", "error processing request", "processing"],
  ["overflow", "request rejected due to queue overflow, try again later", ""],
  ["put_aside", "request put aside", "put aside"],
];

/** The broker rejected the request. The message contains the broker's reason. */
export class RefusedError extends DasfError {
  override readonly name = "RefusedError";
}

/**
 * No response arrived within the timeout. The module may be busy, or no module listens. The call
 * may still run.
 */
export class TimeoutError extends DasfError {
  override readonly name: string = "TimeoutError";
}

/**
 * The broker reports that no module listens on the topic. The client has sent the request again
 * before, because a module may start just now. A broker without such reports lets the call wait for
 * its timeout.
 */
export class NobodyListensError extends TimeoutError {
  override readonly name = "NobodyListensError";
}

/** There is no connection to the broker, or the client is closed. */
export class ConnectionError extends DasfError {
  override readonly name = "ConnectionError";
}

/** The request is too large for one frame, and the module does not support fragments. */
export class RequestTooLargeError extends DasfError {
  override readonly name = "RequestTooLargeError";
}

/**
 * The client cannot read the response, or the result does not have the declared type. The module
 * may have another version than this file.
 */
export class ResultError extends DasfError {
  override readonly name = "ResultError";
}

/** The part of the platform that this file uses. So it needs no types of the DOM or of Node.js. */
interface Platform {
  WebSocket?: WebSocketConstructor;
  URL?: new (url: string) => unknown;
  TextEncoder: new () => { encode(text: string): Uint8Array };
  TextDecoder: new (
    label: string,
    options: { fatal: boolean; ignoreBOM: boolean },
  ) => { decode(bytes: Uint8Array): string };
  atob(base64: string): string;
  btoa(binary: string): string;
  setTimeout(run: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
  crypto?: {
    getRandomValues(bytes: Uint8Array): Uint8Array;
    subtle?: { digest(algorithm: string, data: Uint8Array): Promise<ArrayBuffer> };
  };
}
const platform = globalThis as unknown as Platform;

/** Encodes bytes as base64, for an argument in base64. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return platform.btoa(binary);
}

/** Decodes bytes from base64, for a result in base64. */
export function fromBase64(base64: string): Uint8Array {
  const binary = platform.atob(base64);
  // `Uint8Array.from` would first make a list of all characters.
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** Decodes a payload as UTF-8, or as Latin-1 if it is not UTF-8. */
function payloadText(payload: string): string {
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(payload);
  } catch {
    throw new ResultError("cannot read the result: it is not base64");
  }
  try {
    const decoder = new platform.TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes);
  } catch {
    return platform.atob(payload);
  }
}

/** Returns random bytes. Without `crypto`, as in Node.js before 19, others can predict them. */
function randomBytes(length: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, () => Math.floor(Math.random() * 256));
  return platform.crypto?.getRandomValues(bytes) ?? bytes;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses JSON; returns undefined if the text is not JSON. */
function parse(text: unknown): unknown {
  try {
    return typeof text === "string" ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** A frame of the broker: a delivery or a receipt. */
interface Frame {
  messageId?: unknown;
  payload?: unknown;
  properties?: unknown;
  context?: unknown;
  result?: unknown;
  errorMsg?: unknown;
  status?: unknown;
}

/** The properties of a message. */
interface Properties {
  messageType?: unknown;
  requestContext?: unknown;
  response_topic?: unknown;
  source_topic?: unknown;
  status?: unknown;
  fragment?: unknown;
  num_fragments?: unknown;
  api_info?: unknown;
  x_dasf_timeout_ms?: unknown;
  x_dasf_restart_ms?: unknown;
  x_dasf_position_of?: unknown;
  x_dasf_position?: unknown;
  x_dasf_runs_ms?: unknown;
  x_dasf_repeated?: unknown;
  x_dasf_on_demand?: unknown;
  x_dasf_answer?: unknown;
  x_dasf_answers_pings?: unknown;
  x_dasf_error?: unknown;
  x_dasf_job?: unknown;
  x_dasf_keep_s?: unknown;
  x_dasf_job_state?: unknown;
  x_dasf_reader?: unknown;
}

/** The checks of a value. */
type Shape =
  | "any"
  | "null"
  | "boolean"
  | "integer"
  | "number"
  | "string"
  | { literal: readonly unknown[] }
  | { besides: readonly string[] }
  | { nullable: Shape }
  | { list: Shape }
  | { tuple: readonly Shape[] }
  | { map: Shape }
  | { union: readonly Shape[] }
  | { object: readonly Property[]; rest?: Shape }
  | { named: string };

/** A property: required, optional, or with a default. */
type Property = { name: string; shape: Shape; optional?: true; default?: unknown };

/** The shapes of the named types. */
type Shapes = Readonly<Record<string, Shape>>;

/** Checks a value; returns a copy in which missing properties have their defaults. */
function read(shape: Shape, value: unknown, path: string, shapes: Shapes): unknown {
  const refuse = (reason: string): never => {
    throw new ResultError(`cannot read ${path}: ${reason}`);
  };
  const wrong = (expected: string): never => {
    const list = Array.isArray(value) ? "a list" : "an object";
    const found = value === null ? "null" : typeof value === "object" ? list : `a ${typeof value}`;
    return refuse(`expected ${expected}, found ${found}`);
  };
  if (typeof shape === "string") {
    const fits =
      shape === "any" ||
      (shape === "null" && value === null) ||
      (shape === "integer" && Number.isInteger(value)) ||
      typeof value === shape;
    if (fits) return value;
    return wrong(shape === "null" ? shape : `${shape === "integer" ? "an" : "a"} ${shape}`);
  }
  const items = (shapeAt: (index: number) => Shape): unknown[] => {
    if (!Array.isArray(value)) return wrong("a list");
    return value.map((item, index) => read(shapeAt(index), item, `${path}[${index}]`, shapes));
  };
  if ("named" in shape) return read(shapes[shape.named] ?? "any", value, path, shapes);
  if ("nullable" in shape) return value === null ? null : read(shape.nullable, value, path, shapes);
  if ("literal" in shape) {
    return shape.literal.includes(value) ? value : wrong(`one of ${JSON.stringify(shape.literal)}`);
  }
  if ("besides" in shape) {
    if (typeof value !== "string") return wrong("a string");
    const isKnown = shape.besides.includes(value);
    return isKnown ? refuse(`${JSON.stringify(value)} belongs to another variant`) : value;
  }
  if ("list" in shape) return items(() => shape.list);
  if ("tuple" in shape) {
    const { tuple } = shape;
    if (!Array.isArray(value)) return wrong("a list");
    if (value.length !== tuple.length) {
      return refuse(`expected ${tuple.length} values, found ${value.length}`);
    }
    return items((index) => tuple[index] ?? "any");
  }
  if ("union" in shape) {
    for (const variant of shape.union) {
      try {
        return read(variant, value, path, shapes);
      } catch {
        // Another variant may match.
      }
    }
    return refuse(`${excerpt(value)} has none of the declared types`);
  }
  if (!isObject(value)) return wrong("an object");
  const rest = "map" in shape ? shape.map : (shape.rest ?? "any");
  const known = "map" in shape ? [] : shape.object;
  const properties = new Map(known.map((property) => [property.name, property]));
  const entries = Object.entries(value).map(([key, item]) => {
    const property = properties.get(key);
    properties.delete(key);
    return [key, read(property?.shape ?? rest, item, `${path}.${key}`, shapes)] as const;
  });
  for (const [key, property] of properties) {
    // A copy, because the caller may change the result.
    if ("default" in property) entries.push([key, parse(JSON.stringify(property.default))]);
    else if (!property.optional) refuse(`the property ${JSON.stringify(key)} is missing`);
  }
  return Object.fromEntries(entries);
}

/** The first 100 characters of a value's JSON, for error messages. */
function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/**
 * Returns the arguments of a function or a class. Throws an `ArgumentError` if one of their names is
 * unknown.
 *
 * @internal
 */
export function known<T extends object | undefined>(
  of: string,
  args: T,
  names: readonly string[],
): T {
  const given: unknown = args ?? {};
  if (!isObject(given)) {
    const example = names.map((name) => `${name}: …`).join(", ");
    throw new ArgumentError(`${of} takes its arguments as one object: { ${example} }`);
  }
  const isUnknown = (name: string) => given[name] !== undefined && !names.includes(name);
  const unknown = Object.keys(given).find(isUnknown);
  if (unknown === undefined) return args;
  const meant = closest(unknown, names);
  const hint =
    meant === undefined
      ? `its arguments are ${names.join(", ")}`
      : `did you mean ${JSON.stringify(meant)}?`;
  throw new ArgumentError(`${of} has no argument ${JSON.stringify(unknown)}; ${hint}`);
}

/** Returns the name that is most similar to another; undefined if none is similar. */
function closest(name: string, names: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const distances = names.map((it) => [distance(wanted, it.toLowerCase()), it] as const);
  const [least, meant = ""] = distances.sort(([one], [other]) => one - other)[0] ?? [];
  const length = Math.max(name.length, meant.length);
  const isSimilar = least !== undefined && least < length && least <= Math.max(1, length / 3);
  return isSimilar ? meant : undefined;
}

/** The number of characters to insert, delete, replace or swap to get from one text to another. */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let start = 0; start < from.length; start++) {
    const next = [start + 1];
    for (let end = 0; end < to.length; end++) {
      const replaced = (row[end] ?? 0) + (from[start] === to[end] ? 0 : 1);
      const isSwapped = from[start] === to[end - 1] && from[start - 1] === to[end];
      const swapped = isSwapped ? (before[end - 1] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[end + 1] ?? 0) + 1, (next[end] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[to.length] ?? 0;
}

/** The timeout of a socket's handshake, in milliseconds. */
const CONNECT_LIMIT = 30_000;
/**
 * The timeout of a receipt, in milliseconds. Without one the connection counts as lost. A WebSocket
 * of a browser cannot ping, so only receipts show that the broker lives.
 */
const RECEIPT_LIMIT = 18_000;
/** The slowest link, in bytes per millisecond, over which a message must pass in its timeout. */
const SLOWEST_LINK = 4;
/** The timeout of closing a socket, in milliseconds. */
const CLOSE_LIMIT = 5_000;
/** The maximum number of messages without a receipt. The client sends no more before a receipt. */
const UNRECEIPTED_LIMIT = 256;
/** The number of losses of the connection after which the client gives a message up. */
const MAX_LOSSES = 4;
/** The status of the receipt for a request to a topic that nobody reads. */
const NOBODY_LISTENS = 404;
/** How long the client sends such a request again, in milliseconds: a module may start just now. */
const START_LIMIT = 700;
/**
 * How long it does so after a lost connection, in milliseconds. A broker that was started again
 * knows no topics, and the module connects again, too.
 */
const RETURN_LIMIT = 10_000;
/** The shortest wait before it does so, in milliseconds. */
const SHORTEST_UNREAD = 50;
/** The longest wait before it does so, in milliseconds. */
const LONGEST_UNREAD = 250;
/** How long a cancellation waits for a connection after the time of its call, in milliseconds. */
const CANCEL_TIME = 10_000;
/** After so many milliseconds without a response, the client asks where a call is. */
const QUIET = 1_000;
/** So many milliseconds before its timeout, it asks again. */
const BEFORE_END = 2_000;
/** An answer that did not come within so many milliseconds does not come. */
const ANSWER_TIME = 200;
/** How long the client waits for a pong before it pings the module again, in milliseconds. */
const PING_AGAIN = 250;
/** How long a connection for pongs stays open without a ping, in milliseconds. */
const KEEP_ALIVE = 30_000;
/** The maximum number of connections for pongs. */
const PONG_CONNECTION_LIMIT = 8;
/** The maximum number of topics for which the client remembers whether their reader is busy. */
const WINDOW_LIMIT = 256;
/** The maximum number of responses to one call that come in fragments at the same time. */
const ANSWERS_LIMIT = 4;
/** The longest duration of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;
/** The longest topic that the databases of all brokers store, in characters. */
const TOPIC_LIMIT = 50;
/** The random part of a response topic has no `_`: it comes after the last one. */
const NAME_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** The databases of all brokers store call numbers below this limit. */
const CONTEXT_LIMIT = 2 ** 31;

/** The purpose of a socket: its address, and the handlers of its events. */
interface Purpose {
  open(): WebSocketLike;
  heard(frame: Frame): void;
  opened(): void;
  lost(reason: string): void;
  /** Called before `lost` if the broker sends no receipt. */
  silent?(reason: string): void;
}

/** A socket that reconnects when its connection is lost. */
class Link {
  /** The reason why there is no connection; undefined while there is one. */
  failure: string | undefined = "the connection is not open yet";
  /** When a lost connection came back, in milliseconds; 0 before. */
  reconnectedAt = 0;
  readonly #purpose: Purpose;
  #socket: WebSocketLike | undefined;
  #timer: unknown;
  #failures = 0;
  #openedAt = 0;
  /** Whether the last connection carried a frame of the broker. */
  #wasUseful = false;
  #stopped: (() => void) | undefined;
  /** The sizes of the messages without a receipt. */
  #unreceipted: number[] = [];
  #receiptTimer: unknown;

  constructor(purpose: Purpose) {
    this.#purpose = purpose;
    this.#connect();
  }

  #connect(): void {
    let socket: WebSocketLike;
    let reason = "";
    try {
      socket = this.#socket = this.#purpose.open();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#timer = platform.setTimeout(() => this.lose(reason), 0);
      return;
    }
    this.#timer = platform.setTimeout(
      () => this.lose(`no handshake within ${CONNECT_LIMIT} ms`),
      CONNECT_LIMIT,
    );
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      platform.clearTimeout(this.#timer);
      this.failure = undefined;
      const now = Date.now();
      if (this.#openedAt > 0) this.reconnectedAt = now;
      this.#openedAt = now;
      this.#purpose.opened();
    };
    socket.onmessage = (event) => {
      const frame = parse(event.data);
      if (socket !== this.#socket || !isObject(frame)) return;
      this.#wasUseful = true;
      const { result }: Frame = frame;
      // Brokers send receipts in order.
      if (typeof result === "string" && this.#unreceipted.length > 0) {
        this.#unreceipted.shift();
        this.#awaitReceipt();
      }
      this.#purpose.heard(frame);
    };
    socket.onerror = (event) => (reason = event.message ?? "");
    socket.onclose = (event) => {
      reason ||= `closed with code ${event.code}${event.reason ? `, ${event.reason}` : ""}`;
      if (socket === this.#socket) this.lose(reason);
      else this.#stopped?.();
    };
  }

  /** Sends a frame without a receipt. */
  send(frame: object): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** Sends a message. The connection is lost if its receipt does not come. */
  publish(frame: object): void {
    const text = JSON.stringify(frame);
    this.#socket?.send(text);
    if (this.#unreceipted.push(text.length) === 1) this.#awaitReceipt();
  }

  /** Waits for the next receipt. Only the oldest message counts, which the broker reads first. */
  #awaitReceipt(): void {
    platform.clearTimeout(this.#receiptTimer);
    const [size] = this.#unreceipted;
    if (size === undefined) return;
    const limit = RECEIPT_LIMIT + Math.ceil(size / SLOWEST_LINK);
    this.#receiptTimer = platform.setTimeout(() => {
      const reason = `no receipt within ${limit} ms`;
      this.#purpose.silent?.(reason);
      this.lose(reason);
    }, limit);
  }

  #forgetReceipts(): void {
    platform.clearTimeout(this.#receiptTimer);
    this.#unreceipted = [];
  }

  /** Drops the socket for this reason, and reconnects after a wait. */
  lose(reason: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    platform.clearTimeout(this.#timer);
    this.#forgetReceipts();
    // A connection that the broker accepts and drops at once counts as a failure.
    const isLasting = this.failure === undefined && Date.now() - this.#openedAt >= 5_000;
    if (isLasting || this.#wasUseful) this.#failures = 0;
    this.#wasUseful = false;
    this.failure = reason;
    const longest = Math.min(100 * 2 ** this.#failures++, 5_000);
    const wait = longest * (0.5 + Math.random() / 2);
    this.#timer = platform.setTimeout(() => this.#connect(), wait);
    this.#purpose.lost(reason);
  }

  /** Closes the socket without a reconnect; resolves when it is closed. */
  async stop(): Promise<void> {
    platform.clearTimeout(this.#timer);
    this.#forgetReceipts();
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    await new Promise<void>((resolve) => {
      this.#timer = platform.setTimeout(resolve, CLOSE_LIMIT);
      this.#stopped = resolve;
      socket.close();
    });
    platform.clearTimeout(this.#timer);
  }
}

/** A message to a module. */
interface Sendable {
  readonly payload: string;
  readonly properties: Properties;
  /** The time until which the caller waits; undefined in a pong. */
  readonly deadline: number | undefined;
  /** Called when the broker has accepted the message. */
  accepted: (() => void) | undefined;
}

/** A message of a call. */
interface Outgoing extends Sendable {
  readonly call: Call;
  /** The number of losses of the connection while this was the first message without a receipt. */
  losses: number;
}

function outgoing(call: Call, payload: string, properties: Properties): Outgoing {
  const { deadline } = call;
  return { call, payload, properties, deadline, accepted: undefined, losses: 0 };
}

function isCancellation({ properties }: Outgoing): boolean {
  return properties.messageType === "cancel";
}

/** Returns the frame of a message that is sent now. */
function frameOf({ payload, properties, deadline }: Sendable): object {
  if (deadline !== undefined) properties.x_dasf_timeout_ms = Math.max(0, deadline - Date.now());
  return { payload, context: properties.requestContext, properties };
}

/** Returns what the answer to a question for a call says. */
function whereabouts({ x_dasf_runs_ms, x_dasf_position }: Properties): string {
  // Pulsar sends the numbers as strings.
  const [runs, before] = [Number(x_dasf_runs_ms ?? NaN), Number(x_dasf_position ?? NaN)];
  if (Number.isFinite(runs)) return `the module runs it, for ${(runs / 1000).toFixed(1)} s so far`;
  if (before === 0) return "it waits, and is the next one";
  if (before === 1) return "it waits, and 1 other call before it";
  if (Number.isFinite(before)) return `it waits, and ${before} other calls before it`;
  return "a module listens there, so the call waits or runs, and may still end";
}

/** Returns whether a value is the name of a topic, which may become a part of a URL. */
function isTopicName(topic: unknown): topic is string {
  return typeof topic === "string" && /^[-\w]{1,255}$/.test(topic);
}

/** Puts an entry at the end of a map. Removes the first entry beyond the limit, and returns it. */
function putLast<T>(map: Map<string, T>, key: string, value: T, limit: number): T | undefined {
  map.delete(key);
  map.set(key, value);
  if (map.size <= limit) return undefined;
  for (const [first, removed] of map) {
    map.delete(first);
    return removed;
  }
  return undefined;
}

/** The way of a call's messages to a reader. */
interface SendWay {
  /** Resolves with false when the call needs it no longer. */
  readonly closed: Promise<false>;
  isClosed(): boolean;
  /** Sends a message; resolves with true when the broker has accepted it. */
  send(message: Outgoing): Promise<boolean>;
}

/**
 * Limits how far the senders of fragments to one topic are ahead of its reader. All senders share
 * it, because the broker drops a message that arrives while the reader is busy with another one.
 */
class SendWindow {
  #isUnread = false;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Sends a fragment when the reader has read the one before; `caughtUp` asks it. Resolves with true
   * when the broker has accepted the fragment, and with false if the way closes before.
   */
  send(way: SendWay, message: Outgoing, caughtUp: () => Promise<boolean>): Promise<boolean> {
    const turn = this.#last.then(async () => {
      if (way.isClosed() || (this.#isUnread && !(await caughtUp()))) return false;
      this.#isUnread = true;
      // A ping over another connection must not overtake the fragment.
      return Promise.race([way.send(message), way.closed]);
    });
    this.#last = turn;
    return turn;
  }
}

/** Sends messages to the topic of a module, on a separate connection. */
class TopicSender implements SendWay {
  readonly closed: Promise<false>;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  /** Why the broker has refused a message. */
  refusal: string | undefined;
  readonly #link: Link;
  readonly #keepAlive: number | undefined;
  /** The messages without a receipt. The first ones are on the way. */
  readonly #messages: Sendable[] = [];
  #onTheWay = 0;
  #connections = 0;
  #timer: unknown;
  #isClosed = false;
  #close: (isOpen: false) => void = () => {};
  #end: () => void = () => {};

  /** Opens a connection. With `keepAlive`, it ends after so many milliseconds without a message. */
  constructor(open: () => WebSocketLike, keepAlive?: number) {
    this.closed = new Promise((resolve) => (this.#close = resolve));
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.#keepAlive = keepAlive;
    this.#link = new Link({
      open,
      opened: () => {
        if (++this.#connections > MAX_LOSSES) return this.stop();
        for (const { properties } of this.#messages.slice(0, this.#onTheWay)) {
          // The broker may have received it. No module should run a job twice.
          if (properties.x_dasf_job) properties.x_dasf_repeated = "1";
        }
        this.#onTheWay = 0;
        this.#write();
      },
      heard: ({ result, errorMsg }) => {
        if (typeof result !== "string") return;
        if (result !== "ok") {
          this.refusal = typeof errorMsg === "string" ? `${errorMsg} (${result})` : result;
          return this.stop();
        }
        // Brokers send receipts in order.
        this.#messages.shift()?.accepted?.();
        this.#onTheWay = Math.max(0, this.#onTheWay - 1);
        this.#write();
      },
      lost: () => {},
    });
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why there is no connection; undefined while there is one. */
  failure(): string | undefined {
    return this.#link.failure;
  }

  /** Whether as many messages wait for their receipts as may be on the way. */
  isFull(): boolean {
    return this.#messages.length >= UNRECEIPTED_LIMIT;
  }

  send(message: Sendable): Promise<boolean> {
    const accepted = new Promise<true>((resolve) => (message.accepted = () => resolve(true)));
    this.#messages.push(message);
    this.#write();
    if (this.#keepAlive !== undefined && !this.#isClosed) {
      platform.clearTimeout(this.#timer);
      this.#timer = platform.setTimeout(() => this.stop(), this.#keepAlive);
    }
    return Promise.race([accepted, this.closed]);
  }

  #write(): void {
    if (this.#link.failure !== undefined || this.#isClosed) return;
    for (const message of this.#messages.slice(this.#onTheWay, UNRECEIPTED_LIMIT)) {
      this.#onTheWay++;
      this.#link.publish(frameOf(message));
    }
  }

  /** Closes the connection. The broker may not have received messages without a receipt. */
  stop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    platform.clearTimeout(this.#timer);
    this.#close(false);
    void this.#link.stop().then(this.#end);
  }
}

/** A complete response. */
interface Answer {
  payload: string;
  properties: Properties;
}

/** A call that waits for its response. */
interface Call extends Parts {
  readonly context: string;
  deadline: number;
  readonly onProgress: ((report: ProgressReport) => void) | undefined;
  /** What an answer to a question for the call said. */
  known: string | undefined;
  /** The part that is done, as the function reported it. */
  percent: number | undefined;
  /** When the client asked, if there is no answer yet, in milliseconds. */
  askedAt: number | undefined;
  /** Restarts the timeout, if each progress report does so. */
  readonly restart: (() => void) | undefined;
  /** The pieces of a payload that the client sends only to a module that asks for them. */
  readonly held: readonly string[];
  /** The connection to the module that asked last. */
  sender: TopicSender | undefined;
  /** Whether the module may have received a part of the request. */
  isWritten: boolean;
  /** Since when the broker reports that nobody reads the topic, in milliseconds. */
  unreadSince: number | undefined;
  /** Called at the end of the call. */
  ended: (() => void) | undefined;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Adds a fragment; returns the complete payload when all fragments have arrived. */
function whole(
  parts: Parts,
  piece: string,
  properties: Properties,
  limit: number,
): string | undefined {
  const { fragment, num_fragments } = properties;
  if ((fragment ?? num_fragments ?? null) === null) return piece;
  // Pulsar sends the numbers as strings.
  const [index, count] = [Number(fragment ?? NaN), Number(num_fragments ?? NaN)];
  if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || index >= count) {
    throw new ResultError("cannot read the response: its fragments have invalid numbers");
  }
  const answer = String(properties.x_dasf_answer);
  const fragments = parts.answers.get(answer) ?? new Map<number, string>();
  const oldest = putLast(parts.answers, answer, fragments, ANSWERS_LIMIT);
  for (const dropped of oldest?.values() ?? []) parts.size -= dropped.length;
  if (!fragments.has(index)) {
    fragments.set(index, piece);
    parts.size += piece.length;
  }
  if (parts.size > limit) {
    const text = `has more than ${limit} bytes; raise the option maxResponseSize`;
    throw new ResultError(`the response ${text}`);
  }
  if (fragments.size < count) return undefined;
  return Array.from({ length: count }, (_, index) => fragments.get(index) ?? "").join("");
}

/** Returns the failure that a module reports. */
function failure(payload: string, { x_dasf_error: error }: Properties): ModuleError {
  const info = isObject(error) ? error : parse(error);
  return new ModuleError(payloadText(payload), isObject(info) ? info : {});
}

/** The options of a job. */
export interface SubmitOptions {
  /**
   * The name of the job: as long as it is kept, a further submission with this key on the same topic
   * is the same job, by any program. The first submission decides the arguments.
   */
  key?: string | undefined;
  /** How long the broker keeps the job after its last use, in milliseconds; default seven days. */
  keep?: number | undefined;
  /** How long the job may take, in milliseconds; default: without a limit. */
  timeout?: number | undefined;
}

/**
 * How far a job is.
 *
 * - `waiting`: no module has the request, as far as the broker knows.
 * - `accepted`: a module has it, and the function has not begun.
 */
export type JobState = "waiting" | "accepted" | "running" | "done" | "failed" | "cancelled";

/** What is known of a job. */
export interface JobStatus {
  state: JobState;
  /** The latest report of a running job, if the function reports its progress. */
  report: ProgressReport | undefined;
  /** The error of a failed job. */
  error: ModuleError | undefined;
}

/** The methods of an object, which submit their calls as jobs. */
export type Submitted<C> = {
  readonly [K in keyof C]: C[K] extends (...args: infer A) => Promise<infer R>
    ? Required<A> extends [infer G, unknown]
      ? [] extends A
        ? (args?: G, options?: SubmitOptions) => Promise<Job<R>>
        : (args: G, options?: SubmitOptions) => Promise<Job<R>>
      : (options?: SubmitOptions) => Promise<Job<R>>
    : C[K] extends (...args: infer A) => infer O
      ? (...args: A) => Submitted<O>
      : never;
};

/** The functions and classes of a client, which submit their calls as jobs. */
export type Submit<C> = Submitted<Omit<C, "apiInfo" | "attach" | "close" | "ping" | "submit">>;

/** Takes the place of the caller in a client that submits jobs. */
class Submitter {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  call(request: object, result: Shape, options?: SubmitOptions): Promise<Job<unknown>> {
    return this.#caller.submit(request, result, options);
  }
}

/** The broker keeps no such job: it was forgotten, its time is over, or it is elsewhere. */
export class NoJobError extends DasfError {
  override readonly name = "NoJobError";
}

/** The job was cancelled, and no result came before. A function that runs may still end. */
export class JobCancelledError extends DasfError {
  override readonly name = "JobCancelledError";
}

/**
 * A call that outlives its caller: the broker keeps its answer. To read the result does not end the
 * job, and a job that is dropped continues.
 */
export class Job<R> {
  /** The id, with which `attach` finds the job again. */
  readonly id: string;
  /** Whether this client has sent the request. */
  readonly isNew: boolean;
  readonly #kept: Kept;
  readonly #read: (payload: string) => unknown;

  /** @internal */
  constructor(kept: Kept, read: (payload: string) => unknown, isNew: boolean) {
    this.id = kept.id;
    this.isNew = isNew;
    this.#kept = kept;
    this.#read = read;
  }

  /** Asks the broker how far the job is. Rejects with a `NoJobError` if there is no such job. */
  async status(): Promise<JobStatus> {
    const kept = this.#kept;
    return kept.read(kept.patience, {}, (record, hasCaughtUp) =>
      hasCaughtUp ? { value: record.status() } : undefined,
    );
  }

  /**
   * Waits for the result: as long as the job takes, if there is no `timeout`. `onProgress` receives
   * the latest report, and each later one. A job that is not done in time continues.
   */
  async result(options: CallOptions = {}): Promise<R> {
    const payload = await this.#kept.read(options.timeout, options, (record, hasCaughtUp) => {
      const { answer, isCancelled } = record;
      // At a Pulsar, a later note may give up what has come before.
      if (this.#kept.isPulsar && !hasCaughtUp) return undefined;
      if (typeof answer === "string") return { value: answer };
      // The result may be among the messages that still come.
      if (isCancelled && (answer || hasCaughtUp)) {
        throw new JobCancelledError(`the job ${this.id} was cancelled`);
      }
      if (answer) throw answer;
      return undefined;
    });
    return this.#read(payload) as R;
  }

  /** Cancels the job. The result may come nevertheless: modules in Python cannot stop. */
  async cancel(): Promise<void> {
    // The note comes first: a module sees it that gets the request later. A Django broker refuses it.
    await this.#kept.note({ x_dasf_job_state: "cancelled" }).catch((error: unknown) => {
      if (!(error instanceof RefusedError)) throw error;
    });
    await this.#kept.request([""], { messageType: "cancel" });
  }

  /** Gives the job up: the broker keeps nothing of it any more. */
  forget(): Promise<void> {
    return this.#kept.forget();
  }
}

/** The fragments of the responses to one request. */
interface Parts {
  /** The fragments of each response, by its identifier. Two modules may answer. */
  readonly answers: Map<string, Map<number, string>>;
  /** The number of characters in all fragments. */
  size: number;
}

/** What the messages on the topic of an answer tell of a job. They may come twice. */
class JobRecord {
  /** The answer, or the reason why it is none. The first one counts. */
  answer: string | DasfError | undefined;
  isKnown = false;
  isCancelled = false;
  /** Whether a module may have the request. */
  isSent = false;
  /** The callers that wanted to submit the job, in their order. */
  submitters: unknown[] = [];
  #state: JobState = "waiting";
  #report: ProgressReport | undefined;
  #parts: Parts = { answers: new Map(), size: 0 };
  readonly #id: JobId;
  readonly #limit: number;

  constructor(id: JobId, limit: number) {
    this.#id = id;
    this.#limit = limit;
  }

  status(): JobStatus {
    const { answer, isCancelled } = this;
    const error = answer instanceof ModuleError ? answer : undefined;
    let state: JobState = this.#state;
    if (typeof answer === "string") state = "done";
    // The error may say that the job was cancelled.
    else if (isCancelled) state = "cancelled";
    else if (answer) state = error ? "failed" : "done";
    const report = state === "running" ? this.#report : undefined;
    return { state, report, error: state === "failed" ? error : undefined };
  }

  /** Adds a message; returns its report. */
  add(properties: Properties, payload: string): ProgressReport | undefined {
    this.isKnown = true;
    const { messageType, requestContext, x_dasf_job_state: state } = properties;
    if (String(requestContext) !== this.#id.context) return undefined;
    const { source_topic, response_topic, x_dasf_reader: reader } = properties;
    const isTopic = (named: unknown, topic: string) => (named ?? "") === "" || named === topic;
    if (messageType === "job") {
      if (state === "submitting" && !this.submitters.includes(reader)) this.submitters.push(reader);
      this.isSent ||= state === "sent";
      this.isCancelled ||= state === "cancelled" && this.answer === undefined;
      if (state === "forgotten") this.#clear();
      return undefined;
    }
    if (this.answer !== undefined) return undefined;
    const { topic, responseTopic } = this.#id;
    if (!isTopic(source_topic, topic) || !isTopic(response_topic, responseTopic)) return undefined;
    if (messageType === "response") this.#join(properties, payload);
    if (messageType !== "progress") return undefined;
    this.isSent = true;
    // A module that does not know jobs reports only while it runs.
    this.#state = state === "accepted" ? "accepted" : "running";
    try {
      const report = parse(payloadText(payload));
      if (!isObject(report)) return undefined;
      this.#report = report as unknown as ProgressReport;
      return this.#report;
    } catch {
      return undefined;
    }
  }

  /** Drops what came before a note that gives the job up. */
  #clear(): void {
    this.answer = this.#report = undefined;
    this.isKnown = this.isCancelled = this.isSent = false;
    this.submitters = [];
    this.#state = "waiting";
    this.#parts = { answers: new Map(), size: 0 };
  }

  #join(properties: Properties, payload: string): void {
    this.isSent = true;
    try {
      const text = whole(this.#parts, payload, properties, this.#limit);
      if (text !== undefined) {
        this.answer = properties.status === "error" ? failure(text, properties) : text;
      }
    } catch (error) {
      this.answer = error instanceof DasfError ? error : new ResultError(String(error));
    }
    if (this.answer !== undefined) this.#parts.answers.clear();
  }
}

/** The parts of the id of a job. */
interface JobId {
  readonly id: string;
  readonly topic: string;
  readonly responseTopic: string;
  readonly context: string;
}

function jobId(id: string): JobId {
  const pattern = /^([-\w]{1,255})\.([-\w]{1,255})\.(\d{1,128})$/;
  const [, topic, responseTopic, context] = pattern.exec(id) ?? [];
  if (topic === undefined || responseTopic === undefined || context === undefined) {
    const form = "the id of a job is TOPIC.RESPONSE_TOPIC.CONTEXT";
    throw new DasfError(`${form}, and not ${JSON.stringify(id.slice(0, 128))}; copy the whole id`);
  }
  return { id, topic, responseTopic, context };
}

/** Returns the id of a new job; with a key, the same one in each program. */
async function newJobId(topic: string, key: string | undefined): Promise<JobId> {
  let bytes = randomBytes(16);
  if (key !== undefined) {
    const text = new platform.TextEncoder().encode(topic + key);
    const input = new Uint8Array(8 + text.length);
    // The length keeps the end of the topic and the begin of the key apart.
    for (let index = 0; index < 4; index++) input[7 - index] = topic.length >>> (8 * index);
    input.set(text, 8);
    const { subtle } = platform.crypto ?? {};
    if (!subtle) throw new DasfError("the key of a job needs crypto.subtle: open the page by HTTPS");
    bytes = new Uint8Array(await subtle.digest("SHA-256", input)).slice(0, 16);
  }
  // The topic is the secret, so the number may have fewer bits.
  const context = bytes.slice(4, 8).reduce((sum, byte) => sum * 256 + byte, 0) % CONTEXT_LIMIT;
  let name = "";
  while (name.length < 22) {
    let rest = 0;
    for (const [index, byte] of bytes.entries()) {
      bytes[index] = (rest * 256 + byte) / 62;
      rest = (rest * 256 + byte) % 62;
    }
    name += NAME_LETTERS[rest];
  }
  const left = (limit: number) => limit - topic.length - 1;
  const room = left(TOPIC_LIMIT) < 8 ? Math.max(left(255), 8) : left(TOPIC_LIMIT);
  return jobId(`${topic}.${topic}_${name.slice(0, room)}.${context}`);
}

/** The way to a broker for jobs. */
interface JobBroker {
  /** Opens a reader of a topic. */
  consumer(topic: string, subscription: string, query: string): WebSocketLike;
  /** Publishes frames to a topic, and waits until the broker has accepted them. */
  publish(topic: string, payloads: string[], properties: Properties, limit: number): Promise<void>;
  /** Registers what ends with the client; returns how to remove it. */
  closing(end: () => void): () => void;
  readonly isPulsar: boolean;
  readonly isPersistent: boolean;
  readonly maxResponseSize: number;
}

const NO_HOLD = "subscriptionMode=NonDurable&subscriptionInitialPosition=Earliest";

/** The topic on which a broker keeps the answer to a job. */
class Kept {
  readonly id: string;
  /** Whether this client has submitted the job to a broker that takes no notes of that. */
  isSubmitted = false;
  readonly parts: JobId;
  /** How long to wait for the broker, in milliseconds. */
  readonly patience: number;
  readonly #broker: JobBroker;

  constructor(parts: JobId, broker: JobBroker, patience: number) {
    this.id = parts.id;
    this.parts = parts;
    this.patience = patience;
    this.#broker = broker;
  }

  /** Lets the broker keep the messages of the topic for some seconds after their last use. */
  async keep(seconds: number): Promise<void> {
    const { isPulsar, isPersistent } = this.#broker;
    if (isPulsar && !isPersistent) {
      const hint = 'use the persistence "persistent"';
      throw new RefusedError(`non-persistent topics do not keep the answers of jobs; ${hint}`);
    }
    await this.#visit(this.#reader(), `${NO_HOLD}&hold=${Math.max(Math.floor(seconds), 1)}`);
    if (isPulsar) await this.#visit(KEEPER, KEEPER_QUERY);
  }

  get isPulsar(): boolean {
    return this.#broker.isPulsar;
  }

  /** Lets a broker that takes notes keep the messages of the topic no longer. */
  async release(): Promise<void> {
    await this.#visit(this.#reader(), `${NO_HOLD}&hold=0`);
    if (this.isPulsar) await this.#visit(KEEPER, KEEPER_QUERY, { type: "unsubscribe" });
  }

  /** Lets the broker keep nothing any more. */
  async forget(): Promise<void> {
    // It tells those who wait for the job. A Django broker takes no notes.
    const noted = this.note({ x_dasf_job_state: "forgotten" });
    // A Pulsar still delivers for a while what it need not keep any more.
    await noted.catch((error: unknown) => {
      if (this.isPulsar) throw error;
    });
    await this.release();
    if (!this.isPulsar) {
      // A Django broker keeps what is not acknowledged.
      const hasCaughtUp = (_: JobRecord, hasCaughtUp: boolean) =>
        hasCaughtUp ? { value: undefined } : undefined;
      this.isSubmitted = true;
      await this.read(this.patience, {}, hasCaughtUp, true);
    }
    this.isSubmitted = false;
  }

  /** Publishes a note on the topic. */
  note(properties: Properties): Promise<void> {
    const { topic, responseTopic, context } = this.parts;
    const routing = { messageType: "job", requestContext: context, source_topic: topic };
    return this.#broker.publish(responseTopic, [""], { ...routing, ...properties }, this.patience);
  }

  /** Publishes the request. */
  request(payloads: string[], properties: Properties): Promise<void> {
    const { topic, responseTopic, context } = this.parts;
    const routing = { requestContext: context, response_topic: responseTopic };
    const all = { messageType: "request", ...routing, ...properties };
    return this.#broker.publish(topic, payloads, all, this.patience);
  }

  #reader(): string {
    return `reader-${Array.from(randomBytes(22), (byte) => NAME_LETTERS[byte % 62]).join("")}`;
  }

  /** Opens a connection for the effect of its handshake, and closes it after a last frame. */
  #visit(subscription: string, query: string, last?: object): Promise<void> {
    const socket = this.#broker.consumer(this.parts.responseTopic, subscription, query);
    return new Promise((resolve, reject) => {
      let reason = "";
      let isOpen = false;
      const timer = platform.setTimeout(() => {
        reason = `no handshake within ${this.patience} ms`;
        socket.close();
      }, this.patience);
      socket.onopen = () => {
        isOpen = true;
        if (last) socket.send(JSON.stringify(last));
        socket.close();
      };
      socket.onerror = (event) => (reason ||= event.message ?? "");
      socket.onclose = (event) => {
        platform.clearTimeout(timer);
        if (isOpen) return resolve();
        reason ||= `closed with code ${event.code}`;
        reject(new ConnectionError(`cannot connect to the broker: ${reason}`));
      };
    });
  }

  /**
   * Reads what the broker keeps of the job, and then what comes, until `end` returns a value or
   * throws. After a lost connection it connects again.
   */
  read<T>(
    timeout: number | undefined,
    { signal, onProgress }: CallOptions,
    end: (record: JobRecord, hasCaughtUp: boolean) => { value: T } | undefined,
    acknowledges = this.#broker.isPulsar,
  ): Promise<T> {
    const record = new JobRecord(this.parts, this.#broker.maxResponseSize);
    const own = this.#reader();
    return new Promise((resolve, reject) => {
      let hasCaughtUp = false;
      let timer: unknown;
      let silence: unknown;
      const finish = (settle: () => void) => {
        platform.clearTimeout(timer);
        platform.clearTimeout(silence);
        signal?.removeEventListener("abort", abort);
        remove();
        void link.stop();
        settle();
      };
      const fail = (error: unknown) => finish(() => reject(error));
      const abort = () => fail(signal?.reason ?? new DasfError("the call was cancelled"));
      const check = () => {
        try {
          const ended = end(record, hasCaughtUp);
          if (ended) finish(() => resolve(ended.value));
        } catch (error) {
          fail(error);
        }
      };
      const refuse = () => {
        const reason = "it was forgotten, its time is over, or it was submitted elsewhere";
        fail(new NoJobError(`the broker keeps no job ${this.id}: ${reason}`));
      };
      const catchUp = () => {
        if (hasCaughtUp) return;
        hasCaughtUp = true;
        if (record.isKnown || this.isSubmitted) check();
        else refuse();
      };
      const listen = () => {
        platform.clearTimeout(silence);
        if (!hasCaughtUp && !this.#broker.isPulsar) {
          silence = platform.setTimeout(catchUp, SILENCE);
        }
      };
      let wasOpen = false;
      const remove = this.#broker.closing(() => fail(new ConnectionError("the client is closed")));
      const link: Link = new Link({
        open: () => this.#broker.consumer(this.parts.responseTopic, own, NO_HOLD),
        opened: () => {
          // All messages come before the note of this reader.
          if (!wasOpen && this.#broker.isPulsar) this.note({ x_dasf_reader: own }).catch(fail);
          wasOpen = true;
          listen();
        },
        heard: ({ messageId, payload, properties }) => {
          if (acknowledges) link.send({ messageId });
          listen();
          const told: Properties = isObject(properties) ? properties : {};
          if (told.x_dasf_reader !== undefined && told.x_dasf_job_state === undefined) {
            if (told.x_dasf_reader === own) catchUp();
            return;
          }
          const report = record.add(told, typeof payload === "string" ? payload : "");
          if (hasCaughtUp && !record.isKnown) return refuse();
          if (report) onProgress?.(report);
          check();
        },
        lost: (reason) => {
          if (!wasOpen) fail(new ConnectionError(`cannot connect to the broker: ${reason}`));
        },
      });
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) return abort();
      if (timeout !== undefined) {
        timer = platform.setTimeout(() => {
          const text = `the job ${this.id} is not done after ${timeout} ms`;
          fail(new TimeoutError(`${text}: it is ${record.status().state}`));
        }, Math.min(timeout, LONGEST));
      }
    });
  }
}

/** The durable subscription that keeps the messages of a topic at a Pulsar. */
const KEEPER = "dasf-job";
const KEEPER_QUERY =
  "subscriptionType=Shared&subscriptionInitialPosition=Earliest&receiverQueueSize=1";
/** A broker that does not tell how many messages it has sends them without such a pause, in ms. */
const SILENCE = 1_000;
/** How long the broker keeps a job by default, in milliseconds. */
const KEEP = 7 * 86_400_000;
/** How long another caller with the same key may take before it counts as gone, in milliseconds. */
const SUBMITTER_PATIENCE = 10_000;

/** Calls a module, with many calls at the same time over one pair of connections. @internal */
export class Caller {
  readonly #topic: string;
  readonly #responseTopic: string;
  readonly #options: ClientOptions;
  readonly #shapes: Shapes;
  readonly #subscription: string;
  readonly #socket: SocketMaker;
  /** Whether the broker drops messages that arrive while their reader is busy. */
  readonly #isLossy: boolean;
  #producer: Link | undefined;
  #consumer: Link | undefined;
  #wasConnected = false;
  #closing: Promise<void> | undefined;
  readonly #calls = new Map<string, Call>();
  /** The number of the last call. Each client starts with another one, in case topics are equal. */
  #context: number;
  /** The messages to send, in this order. A set, because ended calls are removed from it. */
  #queue = new Set<Outgoing>();
  #unreceipted: Outgoing[] = [];
  /** The messages that nobody reads, as the broker reports. The client sends them again. */
  readonly #unread = new Set<Outgoing>();
  #unreadTimer: unknown;
  #apiInfo: Promise<Record<string, unknown>> | undefined;
  /** The connections to the topics of asking modules, also those that are being closed. */
  readonly #senders = new Set<TopicSender>();
  /** The connections for pongs by topic, the last used one at the end. */
  readonly #pongSenders = new Map<string, TopicSender>();
  /** The pings that the module has not answered, by their numbers. */
  readonly #pings = new Map<string, (pong: Properties) => void>();
  /** The topics to which the client sends fragments in turn, the last used one at the end. */
  readonly #windows = new Map<string, SendWindow>();
  /** What ends with the client: the waits for jobs. */
  readonly #closings = new Set<() => void>();

  /** Returns the caller of a client, or what takes its place in a client that submits jobs. */
  static of(options: ClientOptions, topic: string, shapes: Shapes): Caller {
    if (options instanceof Submitter) return options as unknown as Caller;
    return new Caller(options, topic, shapes);
  }

  constructor(options: ClientOptions, topic: string, shapes: Shapes) {
    this.#options = options;
    this.#topic = options.topic ?? topic;
    // A unique name of 22 letters and digits, or as many as the limit of the topic allows.
    const room = TOPIC_LIMIT - this.#topic.length - 1;
    const bytes = randomBytes(26);
    const whole = Array.from(bytes.subarray(0, 22), (byte) => NAME_LETTERS[byte % 62]).join("");
    const session = whole.slice(0, room < 8 ? 22 : Math.min(room, 22));
    this.#context = bytes.subarray(22).reduce((sum, byte) => sum * 256 + byte, 0) % CONTEXT_LIMIT;
    this.#responseTopic = `${this.#topic}_${session}`;
    this.#shapes = shapes;
    if (!/^[-\w]+$/.test(this.#topic)) {
      const rule = "use ASCII letters, digits, '-' and '_'";
      throw new ConnectionError(`the topic ${JSON.stringify(this.#topic)} is not valid; ${rule}`);
    }
    this.#subscription = `typescript-client-${session}`;
    this.#socket = socketMaker(options);
    const { pulsar } = options;
    this.#isLossy = pulsar !== undefined && pulsar.persistence !== "persistent";
  }

  /** Sends a request, and returns its result. */
  async call<T>(request: object, result: Shape, options: CallOptions = {}): Promise<T> {
    const json = new platform.TextEncoder().encode(JSON.stringify(request));
    const limit = this.#options.maxPayloadSize ?? 700 << 10;
    const deadline = this.#deadline(options);
    const isLarge = json.length > limit;
    const speaks = isLarge ? await this.#speaks(deadline, options) : [];
    const isCut = speaks.includes("request_fragments");
    // Each module of a group would receive only some of the fragments.
    const isOnDemand = !isCut && speaks.includes("requests_on_demand");
    if (isLarge && !isCut && !isOnDemand) {
      const most = `this module accepts at most ${limit}`;
      throw new RequestTooLargeError(`the request has ${json.length} bytes; ${most}`);
    }
    const pieces = inPieces(json, limit);
    const answer = await this.#exchange("request", pieces, deadline, options, isOnDemand);
    return this.#read(result, answer.payload) as T;
  }

  #read(result: Shape, payload: string): unknown {
    const text = payloadText(payload);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new ResultError(`cannot read the result: ${String(error)}`);
    }
    return read(result, value, "result", this.#shapes);
  }

  /** Returns a client of a class with this caller, which submits its calls as jobs. */
  submitting<C>(client: new (options: ClientOptions) => C): Submit<C> {
    return new client(new Submitter(this) as unknown as ClientOptions) as unknown as Submit<C>;
  }

  /** Submits a request as a job. */
  async submit<T>(request: object, result: Shape, options: SubmitOptions = {}): Promise<Job<T>> {
    const json = new platform.TextEncoder().encode(JSON.stringify(request));
    const limit = this.#options.maxPayloadSize ?? 700 << 10;
    if (json.length > limit) {
      const speaks = await this.#speaks(this.#deadline({}), {});
      if (!speaks.includes("request_fragments")) {
        // The modules of a group would ask a caller that may be gone.
        const most = `this module accepts at most ${limit} as a job`;
        throw new RequestTooLargeError(`the request has ${json.length} bytes; ${most}`);
      }
    }
    const { key, keep = KEEP, timeout } = options;
    const kept = this.#kept(await newJobId(this.#topic, key));
    const { isPulsar } = kept;
    await kept.keep(keep / 1000);
    const send = (pieces: string[], properties: Properties) =>
      kept.request(pieces, properties).catch(async (error: unknown) => {
        // Nobody has the request. With a key, another caller may need the topic.
        if (error instanceof RefusedError && key === undefined) await kept.release().catch(() => {});
        throw error;
      });
    // A Django broker creates the topic, as one that this client may read, for a message that names
    // it. Only then can it refuse a note.
    if (!isPulsar) await send([""], { messageType: "ping" });
    const own = toBase64(randomBytes(15));
    const note = kept.note({ x_dasf_job_state: "submitting", x_dasf_reader: own });
    // A Django broker refuses notes.
    const takesNotes = await note.then(
      () => true,
      (error: unknown) => {
        if (isPulsar || !(error instanceof RefusedError)) throw error;
        return false;
      },
    );
    const isOurs = takesNotes && key !== undefined ? await this.#isOurs(kept, own) : true;
    const job = (isNew: boolean) =>
      new Job<T>(kept, (payload) => this.#read(result, payload), isNew);
    if (isOurs === false) return job(false);
    await send(inPieces(json, limit), {
      x_dasf_job: "1",
      x_dasf_keep_s: Math.max(Math.floor(keep / 1000), 0),
      ...(timeout === undefined ? {} : { x_dasf_timeout_ms: Math.floor(timeout) }),
      ...(isOurs === undefined ? { x_dasf_repeated: "1" } : {}),
    });
    if (takesNotes) await kept.note({ x_dasf_job_state: "sent" });
    kept.isSubmitted = !takesNotes;
    return job(true);
  }

  /**
   * Whether this client has to send the request of a job with a key. Undefined if it has to, and
   * another one has left that undone, perhaps after it had sent it.
   */
  async #isOurs(kept: Kept, own: string): Promise<boolean | undefined> {
    const decide = ({ isSent, submitters }: JobRecord) => {
      // Messages before the own note may belong to a job that was given up.
      if (!submitters.includes(own)) return undefined;
      return isSent ? { value: false } : submitters[0] === own ? { value: true } : undefined;
    };
    try {
      return await kept.read(SUBMITTER_PATIENCE, {}, decide);
    } catch (error) {
      if (error instanceof TimeoutError) return undefined;
      throw error;
    }
  }

  /** Returns the job with an id. It does not ask the broker. */
  attach<T>(id: string): Job<T> {
    const parts = jobId(id);
    if (parts.topic !== this.#topic) {
      const text = `the job ${id} belongs to topic ${parts.topic}`;
      throw new DasfError(`${text}, and this client calls topic ${this.#topic}`);
    }
    return new Job<T>(this.#kept(parts), (payload) => this.#read("any", payload), false);
  }

  #kept(parts: JobId): Kept {
    return new Kept(parts, this.#jobBroker, this.#timeout({}));
  }

  get #jobBroker(): JobBroker {
    const { pulsar } = this.#options;
    return {
      isPulsar: pulsar !== undefined,
      isPersistent: pulsar?.persistence === "persistent",
      maxResponseSize: this.#maxResponseSize(),
      consumer: (topic, subscription, query) =>
        this.#socket("consumer", topic, subscription, query),
      publish: (topic, payloads, properties, limit) =>
        this.#post(topic, payloads, properties, limit),
      closing: (end) => {
        this.#closings.add(end);
        return () => this.#closings.delete(end);
      },
    };
  }

  /** Publishes pieces on a connection of their own, and waits until the broker has accepted them. */
  async #post(
    topic: string,
    pieces: string[],
    properties: Properties,
    limit: number,
  ): Promise<void> {
    if (this.#closing) throw new ConnectionError("the client is closed");
    const sender = this.#open(topic);
    const timer = platform.setTimeout(() => sender.stop(), limit);
    const sent = pieces.map((payload, fragment) => {
      const place = pieces.length > 1 ? { fragment, num_fragments: pieces.length } : {};
      const own = { ...properties, ...place };
      return sender.send({ payload, properties: own, deadline: undefined, accepted: undefined });
    });
    const areAccepted = (await Promise.all(sent)).every((isAccepted) => isAccepted);
    platform.clearTimeout(timer);
    const reason = sender.failure();
    sender.stop();
    if (areAccepted) return;
    const { refusal } = sender;
    if (refusal !== undefined) {
      throw new RefusedError(`the broker rejected a message to topic ${topic}: ${refusal}`);
    }
    const text = `the broker did not accept a message to topic ${topic}`;
    throw new ConnectionError(reason === undefined ? text : `${text}: ${reason}`);
  }

  #maxResponseSize(): number {
    return this.#options.maxResponseSize ?? 256 << 20;
  }

  /** Checks that the module listens; rejects if it does not answer. */
  async ping(options: CallOptions = {}): Promise<void> {
    await this.#exchange("ping", [""], this.#deadline(options), options);
  }

  /** Requests the module's API description. */
  async apiInfo(options: CallOptions = {}): Promise<Record<string, unknown>> {
    const answer = await this.#exchange("api_info", [""], this.#deadline(options), options);
    const info = parse(answer.properties.api_info);
    if (!isObject(info)) throw new ResultError("the module's API description is not an object");
    return info;
  }

  /** Closes the connections. Unfinished calls reject with a `ConnectionError`. */
  close(): Promise<void> {
    this.#closing ??= this.#stop("the client is closed");
    return this.#closing;
  }

  #timeout(options: CallOptions): number {
    const { timeoutWithoutProgress, timeout } = options;
    return timeoutWithoutProgress ?? timeout ?? this.#options.timeout ?? 60_000;
  }

  #deadline(options: CallOptions): number {
    return Date.now() + Math.min(this.#timeout(options), LONGEST);
  }

  /** The protocol extensions of the module. */
  async #speaks(deadline: number, { signal }: CallOptions): Promise<unknown[]> {
    const timeout = deadline - Date.now();
    const info = await (this.#apiInfo ?? this.apiInfo({ timeout, signal }));
    this.#apiInfo = Promise.resolve(info);
    const { x_dasf }: { x_dasf?: unknown } = info;
    const { speaks }: { speaks?: unknown } = isObject(x_dasf) ? x_dasf : {};
    return Array.isArray(speaks) ? speaks : [];
  }

  /**
   * Publishes one message, with one frame for each piece, and waits for the response. On demand,
   * the client sends the pieces only when a module asks for them.
   */
  #exchange(
    messageType: string,
    pieces: string[],
    deadline: number,
    options: CallOptions,
    isOnDemand = false,
  ): Promise<Answer> {
    const { signal, onProgress } = options;
    return new Promise((resolve, reject) => {
      const reason = () => signal?.reason ?? new DasfError("the call was cancelled");
      if (signal?.aborted) return reject(reason());
      if (this.#closing) return reject(new ConnectionError("the client is closed"));
      const context = this.#nextContext();
      const giveUp = (error: unknown) => {
        call.reject(error);
        if (messageType === "request" && call.isWritten) this.#cancel(call);
      };
      const abort = () => giveUp(reason());
      const lateness = () => giveUp(this.#lateness(this.#timeout(options), call));
      let timer = platform.setTimeout(lateness, deadline - Date.now());
      const restart = () => {
        platform.clearTimeout(timer);
        call.deadline = this.#deadline(options);
        timer = platform.setTimeout(lateness, call.deadline - Date.now());
      };
      const restarts = options.timeoutWithoutProgress !== undefined && messageType === "request";
      let stopAsking = () => {};
      const askIn = (wait: number) => {
        const asking = platform.setTimeout(() => {
          stopAsking();
          const end = this.#ask(call);
          const again = askIn(Math.max(QUIET, call.deadline - BEFORE_END - Date.now()));
          stopAsking = () => (end(), again());
        }, wait);
        return (stopAsking = () => platform.clearTimeout(asking));
      };
      if (messageType === "request") askIn(Math.min(QUIET, (deadline - Date.now()) / 2));
      let messages: Outgoing[] = [];
      const settle = () => {
        this.#calls.delete(context);
        for (const message of messages) {
          this.#queue.delete(message);
          this.#unread.delete(message);
        }
        call.sender?.stop();
        call.ended?.();
        platform.clearTimeout(timer);
        stopAsking();
        signal?.removeEventListener("abort", abort);
      };
      const call: Call = {
        context,
        deadline,
        onProgress,
        known: undefined,
        percent: undefined,
        askedAt: undefined,
        restart: restarts ? restart : undefined,
        answers: new Map(),
        size: 0,
        held: isOnDemand ? pieces : [],
        sender: undefined,
        isWritten: false,
        unreadSince: undefined,
        ended: undefined,
        resolve: (answer) => (settle(), resolve(answer)),
        reject: (error) => (settle(), reject(error)),
      };
      signal?.addEventListener("abort", abort);
      this.#calls.set(context, call);
      const sent = isOnDemand ? [""] : pieces;
      messages = sent.map((payload, fragment) => {
        const place = sent.length > 1 ? { fragment, num_fragments: sent.length } : {};
        const mark: Properties = isOnDemand ? { x_dasf_on_demand: "1" } : {};
        if (restarts) mark.x_dasf_restart_ms = Math.min(this.#timeout(options), LONGEST);
        const routing = this.#routing(messageType, context);
        return outgoing(call, payload, { ...routing, ...place, ...mark });
      });
      this.#connect();
      if (this.#isLossy && messages.length > 1) {
        void this.#sendInTurn(this.#topic, messages, this.#way(call));
        return;
      }
      for (const message of messages) this.#queue.add(message);
      this.#publish();
    });
  }

  /** Tells the module that nobody waits for the response to a call, which has ended. */
  #cancel(call: Call): void {
    const cancellation = outgoing(call, "", this.#routing("cancel", call.context));
    // The broker would drop a message whose time is over.
    this.#queue.add({ ...cancellation, deadline: undefined });
    this.#publish();
  }

  /** Asks where a call is. Returns a function that ends the question. */
  #ask(call: Call): () => void {
    const context = this.#nextContext();
    const properties = { ...this.#routing("ping", context), x_dasf_position_of: call.context };
    const question = outgoing(call, "", properties);
    const end = () => {
      this.#queue.delete(question);
      this.#unread.delete(question);
      this.#pings.delete(context);
    };
    this.#pings.set(context, (pong) => {
      end();
      call.askedAt = undefined;
      call.known = whereabouts(pong);
    });
    call.askedAt = Date.now();
    this.#queue.add(question);
    this.#publish();
    return end;
  }

  /** The properties of a message to a module. */
  #routing(messageType: string, requestContext: string): Properties {
    const answersPings = this.#isLossy && messageType === "request";
    // Then the module does not send the fragments of the response faster than this client reads.
    const mark = answersPings ? { x_dasf_answers_pings: "1" } : {};
    return { messageType, requestContext, response_topic: this.#responseTopic, ...mark };
  }

  /** The way of a call over the connection that all calls share. */
  #way(call: Call): SendWay {
    return {
      closed: new Promise((resolve) => (call.ended = () => resolve(false))),
      isClosed: () => !this.#calls.has(call.context),
      send: (message) => {
        const accepted = new Promise<true>((resolve) => (message.accepted = () => resolve(true)));
        this.#queue.add(message);
        this.#publish();
        return accepted;
      },
    };
  }

  /**
   * Sends fragments to a reader that may be busy: each one when the reader has read the one before.
   * Resolves when the broker has accepted the last one, or when the way closes.
   */
  async #sendInTurn(topic: string, messages: Outgoing[], way: SendWay): Promise<void> {
    const window = this.#windows.get(topic) ?? new SendWindow();
    putLast(this.#windows, topic, window, WINDOW_LIMIT);
    for (const message of messages) {
      const caughtUp = () => this.#caughtUp(message.call, way);
      if (!(await window.send(way, message, caughtUp))) return;
    }
  }

  /**
   * Waits until the module has read the messages of a way: then it answers a ping. Resolves with
   * false if the way closes before.
   */
  async #caughtUp(call: Call, way: SendWay): Promise<boolean> {
    const context = this.#nextContext();
    const ping = outgoing(call, "", this.#routing("ping", context));
    const answered = new Promise<true>((resolve) => {
      this.#pings.set(context, () => resolve(true));
    });
    let isRead: boolean | undefined;
    let timer: unknown;
    const pause = () =>
      new Promise<undefined>((resolve) => {
        if (isRead === undefined) timer = platform.setTimeout(() => resolve(undefined), PING_AGAIN);
      });
    while (isRead === undefined) {
      // The broker may drop a ping, too.
      isRead = await Promise.race([answered, way.closed, way.send(ping).then(pause)]);
    }
    platform.clearTimeout(timer);
    this.#queue.delete(ping);
    this.#pings.delete(context);
    return isRead;
  }

  /** A number that no unfinished call has. */
  #nextContext(): string {
    let context: string;
    do {
      this.#context = (this.#context + 1) % CONTEXT_LIMIT;
      context = String(this.#context);
    } while (this.#calls.has(context) || this.#pings.has(context));
    return context;
  }

  #lateness(timeout: number, { known, percent, askedAt }: Call): DasfError {
    const text = `no response from topic ${this.#topic} within ${timeout} ms`;
    const isUnanswered = askedAt !== undefined && Date.now() - askedAt > ANSWER_TIME;
    const answer = isUnanswered ? "no module there answers a ping" : known;
    const runs = percent === undefined ? undefined : `the module runs it, and is at ${percent} %`;
    const told = runs ?? answer;
    const failure = this.#consumer?.failure ?? this.#producer?.failure;
    return failure
      ? new ConnectionError(`${text}: ${failure}`)
      : new TimeoutError(`${text}; ${told ?? "check that a module listens there"}`);
  }

  #connect(): void {
    const opened = () => this.#publish();
    this.#consumer ??= new Link({
      open: () => this.#socket("consumer", this.#responseTopic, this.#subscription),
      heard: (frame) => this.#receive(frame),
      opened,
      lost: (reason) => this.#lost(reason),
    });
    this.#producer ??= new Link({
      // A broker that cannot report that nobody reads the topic ignores the parameter.
      open: () => this.#socket("producer", this.#topic, undefined, "nobodyListens=Refuse"),
      heard: (frame) => this.#settle(frame),
      opened,
      lost: (reason) => {
        this.#sendAgain();
        this.#lost(reason);
      },
      // A broker that does not answer has lost the other connection, too.
      silent: (reason) => this.#consumer?.lose(reason),
    });
  }

  /** Fails the calls if there was no connection before: the address may be wrong. */
  #lost(reason: string): void {
    if (!this.#wasConnected) void this.#stop(`cannot connect to the broker: ${reason}`);
  }

  /** Queues the messages without a receipt again: the broker may not have received them. */
  #sendAgain(): void {
    // Brokers read in order. So a message that makes the broker drop the connection becomes the
    // first without a receipt.
    const [first] = this.#unreceipted;
    if (first && ++first.losses >= MAX_LOSSES) {
      const text = `the connection was lost ${MAX_LOSSES} times while sending it`;
      first.call.reject(new ConnectionError(`the request was not sent: ${text}`));
    }
    // An ended call waits for no response.
    const again = this.#unreceipted.filter(
      (message) => this.#calls.has(message.call.context) || isCancellation(message),
    );
    for (const { properties } of again) properties.x_dasf_repeated = "1";
    this.#queue = new Set([...again, ...this.#queue]);
    this.#unreceipted = [];
  }

  /** Sends the queued messages if both connections are open. */
  #publish(): void {
    const failure = this.#consumer?.failure ?? this.#producer?.failure;
    if (!this.#producer || failure !== undefined) return;
    this.#wasConnected = true;
    for (const message of this.#queue) {
      if (this.#unreceipted.length >= UNRECEIPTED_LIMIT) break;
      this.#queue.delete(message);
      if (isCancellation(message) && Date.now() > message.call.deadline + CANCEL_TIME) continue;
      message.call.isWritten = true;
      this.#unreceipted.push(message);
      this.#producer.publish(frameOf(message));
    }
  }

  /** Matches a receipt of the broker with its message. */
  #settle({ context, result, errorMsg, status }: Frame): void {
    if (typeof result !== "string") return;
    // A rejection without a context (Pulsar's reaction to bad JSON) belongs to the first message.
    const isMeant = ({ properties: { requestContext } }: Outgoing) =>
      requestContext === String(context ?? requestContext);
    const index = this.#unreceipted.findIndex(isMeant);
    const [message] = index < 0 ? [] : this.#unreceipted.splice(index, 1);
    if (result === "ok") {
      message?.accepted?.();
    } else if (message?.properties.x_dasf_position_of !== undefined) {
      // The call goes on without an answer.
    } else if (status === NOBODY_LISTENS) {
      if (message && !this.#keepUnread(message)) {
        const hint = "start the module, or check the topic";
        const text = `no module listens on topic ${this.#topic}; ${hint}`;
        message.call.reject(new NobodyListensError(text));
      }
    } else {
      const reason = typeof errorMsg === "string" ? `${errorMsg} (${result})` : result;
      const text = `the broker rejected the request to topic ${this.#topic}: ${reason}`;
      message?.call.reject(new RefusedError(text));
    }
    this.#publish();
  }

  /** Keeps a message that nobody reads, to send it again. Returns false if it is too late. */
  #keepUnread(message: Outgoing): boolean {
    const { call } = message;
    const now = Date.now();
    const since = (call.unreadSince ??= now);
    const reconnectedAt = this.#producer?.reconnectedAt ?? 0;
    const end = Math.max(since + START_LIMIT, reconnectedAt + RETURN_LIMIT);
    // Ever more rarely.
    const wait = Math.min(Math.max((now - since) / 2, SHORTEST_UNREAD), LONGEST_UNREAD);
    const again = Math.min(now + wait, end);
    const isEnded = !this.#calls.has(call.context);
    if (isEnded || now >= end || again >= call.deadline) return false;
    this.#unread.add(message);
    this.#unreadTimer ??= platform.setTimeout(() => this.#sendUnread(), again - now);
    return true;
  }

  #sendUnread(): void {
    this.#unreadTimer = undefined;
    for (const message of this.#unread) this.#queue.add(message);
    this.#unread.clear();
    this.#publish();
  }

  /** Passes a message to the call that waits for it. */
  #receive({ messageId, payload, properties }: Frame): void {
    if (typeof messageId === "string") this.#consumer?.send({ messageId });
    if (!isObject(properties)) return;
    const { messageType, requestContext }: Properties = properties;
    if (messageType === "ping" && this.#isMeant(properties)) this.#answerPing(properties);
    if (messageType === "pong" && this.#isMeant(properties)) {
      this.#pings.get(String(requestContext))?.(properties);
    }
    const call = this.#calls.get(String(requestContext));
    // The call has its response already, or the message belongs to another client.
    if (!call || !this.#isMeant(properties)) return;
    try {
      this.#answer(call, typeof payload === "string" ? payload : "", properties);
    } catch (error) {
      call.reject(error);
    }
  }

  /** Whether a message is from the called module, and for this client. */
  #isMeant({ messageType, source_topic, response_topic }: Properties): boolean {
    const isTopic = (named: unknown, topic: string) => (named ?? "") === "" || named === topic;
    // A request for a payload or for a pong has the topic for the reply there.
    const isAsking = messageType === "fetch" || messageType === "ping";
    const isHere = isAsking || isTopic(response_topic, this.#responseTopic);
    return isHere && isTopic(source_topic, this.#topic);
  }

  #answer(call: Call, piece: string, properties: Properties): void {
    if (properties.messageType === "progress") {
      let report: unknown;
      try {
        report = parse(payloadText(piece));
      } catch {
        // An unreadable report does not change the response.
      }
      if (!isObject(report)) return;
      call.percent = Math.trunc(fraction(report as unknown as ProgressReport) * 100);
      call.restart?.();
      call.onProgress?.(report as unknown as ProgressReport);
      return;
    }
    if (properties.messageType === "fetch") return this.#sendHeld(call, properties.response_topic);
    if (properties.messageType !== "response" && properties.messageType !== "pong") return;
    const payload = whole(call, piece, properties, this.#maxResponseSize());
    if (payload === undefined) return;
    if (properties.status === "error") {
      call.reject(failure(payload, properties));
    } else {
      call.resolve({ payload, properties });
    }
  }

  /**
   * Sends the payload of a call to the module that asks for it, on this topic. If that fails, the
   * call goes on: the module may have crashed, and another one asks then.
   */
  #sendHeld(call: Call, topic: unknown): void {
    const { context, held } = call;
    if (!isTopicName(topic) || held.length === 0) return;
    const messages = held.map((payload, fragment) => {
      const place = { fragment, num_fragments: held.length };
      return outgoing(call, payload, { ...this.#routing("request", context), ...place });
    });
    // The module that asked before has ended.
    call.sender?.stop();
    const sender = (call.sender = this.#open(topic));
    const sent = this.#isLossy
      ? this.#sendInTurn(topic, messages, sender)
      : Promise.all(messages.map((message) => sender.send(message)));
    void sent.then(() => sender.stop());
  }

  /** Answers a ping. The pong shows the module that the client has read the messages before. */
  #answerPing({ requestContext, response_topic: topic }: Properties): void {
    if (!this.#isLossy || !isTopicName(topic) || typeof requestContext !== "string") return;
    const open = this.#pongSenders.get(topic);
    const sender = open && !open.isClosed() ? open : this.#open(topic, KEEP_ALIVE);
    putLast(this.#pongSenders, topic, sender, PONG_CONNECTION_LIMIT)?.stop();
    // The module asks again.
    if (sender.isFull()) return;
    const properties = { messageType: "pong", requestContext };
    void sender.send({ payload: "", properties, deadline: undefined, accepted: undefined });
  }

  /** Opens a connection to a topic. */
  #open(topic: string, keepAlive?: number): TopicSender {
    const sender = new TopicSender(() => this.#socket("producer", topic), keepAlive);
    this.#senders.add(sender);
    void sender.ended.then(() => this.#senders.delete(sender));
    return sender;
  }

  async #stop(reason: string): Promise<void> {
    for (const end of [...this.#closings]) end();
    for (const call of [...this.#calls.values()]) call.reject(new ConnectionError(reason));
    const links = [this.#producer, this.#consumer];
    this.#producer = this.#consumer = undefined;
    this.#queue.clear();
    this.#unreceipted = [];
    this.#unread.clear();
    platform.clearTimeout(this.#unreadTimer);
    this.#unreadTimer = undefined;
    const senders = [...this.#senders];
    for (const sender of senders) sender.stop();
    const endings = senders.map(({ ended }) => ended);
    await Promise.all([...links.map((link) => link?.stop()), ...endings]);
  }
}

/** Cuts a request into pieces of base64. */
function inPieces(json: Uint8Array, limit: number): string[] {
  const base64 = toBase64(json);
  if (json.length <= limit) return [base64];
  const pieces: string[] = [];
  for (let start = 0; start < base64.length; start += limit) {
    pieces.push(base64.slice(start, start + limit));
  }
  return pieces;
}

/**
 * A function that opens the socket of a topic. A producer gets the parameters only at a DASF broker.
 */
type SocketMaker = (
  role: "producer" | "consumer",
  topic: string,
  subscription?: string,
  parameter?: string,
) => WebSocketLike;

/** Returns a function that opens sockets at the address in the options. */
function socketMaker(options: ClientOptions): SocketMaker {
  const { pulsar, WebSocket = platform.WebSocket } = options;
  const token = options.token === undefined ? undefined : oneLine("the token", options.token);
  const headers = Object.fromEntries(
    Object.entries(options.headers ?? {}).map(([name, value]) => [
      oneLine("a header's name", name),
      oneLine(`the header ${JSON.stringify(name)}`, value),
    ]),
  );
  if (!WebSocket) {
    throw new ConnectionError(
      "this platform has no WebSocket; pass one, such as that of the package ws: { WebSocket }",
    );
  }
  if (!options.WebSocket && Object.keys(headers).length > 0) {
    throw new ConnectionError(
      "the platform's WebSocket cannot send headers; pass another one as the option WebSocket",
    );
  }
  const url = pulsar ? "" : checkedUrl(options.url ?? "");
  const baseOfPulsar = pulsar && pulsarBase(pulsar);
  const handshake: Record<string, string> = { ...headers };
  if (token !== undefined && options.WebSocket) {
    const scheme = pulsar ? "Bearer" : "Token";
    handshake["authorization"] = `${scheme} ${token}`;
  }
  return (role, topic, subscription, parameter) => {
    const [base = "", query] = baseOfPulsar ? [baseOfPulsar(role)] : url.split("?");
    const parameters = query ? [query] : [];
    if (pulsar && subscription && !parameter) parameters.push("subscriptionMode=NonDurable");
    if (parameter && (subscription || !pulsar)) parameters.push(parameter);
    if (token !== undefined && !options.WebSocket) {
      parameters.push(`token=${encodeURIComponent(token)}`);
    }
    const path = [base.replace(/\/+$/, ""), topic, ...(subscription ? [subscription] : [])];
    const address = path.join("/") + (parameters.length > 0 ? `?${parameters.join("&")}` : "");
    try {
      return Object.keys(handshake).length > 0
        ? new WebSocket(address, [], { headers: handshake })
        : new WebSocket(address);
    } catch (error) {
      // The reason may contain the whole address, and its query may contain a token.
      const reason = parameters.length > 0 ? "" : `: ${String(error)}`;
      throw new ConnectionError(`cannot open a WebSocket to ${path.join("/")}${reason}`);
    }
  };
}

/** Removes the newline at the end of a text from a file, and allows no other one. */
function oneLine(name: string, text: string): string {
  const line = text.replace(/[\r\n]+$/, "");
  // The message does not contain the value, because it may be secret.
  if (/[\r\n]/.test(line)) throw new ConnectionError(`${name} contains a newline; use one line`);
  return line;
}

/** Checks the URL of a broker, and returns it. */
function checkedUrl(text: string): string {
  const url = oneLine("the URL of the broker", text);
  const [, authority] = /^wss?:\/\/([^/?#]*)/.exec(url) ?? [];
  if (authority?.includes("@")) throw new ConnectionError(NO_USER);
  const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(authority ?? ":") ?? [];
  if (host === undefined || /\s/.test(url)) {
    const shown = JSON.stringify(url.split("?")[0]?.replace(/[^/]*@/, "…@"));
    const colons = authority?.split(":").length ?? 0;
    const hint = colons > 2 ? "; put an IPv6 address in brackets, as in ws://[::1]:8080" : "";
    const form = "write ws://host:port/path or wss://host/path";
    throw new ConnectionError(`${shown} is not a WebSocket URL; ${form}${hint}`);
  }
  checkedPlace(host, Number(port ?? 80));
  return url;
}

const NO_USER = "the broker's address contains a user name; use a token instead";

/** Checks a host and a port, and returns them in the form of a URL. */
function checkedPlace(text: string, port: number): string {
  const host = oneLine("the host", text);
  const address = host.replace(/^\[(.*)\]$/, "$1");
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new ConnectionError(`the port ${port} is not valid; use a number from 1 to 65535`);
  }
  if (isIPv6(address)) return `[${address}]:${port}`;
  // Letters and digits of all scripts, and the ASCII characters `-`, `.` and `_`.
  if (/^[^\s\0-,/:-@[-^`{-\x7f]+$/.test(host)) return `${host}:${port}`;
  if (host.trim() === "") {
    throw new ConnectionError("the host is empty; give a name or an address");
  }
  // The message does not contain the host, because it may contain a password.
  if (host.includes("@")) throw new ConnectionError(NO_USER);
  const [, given] = /^[^:]*:(\d+)$/.exec(host) ?? [];
  let hint = "is not a host name or an IP address";
  if (host.includes("://")) hint = "is a URL; give only the host name, and `tls: true` for wss://";
  else if (given) hint = `contains a port; give it as \`port: ${given}\``;
  throw new ConnectionError(`the host ${JSON.stringify(host)} ${hint}`);
}

function isIPv6(text: string): boolean {
  if (!/^[\da-f:.]+$/i.test(text) || !text.includes(":")) return false;
  try {
    if (platform.URL) new platform.URL(`ws://[${text}]`);
    return true;
  } catch {
    return false;
  }
}

/** Checks the host of a Pulsar; returns the part of its URLs before the topic. */
function pulsarBase(address: PulsarAddress): (role: string) => string {
  const { host = "localhost", port = 8080, persistence = "non-persistent" } = address;
  const { tenant = "public", namespace = "default", tls = false } = address;
  const place = checkedPlace(host, port);
  return (role) => {
    const parts = [role, persistence, tenant, namespace].map(encodeURIComponent);
    return `${tls ? "wss" : "ws"}://${place}/ws/v2/${parts.join("/")}`;
  };
}
