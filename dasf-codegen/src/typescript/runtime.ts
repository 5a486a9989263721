/** Where a broker is, how to log in there, and what holds for every call. */
export interface ClientOptions {
  /** The base URL of a DASF broker, such as `ws://localhost:8080/ws`: topics are paths below it. */
  url?: string | undefined;
  /** The address of an Apache Pulsar, in place of `url`. */
  pulsar?: PulsarAddress | undefined;
  /** The topic on which the module listens, where it is not the one in the module's description. */
  topic?: string | undefined;
  /**
   * Logs in: as the header `authorization` where a constructor is handed in as `WebSocket`, else as
   * `?token=` in the URL, because the platform's own sends no headers. Pulsar reads either; the
   * Django broker only the header.
   */
  token?: string | undefined;
  /** Headers of the handshake. They need a constructor that is handed in as `WebSocket`. */
  headers?: Record<string, string> | undefined;
  /**
   * The constructor of sockets, in place of the platform's: that of the package `ws` where the
   * platform has none (Node.js before 22), or for what only it can do. It gets `{ headers }` as third
   * argument.
   */
  WebSocket?: WebSocketConstructor | undefined;
  /** How long a call waits for its answer, in milliseconds; default 60,000. */
  timeout?: number | undefined;
  /**
   * The largest request that is sent in one frame, in bytes; default 700 KiB. Larger ones are sent
   * in fragments, if the module can put them together: at once, or where several modules share the
   * work, when one of them asks for it.
   */
  maxPayloadSize?: number | undefined;
  /** The largest answer in fragments, in bytes of base64; default 256 MiB. */
  maxResponseSize?: number | undefined;
}

/** Where an Apache Pulsar is. */
export interface PulsarAddress {
  /** Default `localhost`. */
  host?: string | undefined;
  /** The port of HTTP; default 8080. */
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

/** How one call differs from the client's defaults. */
export interface CallOptions {
  /** How long to wait for the answer, in milliseconds. */
  timeout?: number | undefined;
  /** Ends the waiting: the call rejects with the signal's reason. The module may go on with it. */
  signal?: Signal | undefined;
  /** Gets every report of progress: the whole tree, each time it changes. */
  onProgress?: ((report: ProgressReport) => void) | undefined;
}

/** What an `AbortSignal` has that is used here. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The progress of a call, or of one of its steps. */
export interface ProgressReport {
  /** What is being done, in words. */
  step_message: string;
  /** How it stands. */
  status: "running" | "success" | "error";
  /** How many steps there are below, as far as that is known. */
  steps: number;
  /** The steps that were begun. */
  children: ProgressReport[];
  /** Which report it is; `root` for that of the call. */
  report_id: string;
  /** The kind of report, `tree`. */
  report_type: string;
}

/** What is used of a `WebSocket`, the browser's or another. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(): void;
}

/** What makes sockets: the platform's `WebSocket`, or that of the package `ws`. */
export type WebSocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => WebSocketLike;

/** Why a call did not yield its result: the class says what happened. */
export class DasfError extends Error {
  override readonly name: string = "DasfError";
}

/** What the module failed at, as the beginning of its answer says. */
export type FailureKind = "validation" | "execution" | "processing" | "overflow";

/** The module answered that it failed. */
export class ModuleError extends DasfError {
  override readonly name = "ModuleError";
  /** What it failed at; absent where its text does not say. */
  readonly kind: FailureKind | undefined;
  /** The code of the function's error, where it has one. */
  readonly code: string | undefined;
  /** What belongs to the code. */
  readonly details: unknown;
  /** The module's text as it came: the message with the protocol's sentence in front. */
  readonly text: string;

