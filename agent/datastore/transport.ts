import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createGunzip } from 'node:zlib';
import type { Clock } from '../base/clock.js';
import { ApiError } from './api-error.js';
import type { Connection, TlsMaterial } from './connection.js';

export interface Exchange {
  readonly method: 'GET' | 'PATCH' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query, below the server's own prefix. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Until the answer's headers are here, connecting included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is still to be read (or destroyed). */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Decompressed bytes; ends with an error when the connection breaks off. */
  readonly body: AsyncIterable<Buffer>;
  destroy(): void;
}

/** A dead peer is found by the kernel after 5 s idle and ten unanswered probes 1 s apart (libuv's interval and count). */
const TCP_KEEPALIVE_MS = 5_000;
const MAX_IDLE_SOCKETS = 4;

/** HTTP/1.1 to one API server over kept-alive connections. Owns its sockets. */
export class Transport {
  readonly #connection: Connection;
  readonly #clock: Clock;
  #agents: Agents | undefined;
  #tls: TlsMaterial | undefined;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Resolves once headers are here, whatever the status. Throws ApiError without status when no answer came. */
  async send(exchange: Exchange): Promise<Answer> {
    const credentials = await this.#connection.credentials();
    const agents = this.#agentsFor(credentials.tls);
    const { server } = this.#connection;
    const options: RequestOptions = {
      agent: agents.kept,
      method: exchange.method,
      protocol: server.protocol,
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || undefined,
      path: server.pathname.replace(/\/$/, '') + exchange.path,
      headers: { 'user-agent': 'canal', accept: 'application/json', 'accept-encoding': 'gzip', ...credentials.headers, ...exchange.headers, ...lengthOf(exchange.body) },
    };
    // What must not be done twice never meets a connection that the server may be closing.
    if (!repeatable(exchange)) return this.#roundTrip({ ...options, agent: agents.fresh }, exchange);
    try {
      return await this.#roundTrip(options, exchange);
    } catch (error) {
      // The server closed an idle connection just as we took it.
      if (!(error instanceof StaleSocket)) throw error;
      return this.#roundTrip({ ...options, agent: agents.fresh }, exchange);
    }
  }

  /** Destroys all connections; answers that are being read end with an error. */
  close(): void {
    this.#agents?.kept.destroy();
    this.#agents?.fresh.destroy();
    this.#agents = undefined;
  }

  #roundTrip(options: RequestOptions, exchange: Exchange): Promise<Answer> {
    const timer = new AbortController();
    const subject = `${exchange.method} ${exchange.path.split('?')[0]}`;
    return new Promise<Answer>((resolve, reject) => {
      if (exchange.signal?.aborted) return reject(new ApiError('aborted', { subject }));
      const request = (options.protocol === 'https:' ? httpsRequest : httpRequest)(options);
      const abort = (): void => void request.destroy(new Error('aborted'));
      exchange.signal?.addEventListener('abort', abort, { once: true });
      request.on('socket', (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE_MS));
      request.on('error', (cause: NodeJS.ErrnoException) => {
        const Kind = request.reusedSocket && cause.code === 'ECONNRESET' ? StaleSocket : ApiError;
        const doubt = repeatable(exchange) || NOT_SENT.has(cause.code ?? '') ? '' : '; it may have done what was asked';
        reject(new Kind(`API server does not answer: ${cause.message}${doubt}`, { subject, cause }));
      });
      request.on('close', () => {
        timer.abort();
        exchange.signal?.removeEventListener('abort', abort);
      });
      request.on('response', (response) => {
        timer.abort();
        resolve(toAnswer(response));
      });
      request.end(exchange.body);
      void this.#clock.sleep(exchange.timeoutMs, timer.signal).then(() => {
        if (!timer.signal.aborted) request.destroy(new Error(`no answer in ${exchange.timeoutMs} ms`));
      });
    });
  }

  #agentsFor(tls: TlsMaterial): Agents {
    if (this.#agents !== undefined && this.#tls === tls) return this.#agents;
    // Running answers keep the old agents' sockets until they end; idle ones time out at the server.
    const common = { keepAlive: true, keepAliveMsecs: TCP_KEEPALIVE_MS, maxFreeSockets: MAX_IDLE_SOCKETS, scheduling: 'lifo' as const };
    const secure = this.#connection.server.protocol === 'https:';
    this.#agents = secure ? { kept: new HttpsAgent({ ...common, ...tls }), fresh: new HttpsAgent(tls) } : { kept: new HttpAgent(common), fresh: new HttpAgent() };
    this.#tls = tls;
    return this.#agents;
  }
}

interface Agents {
  /** Connections are kept for the next request. */
  readonly kept: HttpAgent;
  /** One connection a request. */
  readonly fresh: HttpAgent;
}

class StaleSocket extends ApiError {}

/** Errors before there is a connection: nothing was sent. */
const NOT_SENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);

/** Whether doing it twice is as doing it once. A JSON patch may append, or test what it changes itself; a create makes two. */
const repeatable = ({ method, headers }: Exchange): boolean => method !== 'POST' && !(method === 'PATCH' && headers?.['content-type'] === 'application/json-patch+json');

/** Node sends a body of DELETE without any length unless told, which the server takes for the next request. */
function lengthOf(body: string | undefined): { 'content-length'?: number } {
  return body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
}

function toAnswer(response: IncomingMessage): Answer {
  const destroy = (): void => void response.destroy();
  const base = { status: response.statusCode ?? 0, headers: response.headers, destroy };
  if (response.headers['content-encoding'] !== 'gzip') return { ...base, body: response };
  const gunzip = createGunzip();
  response.on('error', (error) => gunzip.destroy(error));
  // Whoever reads the body gets the error; nobody may be reading when the connection breaks.
  gunzip.on('error', () => undefined);
  gunzip.on('close', destroy);
  return { ...base, body: response.pipe(gunzip) };
}
