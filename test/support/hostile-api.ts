import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface HostileObject {
  metadata: { name: string; namespace?: string; resourceVersion?: string; [key: string]: unknown };
  [key: string]: unknown;
}

/** What the server does to the next request of a kind instead of serving it. */
export type Fault =
  | { on: 'list' | 'watch'; do: 'answer'; status: number; headers?: Record<string, string>; body?: unknown }
  /** Takes the request and never answers. */
  | { on: 'list' | 'watch'; do: 'hang' }
  /** Closes the connection without an answer. */
  | { on: 'list' | 'watch'; do: 'drop' }
  /** Sends these bytes as the watch's whole stream, then ends it. */
  | { on: 'watch'; do: 'stream'; bytes: string }
  /** Accepts the watch and never writes to it again: a half-open connection. */
  | { on: 'watch'; do: 'silence' };

export interface Seen {
  readonly kind: 'list' | 'watch';
  readonly query: URLSearchParams;
  readonly socket: Socket;
}

interface Event {
  readonly type: string;
  readonly object: HostileObject;
  readonly version: number;
}

/**
 * One collection of an API server, with real state and a will to fail: paged
 * lists, watches from a version, and the faults that a test asks for.
 */
export class HostileApi {
  readonly seen: Seen[] = [];
  readonly faults: Fault[] = [];
  readonly objects = new Map<string, HostileObject>();
  version = 100;
  #history: Event[] = [];
  /** Versions and tokens below are answered by 410. */
  #oldest = 0;
  readonly #watches = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  /** Listens; again on the same port after `stop`. */
  async start(): Promise<this> {
    const server = createServer((request, response) => this.#serve(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server!.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#watches.clear();
    await closed;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Watches that are open and served. */
  get watching(): number {
    return this.#watches.size;
  }

  count(kind: Seen['kind']): number {
    return this.seen.filter((s) => s.kind === kind).length;
  }

  put(object: HostileObject): void {
    const key = keyOf(object);
    const type = this.objects.has(key) ? 'MODIFIED' : 'ADDED';
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.version) } };
    this.objects.set(key, stored);
    this.#record({ type, object: stored, version: this.version });
  }

  delete(key: string): void {
    const object = this.objects.get(key);
    if (object === undefined) return;
    this.objects.delete(key);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.version) } };
    this.#record({ type: 'DELETED', object: last, version: this.version });
  }

  bookmark(): void {
    this.#write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.version) } } })}\n`);
  }

  /** Forgets history: watches from before and continue tokens are answered by 410. */
  compact(): void {
    this.#history = [];
    this.#oldest = ++this.version;
  }

  /** Ends all watches: in order, after half a line, or after these bytes. */
  cut(how: 'end' | 'mid-line' | { bytes: string }): void {
    for (const response of this.#watches) {
      if (how === 'end') response.end();
      else if (how === 'mid-line') response.write('{"type":"ADDED","obj', () => response.destroy());
      else response.end(how.bytes);
    }
    this.#watches.clear();
  }

  /** Open watches stay open, and nothing is written to them any more. */
  silence(): void {
    this.#watches.clear();
  }

  #record(event: Event): void {
    this.#history.push(event);
    this.#write(line(event));
  }

  #write(bytes: string): void {
    for (const response of this.#watches) response.write(bytes);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const query = new URL(request.url!, 'http://x').searchParams;
    const kind = query.get('watch') === 'true' ? 'watch' : 'list';
    this.seen.push({ kind, query, socket: request.socket });
    const at = this.faults.findIndex((fault) => fault.on === kind);
    if (at >= 0) return fail(this.faults.splice(at, 1)[0]!, request, response);
    if (kind === 'list') this.#list(query, response);
    else this.#watch(query, response);
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? Number.MAX_SAFE_INTEGER);
    const [version, from] = (query.get('continue') ?? `${this.version}:0`).split(':').map(Number) as [number, number];
    if (version < this.#oldest) return answer(response, 410, expired);
    const all = [...this.objects.values()];
    const next = from + limit < all.length ? `${version}:${from + limit}` : undefined;
    answer(response, 200, { kind: 'List', metadata: { resourceVersion: String(version), continue: next }, items: all.slice(from, from + limit) });
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    if (from < this.#oldest) return answer(response, 410, expired);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const event of this.#history) if (event.version > from) response.write(line(event));
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
  }
}

export const expired = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' };

export const keyOf = (object: HostileObject): string =>
  object.metadata.namespace === undefined ? object.metadata.name : `${object.metadata.namespace}/${object.metadata.name}`;

const line = (event: Event): string => `${JSON.stringify({ type: event.type, object: event.object })}\n`;

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function fail(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
  if (fault.do === 'answer') answer(response, fault.status, fault.body ?? '', fault.headers);
  if (fault.do === 'drop') request.socket.destroy();
  if (fault.do !== 'stream' && fault.do !== 'silence') return;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  if (fault.do === 'stream') response.end(fault.bytes);
}