  constructor(text: string, info: { code?: unknown; details?: unknown } = {}) {
    const [kind, prefix] = FAILURES.find(([, prefix]) => text.startsWith(prefix)) ?? [];
    const rest = text.slice(prefix?.length ?? 0);
    super((rest.startsWith(": ") ? rest.slice(2) : rest) || (kind === "overflow" ? text : ""));
    this.kind = kind;
    this.text = text;
    this.code = typeof info.code === "string" ? info.code : undefined;
    this.details = info.details ?? undefined;
  }
}

const FAILURES: readonly (readonly [FailureKind, string])[] = [
  ["validation", "error validating request"],
  ["execution", "error executing request"],
  ["processing", "error processing request"],
  ["overflow", "request rejected due to queue overflow, try again later"],
];

/** The broker did not take the request; the message has its reason. */
export class RefusedError extends DasfError {
  override readonly name = "RefusedError";
}

/** No answer came in time. The call may still run: the module may be busy, or none listens. */
export class TimeoutError extends DasfError {
  override readonly name = "TimeoutError";
}

/** There is no connection to the broker, or the client is closed. */
export class ConnectionError extends DasfError {
  override readonly name = "ConnectionError";
}

/** The request is too large for one frame, and the module takes no fragments. */
export class RequestTooLargeError extends DasfError {
  override readonly name = "RequestTooLargeError";
}

/**
 * The answer cannot be read, or the result is not what this client expects: it may be made for
 * another version of the module.
 */
export class ResultError extends DasfError {
  override readonly name = "ResultError";
}

/** What the platform has, so that this file needs the types of neither the DOM nor Node.js. */
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
  crypto?: { getRandomValues(bytes: Uint8Array): Uint8Array };
}
const platform = globalThis as unknown as Platform;

/** Writes bytes as base64, as arguments of that kind expect them. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return platform.btoa(binary);
}

/** Reads bytes from base64, as results of that kind have them. */
export function fromBase64(base64: string): Uint8Array {
  const binary = platform.atob(base64);
  // `Uint8Array.from` would make a list of all characters first.
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** The text in a payload: UTF-8, or Latin-1 where it is none. Throws where it is no base64. */
function payloadText(payload: string): string {
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(payload);
  } catch {
    throw new ResultError("the result cannot be read: it is no base64");
  }
  try {
    const decoder = new platform.TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes);
  } catch {
    return platform.atob(payload);
  }
}

/**
 * Random bytes that nobody can guess. Without `crypto`, as in Node.js before 19, others may predict
 * them.
 */
function randomBytes(length: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, () => Math.floor(Math.random() * 256));
  return platform.crypto?.getRandomValues(bytes) ?? bytes;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON, or undefined where it is none. */
