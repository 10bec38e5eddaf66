import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { CanalError } from '../base/errors.js';

/** Where to listen: a TCP address, or a unix socket that only its owner may use. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface Answer {
  readonly status: number;
  /** Content-Type. */
  readonly type: string;
  /** More than Content-Type and Content-Length. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers one GET; undefined: no such page. */
export type Handler = (path: string, query: URLSearchParams) => Promise<Answer | undefined> | Answer | undefined;

export interface HttpServer {
  /** Port in use; 0 for a unix socket. */
  readonly port: number;
  /** Stops accepting, lets answers in progress end within a second. */
  close(): Promise<void>;
}

export const json = (value: unknown, status = 200): Answer => ({ status, type: 'application/json', body: `${JSON.stringify(value)}\n` });
export const text = (body: string, status = 200): Answer => ({ status, type: 'text/plain; charset=utf-8', body: `${body}\n` });

/** @throws CanalError('CONFIG') when the address cannot be listened on */
export async function serve(address: ListenAddress, handler: Handler): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 1000 }, (request, response) => void respond(handler, request, response));
  await listen(server, address);
  const bound = server.address();
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, close: () => close(server) };
}

async function respond(handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer | undefined;
  try {
    const url = new URL(request.url ?? '/', 'http://agent');
    if (request.method !== 'GET' && request.method !== 'HEAD') answer = json({ message: `${request.method} is not served here` }, 405);
    else answer = (await handler(url.pathname, url.searchParams)) ?? json({ message: `no page ${url.pathname}` }, 404);
  } catch (error) {
    const wrong = error instanceof CanalError && error.code === 'CONFIG';
    answer = json({ message: error instanceof Error ? error.message : String(error) }, wrong ? 400 : 500);
  }
  response.writeHead(answer.status, { ...answer.headers, 'content-type': answer.type, 'content-length': Buffer.byteLength(answer.body) });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  const name = 'path' in address ? address.path : `${address.host}:${address.port}`;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new CanalError('CONFIG', `cannot listen on ${name}: ${cause.message}`, { subject: name, cause })));
    if ('path' in address) {
      mkdirSync(dirname(address.path), { recursive: true, mode: 0o755 });
      rmSync(address.path, { force: true }); // of an agent that was killed; two agents on one node are kept apart by the instance lock
      const umask = process.umask(0o177);
      server.listen(address.path, () => {
        chmodSync(address.path, 0o600);
        resolve();
      });
      process.umask(umask);
    } else {
      server.listen(address.port, address.host === '' ? undefined : address.host, () => resolve());
    }
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => server.closeAllConnections(), 1000);
    server.close(() => {
      clearTimeout(late);
      resolve();
    });
    server.closeIdleConnections();
  });
}