function parse(text: unknown): unknown {
  try {
    return typeof text === "string" ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** What brokers send: a delivery, or a receipt. */
interface Frame {
  messageId?: unknown;
  payload?: unknown;
  properties?: unknown;
  context?: unknown;
  result?: unknown;
  errorMsg?: unknown;
}

/** The routing data of a message. */
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
  x_dasf_repeated?: unknown;
  x_dasf_on_demand?: unknown;
  x_dasf_answer?: unknown;
  x_dasf_error?: unknown;
}

/** What a value looks like, in as much as a program relies on it. */
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

/** A property: always there, or maybe, or there with this value if it is left out. */
type Property = { name: string; shape: Shape; optional?: true; default?: unknown };

/** The shapes of the types that have a name. */
type Shapes = Readonly<Record<string, Shape>>;

/** A copy of the value with defaults for what is left out; throws where it is of another shape. */
function read(shape: Shape, value: unknown, path: string, shapes: Shapes): unknown {
  const refuse = (reason: string): never => {
    throw new ResultError(`${path} is not what this client expects: ${reason}`);
  };
  const wrong = (expected: string): never => {
    const list = Array.isArray(value) ? "a list" : "an object";
    const found = value === null ? "null" : typeof value === "object" ? list : `a ${typeof value}`;
    return refuse(`${found}, not ${expected}`);
  };
  if (typeof shape === "string") {
    const fits =
      shape === "any" ||
      (shape === "null" && value === null) ||
      (shape === "integer" && Number.isInteger(value)) ||
      typeof value === shape;
    return fits ? value : wrong(shape);
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
    if (typeof value !== "string") return wrong("string");
    return shape.besides.includes(value) ? refuse(`${JSON.stringify(value)} has another form`) : value;
  }
  if ("list" in shape) return items(() => shape.list);
  if ("tuple" in shape) {
    const { tuple } = shape;
    if (!Array.isArray(value) || value.length !== tuple.length) wrong(`${tuple.length} values`);
    return items((index) => tuple[index] ?? "any");
  }
  if ("union" in shape) {
    for (const variant of shape.union) {
      try {
        return read(variant, value, path, shapes);
      } catch {
        // Another one may fit.
      }
    }
    return refuse(`${excerpt(value)} is of none of the declared types`);
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
    // A copy, because results belong to the caller.
    if ("default" in property) entries.push([key, parse(JSON.stringify(property.default))]);
    else if (!property.optional) refuse(`it has no ${JSON.stringify(key)}`);
  }
  return Object.fromEntries(entries);
}

/** The beginning of a value, which is enough to recognize its variant. */
function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** How long the handshake of a socket may take, in milliseconds. */
const CONNECT_LIMIT = 30_000;
/** How long the broker may take to confirm a message before the connection counts as lost. */
const RECEIPT_LIMIT = 60_000;
/** How long closing may take. */
const CLOSE_LIMIT = 5_000;
/** How many messages may be without the broker's receipt before no more are sent. */
const UNRECEIPTED_LIMIT = 256;
/** How often a message is sent that takes the connection with it. */
const MAX_LOSSES = 4;
/** What timers can count to. */
const LONGEST = 2 ** 31 - 1;
/** The longest topic that the databases of all brokers store, in characters. */
const TOPIC_LIMIT = 50;
/** Such databases store call numbers below this one. */
const CONTEXT_LIMIT = 2 ** 31;

/** What one socket is for. */
interface Purpose {
  open(): WebSocketLike;
  heard(frame: Frame): void;
  opened(): void;
  lost(reason: string): void;
}

/** One socket, which is opened again whenever it is lost. */
class Link {
  /** Why there is no connection; undefined while there is one. */
  failure: string | undefined = "the connection is not made yet";
  readonly #purpose: Purpose;
  #socket: WebSocketLike | undefined;
  #timer: unknown;
  #failures = 0;
  #openedAt = 0;
  #stopped: (() => void) | undefined;

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
      this.#openedAt = Date.now();
      this.#purpose.opened();
    };
    socket.onmessage = (event) => {
      const frame = parse(event.data);
      if (socket === this.#socket && isObject(frame)) this.#purpose.heard(frame);
    };
    socket.onerror = (event) => (reason = event.message ?? "");
    socket.onclose = (event) => {
      reason ||= `closed with code ${event.code}${event.reason ? `, ${event.reason}` : ""}`;
      if (socket === this.#socket) this.lose(reason);
      else this.#stopped?.();
    };
  }

  send(frame: object): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** Gives the socket up for this reason, and opens another after a while. */
  lose(reason: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    platform.clearTimeout(this.#timer);
    // One that is accepted and dropped at once is no success.
    if (this.failure === undefined && Date.now() - this.#openedAt >= 5_000) this.#failures = 0;
    this.failure = reason;
    const longest = Math.min(100 * 2 ** this.#failures++, 20_000);
    const wait = longest * (0.5 + Math.random() / 2);
    this.#timer = platform.setTimeout(() => this.#connect(), wait);
    this.#purpose.lost(reason);
  }

  /** Closes the socket for good; resolves when that is done. */
  async stop(): Promise<void> {
    platform.clearTimeout(this.#timer);
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

/** A message to the module. */
interface Outgoing {
  readonly call: Call;
  readonly payload: string;
  readonly properties: Properties;
  /** How often the connection was lost while this one was the first without a receipt. */
  losses: number;
  /** When it was written to the socket last. */
  sentAt: number;
}

/** An answer, whole. */
interface Answer {
  payload: string;
  properties: Properties;
}

/** A call that awaits its answer. */
interface Call {
  readonly context: string;
  readonly deadline: number;
  readonly onProgress: ((report: ProgressReport) => void) | undefined;
  readonly fragments: Map<number, string>;
  /** What these fragments have in common. */
  answer: unknown;
  size: number;
  /** What is sent only to a module that asks for it. */
  readonly held: readonly string[];
  /** What sends it to the module that asked last. */
  sender: Link | undefined;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Calls a module: many calls at once over one pair of connections. @internal */
export class Caller {
  readonly #topic: string;
  readonly #responseTopic: string;
  readonly #options: ClientOptions;
  readonly #shapes: Shapes;
  readonly #subscription: string;
  readonly #socket: SocketMaker;
  #producer: Link | undefined;
  #consumer: Link | undefined;
  #wasConnected = false;
  #closing: Promise<void> | undefined;
  readonly #calls = new Map<string, Call>();
  /** The number of the last call. Two clients use different numbers, in case their topics are equal. */
  #context: number;
  /** What is to be sent, in this order; a set, because calls that end are taken out of it. */
  #queue = new Set<Outgoing>();
  #unreceipted: Outgoing[] = [];
  #receiptTimer: unknown;
  #apiInfo: Promise<Record<string, unknown>> | undefined;
  /** The ends of what sent something to a module that asked for it. */
  readonly #endings = new Set<Promise<void>>();

  constructor(options: ClientOptions, topic: string, shapes: Shapes) {
    this.#options = options;
    this.#topic = options.topic ?? topic;
    // A name that no other client has: 128 random bits, or as many as fit.
    const room = TOPIC_LIMIT - this.#topic.length - 1;
    const bytes = randomBytes(20);
    const whole = toBase64(bytes.subarray(0, 16)).replace(/\+/g, "-").replace(/\//g, "_");
    const session = whole.slice(0, room < 8 ? 22 : Math.min(room, 22));
    this.#context = bytes.subarray(16).reduce((sum, byte) => sum * 256 + byte, 0) % CONTEXT_LIMIT;
    this.#responseTopic = `${this.#topic}_${session}`;
    this.#shapes = shapes;
    if (!/^[-\w]+$/.test(this.#topic)) {
      throw new ConnectionError(
        `${JSON.stringify(this.#topic)} is no name of a topic; set one as \`topic\``,
      );
    }
    this.#subscription = `typescript-client-${session}`;
    this.#socket = socketMaker(options);
  }

  /** Sends a request, and returns its result. */
  async call<T>(request: object, result: Shape, options: CallOptions = {}): Promise<T> {
    const json = new platform.TextEncoder().encode(JSON.stringify(request));
    const limit = this.#options.maxPayloadSize ?? 700 << 10;
    const deadline = this.#deadline(options);
    const isLarge = json.length > limit;
    const speaks = isLarge ? await this.#speaks(deadline, options) : [];
    const isCut = speaks.includes("request_fragments");
    // The module is one of a group, each of which would get some of the fragments only.
    const isOnDemand = !isCut && speaks.includes("requests_on_demand");
    if (isLarge && !isCut && !isOnDemand) {
      const most = `a module of this kind takes ${limit} at most`;
      throw new RequestTooLargeError(`the request has ${json.length} bytes, and ${most}`);
    }
    const base64 = toBase64(json);
    const pieces = isLarge ? [] : [base64];
    for (let start = 0; isLarge && start < base64.length; start += limit) {
      pieces.push(base64.slice(start, start + limit));
    }
    const answer = await this.#exchange("request", pieces, deadline, options, isOnDemand);
    const text = payloadText(answer.payload);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new ResultError(`the result cannot be read: ${String(error)}`);
    }
    return read(result, value, "result", this.#shapes) as T;
  }

  /** Asks whether the module listens. */
  async ping(options: CallOptions = {}): Promise<void> {
    await this.#exchange("ping", [""], this.#deadline(options), options);
  }

  /** The module's description of itself. */
  async apiInfo(options: CallOptions = {}): Promise<Record<string, unknown>> {
    const answer = await this.#exchange("api_info", [""], this.#deadline(options), options);
    const info = parse(answer.properties.api_info);
    if (!isObject(info)) throw new ResultError("the module's description of itself is no object");
    return info;
  }

  /** Rejects the calls that are on their way, and closes the connections. */
  close(): Promise<void> {
    this.#closing ??= this.#stop("the client is closed");
    return this.#closing;
  }

  #timeout(options: CallOptions): number {
    return options.timeout ?? this.#options.timeout ?? 60_000;
  }

  #deadline(options: CallOptions): number {
    return Date.now() + Math.min(this.#timeout(options), LONGEST);
  }

  /** What the module understands beyond the protocol. */
  async #speaks(deadline: number, { signal }: CallOptions): Promise<unknown[]> {
    const timeout = deadline - Date.now();
    const info = await (this.#apiInfo ?? this.apiInfo({ timeout, signal }));
    this.#apiInfo = Promise.resolve(info);
    const { x_dasf }: { x_dasf?: unknown } = info;
    const { speaks }: { speaks?: unknown } = isObject(x_dasf) ? x_dasf : {};
    return Array.isArray(speaks) ? speaks : [];
  }

  /**
   * Publishes one message, in as many frames as there are pieces, and waits for its answer. On
   * demand, the pieces are not sent before the module asks for them.
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
      const reason = () => signal?.reason ?? new DasfError("the call was aborted");
      if (signal?.aborted) return reject(reason());
      if (this.#closing) return reject(new ConnectionError("the client is closed"));
      const context = this.#nextContext();
      const abort = () => call.reject(reason());
      const timer = platform.setTimeout(
        () => call.reject(this.#lateness(this.#timeout(options))),
        deadline - Date.now(),
      );
      let messages: Outgoing[] = [];
      const settle = () => {
        this.#calls.delete(context);
        for (const message of messages) this.#queue.delete(message);
        this.#endSender(call);
        platform.clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      const call: Call = {
        context,
        deadline,
        onProgress,
        fragments: new Map(),
        answer: undefined,
        size: 0,
        held: isOnDemand ? pieces : [],
        sender: undefined,
        resolve: (answer) => (settle(), resolve(answer)),
        reject: (error) => (settle(), reject(error)),
      };
      signal?.addEventListener("abort", abort);
      this.#calls.set(context, call);
      const sent = isOnDemand ? [""] : pieces;
      messages = sent.map((payload, fragment) => {
        const place = sent.length > 1 ? { fragment, num_fragments: sent.length } : {};
        const mark = isOnDemand ? { x_dasf_on_demand: "1" } : {};
        const response_topic = this.#responseTopic;
        const routing = { messageType, requestContext: context, response_topic };
        return { call, payload, properties: { ...routing, ...place, ...mark }, losses: 0, sentAt: 0 };
      });
      for (const message of messages) this.#queue.add(message);
      this.#connect();
      this.#publish();
    });
  }

  /** A number for a call that no pending call has. */
  #nextContext(): string {
    let context: string;
    do {
      this.#context = (this.#context + 1) % CONTEXT_LIMIT;
      context = String(this.#context);
    } while (this.#calls.has(context));
    return context;
  }

  #lateness(timeout: number): DasfError {
    const text = `no answer from the topic ${this.#topic} within ${timeout} ms`;
    const failure = this.#consumer?.failure ?? this.#producer?.failure;
    return failure
      ? new ConnectionError(`${text}: ${failure}`)
      : new TimeoutError(`${text}; is a module listening there?`);
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
      open: () => this.#socket("producer", this.#topic),
      heard: (frame) => this.#settle(frame),
      opened,
      lost: (reason) => {
        this.#sendAgain();
        this.#lost(reason);
      },
    });
  }

  /** Gives up where there never was a connection: the address may be wrong. */
  #lost(reason: string): void {
    if (!this.#wasConnected) void this.#stop(`there is no connection to the broker: ${reason}`);
  }

  /** Puts what has no receipt back into the queue: whether the broker took it is not known. */
  #sendAgain(): void {
    platform.clearTimeout(this.#receiptTimer);
    // Brokers read in order, so that a message which itself makes them drop the connection comes to
    // be the first.
    const [first] = this.#unreceipted;
    if (first && ++first.losses >= MAX_LOSSES) {
      const text = `the connection was lost each of the ${MAX_LOSSES} times it was sent`;
      first.call.reject(new ConnectionError(`the request was not sent: ${text}`));
    }
    // Where the call has ended, nobody waits for the answer any more.
    const again = this.#unreceipted.filter(({ call }) => this.#calls.has(call.context));
    for (const { properties } of again) properties.x_dasf_repeated = "1";
    this.#queue = new Set([...again, ...this.#queue]);
    this.#unreceipted = [];
  }

  /** Sends what waits, once an answer can be read. */
  #publish(): void {
    const failure = this.#consumer?.failure ?? this.#producer?.failure;
    if (!this.#producer || failure !== undefined) return;
    this.#wasConnected = true;
    for (const message of this.#queue) {
      if (this.#unreceipted.length >= UNRECEIPTED_LIMIT) break;
      this.#queue.delete(message);
      const { call, payload, properties } = message;
      properties.x_dasf_timeout_ms = Math.max(0, call.deadline - Date.now());
      message.sentAt = Date.now();
      this.#unreceipted.push(message);
      this.#producer.send({ payload, context: call.context, properties });
    }
    platform.clearTimeout(this.#receiptTimer);
    // The oldest one counts: else calls that follow one another would put the end off for ever.
    const [oldest] = this.#unreceipted;
    if (oldest) {
      this.#receiptTimer = platform.setTimeout(() => {
        // The broker does not answer, and so the other connection is as good as lost as well.
        const reason = `no receipt within ${RECEIPT_LIMIT} ms`;
        this.#producer?.lose(reason);
        this.#consumer?.lose(reason);
      }, oldest.sentAt + RECEIPT_LIMIT - Date.now());
    }
  }

  /** Matches the broker's receipt with its message. */
  #settle({ context, result, errorMsg }: Frame): void {
    if (typeof result !== "string") return;
    // A refusal without a context (Pulsar's answer to bad JSON) is about the first message.
    const isMeant = ({ call }: Outgoing) => call.context === String(context ?? call.context);
    const index = this.#unreceipted.findIndex(isMeant);
    const [message] = index < 0 ? [] : this.#unreceipted.splice(index, 1);
    if (result !== "ok") {
      const reason = typeof errorMsg === "string" ? `${errorMsg} (${result})` : result;
      const text = `the broker refuses to publish to the topic ${this.#topic}: ${reason}`;
      message?.call.reject(new RefusedError(text));
    }
    this.#publish();
  }

  /** Hands a message to the call that awaits it. */
  #receive({ messageId, payload, properties }: Frame): void {
    if (typeof messageId === "string") this.#consumer?.send({ messageId });
    if (!isObject(properties)) return;
    const { requestContext }: Properties = properties;
    const call = this.#calls.get(String(requestContext));
    // The answer came before, or no call waits for it, or it is for another client.
    if (!call || !this.#isMeant(properties)) return;
    try {
      this.#answer(call, typeof payload === "string" ? payload : "", properties);
    } catch (error) {
      call.reject(error);
    }
  }

  /** Whether an answer is from the called module, and for this client. */
  #isMeant({ messageType, source_topic, response_topic }: Properties): boolean {
    const isTopic = (named: unknown, topic: string) => (named ?? "") === "" || named === topic;
    // In a message that asks for a payload, it names the topic for the payload.
    const isHere = messageType === "fetch" || isTopic(response_topic, this.#responseTopic);
    return isHere && isTopic(source_topic, this.#topic);
  }

  #answer(call: Call, piece: string, properties: Properties): void {
    if (properties.messageType === "progress") {
      let report: unknown;
      try {
        report = parse(payloadText(piece));
      } catch {
        // The answer does not depend on it.
      }
      if (isObject(report)) call.onProgress?.(report as unknown as ProgressReport);
      return;
    }
    if (properties.messageType === "fetch") return this.#sendHeld(call, properties.response_topic);
    if (properties.messageType !== "response" && properties.messageType !== "pong") return;
    const payload = this.#whole(call, piece, properties);
    if (payload === undefined) return;
    if (properties.status === "error") {
      const { x_dasf_error: error } = properties;
      const info = isObject(error) ? error : parse(error);
      call.reject(new ModuleError(payloadText(payload), isObject(info) ? info : {}));
    } else {
      call.resolve({ payload, properties });
    }
  }

  /**
   * Sends what a call holds to the module that asks for it on this topic. The call does not fail
   * where that does: the module may have died, and another one asks then.
   */
  #sendHeld(call: Call, topic: unknown): void {
    const { context: requestContext, held } = call;
    // It becomes a part of a URL.
    if (typeof topic !== "string" || !/^[-\w]{1,255}$/.test(topic) || held.length === 0) return;
    const response_topic = this.#responseTopic;
    const routing = { messageType: "request", requestContext, response_topic };
    const count = { num_fragments: held.length };
    let [connections, sent, taken] = [0, 0, 0];
    const publish = () => {
      for (; sent < held.length && sent - taken < UNRECEIPTED_LIMIT; sent++) {
        const x_dasf_timeout_ms = Math.max(0, call.deadline - Date.now());
        const properties: Properties = { ...routing, fragment: sent, ...count, x_dasf_timeout_ms };
        sender.send({ payload: held[sent], context: requestContext, properties });
      }
    };
    // The module that asked before is gone.
    this.#endSender(call);
    const sender = (call.sender = new Link({
      open: () => this.#socket("producer", topic),
      opened: () => {
        if (++connections > MAX_LOSSES) return this.#endSender(call);
        sent = taken;
        publish();
      },
      heard: ({ result }) => {
        if (typeof result !== "string") return;
        // Brokers answer in order.
        if (result !== "ok" || ++taken === held.length) return this.#endSender(call);
        publish();
      },
      lost: () => {},
    }));
  }

  /** Closes the connection on which the call sends what it holds, if there is one. */
  #endSender(call: Call): void {
    const ending = call.sender?.stop();
    call.sender = undefined;
    if (!ending) return;
    this.#endings.add(ending);
    void ending.then(() => this.#endings.delete(ending));
  }

  /** The whole payload, once all of its fragments are there. */
  #whole(call: Call, piece: string, properties: Properties): string | undefined {
    const { fragment, num_fragments } = properties;
    if ((fragment ?? num_fragments ?? null) === null) return piece;
    // Pulsar makes texts of them.
    const [index, count] = [Number(fragment ?? NaN), Number(num_fragments ?? NaN)];
    if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || index >= count) {
      throw new ResultError("the fragments of the answer have no proper numbers");
    }
    const { fragments } = call;
    // Where another module answers as well, because the first one died over that.
    if (call.answer !== properties.x_dasf_answer) {
      call.answer = properties.x_dasf_answer;
      call.size = 0;
      fragments.clear();
    }
    if (!fragments.has(index)) {
      fragments.set(index, piece);
      call.size += piece.length;
    }
    const limit = this.#options.maxResponseSize ?? 256 << 20;
    if (call.size > limit) {
      throw new ResultError(`the answer exceeds maxResponseSize, which is ${limit} bytes`);
    }
    if (fragments.size < count) return undefined;
    return Array.from({ length: count }, (_, index) => fragments.get(index) ?? "").join("");
  }

  async #stop(reason: string): Promise<void> {
    for (const call of [...this.#calls.values()]) call.reject(new ConnectionError(reason));
    platform.clearTimeout(this.#receiptTimer);
    const links = [this.#producer, this.#consumer];
    this.#producer = this.#consumer = undefined;
    this.#queue.clear();
    this.#unreceipted = [];
    await Promise.all([...links.map((link) => link?.stop()), ...this.#endings]);
  }
}

/** Opens the sockets of topics. */
type SocketMaker = (
  role: "producer" | "consumer",
  topic: string,
  subscription?: string,
) => WebSocketLike;

/** What opens sockets at the address in the options. */
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
      "this platform has no WebSocket; hand in one, such as that of the package ws: { WebSocket }",
    );
  }
  if (!options.WebSocket && Object.keys(headers).length > 0) {
    throw new ConnectionError(
      "the platform's WebSocket sends no headers; hand in one that does, such as that of the package ws",
    );
  }
  const url = pulsar ? "" : checkedUrl(options.url ?? "");
  const baseOfPulsar = pulsar && pulsarBase(pulsar);
  const handshake: Record<string, string> = { ...headers };
  if (token !== undefined && options.WebSocket) {
    const scheme = pulsar ? "Bearer" : "Token";
    handshake["authorization"] = `${scheme} ${token}`;
  }
  return (role, topic, subscription) => {
    const [base = "", query] = baseOfPulsar ? [baseOfPulsar(role)] : url.split("?");
    const parameters = query ? [query] : [];
    if (pulsar && subscription) parameters.push("subscriptionMode=NonDurable");
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
      // The reason may show the whole address, and there may be a token in its query.
      const reason = parameters.length > 0 ? "" : `: ${String(error)}`;
      throw new ConnectionError(`no socket can be made for ${path.join("/")}${reason}`);
    }
  };
}

/** Cuts the newline at the end of a text from a file, and allows no other one. */
function oneLine(name: string, text: string): string {
  const line = text.replace(/[\r\n]+$/, "");
  // The message does not show the value: it may be a secret.
  if (/[\r\n]/.test(line)) throw new ConnectionError(`${name} has a newline inside: it is one line`);
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
    const hint = colons > 2 ? "; an IPv6 address is in brackets, as in ws://[::1]:8080" : "";
    const form = "it has the form ws://host:port/path or wss://host/path";
    throw new ConnectionError(`${shown} is no URL of a WebSocket; ${form}${hint}`);
  }
  checkedPlace(host, Number(port ?? 80));
  return url;
}

const NO_USER = "a broker's address has no user name: use a token";

/** Checks a host and a port, and returns them in the form of a URL. */
function checkedPlace(text: string, port: number): string {
  const host = oneLine("the host", text);
  const address = host.replace(/^\[(.*)\]$/, "$1");
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new ConnectionError(`the port ${port} is none: ports go from 1 to 65535`);
  }
  if (isIPv6(address)) return `[${address}]:${port}`;
  // Letters and digits of all scripts, and the ASCII characters - . and _
  if (/^[^\s\0-,/:-@[-^`{-\x7f]+$/.test(host)) return `${host}:${port}`;
  if (host.trim() === "") {
    throw new ConnectionError("the host is empty: give a name or an address");
  }
  // The message does not show the host: it may contain a password.
  if (host.includes("@")) throw new ConnectionError(NO_USER);
  const [, given] = /^[^:]*:(\d+)$/.exec(host) ?? [];
  let hint = "is neither a name nor an address";
  if (host.includes("://")) hint = "is a URL: give the name alone, and `tls: true` in place of wss://";
  else if (given) hint = `has a port: give it as \`port: ${given}\``;
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

/** The part of a Pulsar's URLs in front of the topic. Checks the host. */
function pulsarBase(address: PulsarAddress): (role: string) => string {
  const { host = "localhost", port = 8080, persistence = "non-persistent" } = address;
  const { tenant = "public", namespace = "default", tls = false } = address;
  const place = checkedPlace(host, port);
  return (role) => {
    const parts = [role, persistence, tenant, namespace].map(encodeURIComponent);
    return `${tls ? "wss" : "ws"}://${place}/ws/v2/${parts.join("/")}`;
  };
}
