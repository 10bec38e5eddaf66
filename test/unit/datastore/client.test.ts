import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../agent/base/clock.js';
import { ApiError } from '../../../agent/datastore/api-error.js';
import { createKubeClient, type KubeClient } from '../../../agent/datastore/client.js';
import type { Connection, TlsMaterial } from '../../../agent/datastore/connection.js';
import { NODES, PODS } from '../../../agent/datastore/resource.js';
import { ManualClock, until } from '../../support/manual-clock.js';
import { authority, clientIdentity, serverIdentity, stranger } from '../../support/tls-identities.js';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

let server: Server | undefined;
let client: KubeClient | undefined;
let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string; port: number }[] = [];

afterEach(async () => {
  client?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = client = undefined;
  seen = [];
});

const collect = (handler: Handler) => (request: IncomingMessage, response: ServerResponse) => {
  let body = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('end', () => {
    seen.push({ method: request.method!, url: request.url!, headers: request.headers, body, port: request.socket.remotePort! });
    handler(request, response, body);
  });
};

async function serve(handler: Handler, tls?: object): Promise<URL> {
  server = tls === undefined ? createServer(collect(handler)) : createTlsServer(tls, collect(handler));
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return new URL(`${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

function connect(url: URL, parts: { tls?: TlsMaterial; token?: () => string; invalidate?: () => void; clock?: ManualClock } = {}): KubeClient {
  const { tls = {} } = parts;
  const connection: Connection = {
    server: url,
    origin: 'test',
    credentials: () => Promise.resolve({ headers: parts.token ? { authorization: `Bearer ${parts.token()}` } : {}, tls }),
    invalidate: () => parts.invalidate?.(),
  };
  return (client = createKubeClient(connection, parts.clock ?? systemClock));
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};
const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await promise.then(() => undefined, (e: unknown) => e);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
};

describe('requests', () => {
  it('have the paths, types and bodies that the API knows', async () => {
    const url = await serve((_, response) => json(response, 200, { kind: 'X', metadata: { resourceVersion: '1' } }));
    const kube = connect(url);
    await kube.get(PODS, { namespace: 'a', name: 'p' });
    await kube.list(NODES, { limit: 5, continue: 'x+/=' });
    await kube.patch(NODES, { name: 'n' }, 'strategic', { a: 1 }, { subresource: 'status', fieldManager: 'flanneld' });
    await kube.patch(PODS, { namespace: 'a', name: 'p' }, 'merge', { b: 2 });
    await kube.create(PODS, 'a', { c: 3 });
    await kube.remove(PODS, { namespace: 'a', name: 'p' });
    expect(seen.map((s) => `${s.method} ${s.url} ${s.headers['content-type'] ?? '-'} ${s.body}`.trim())).toEqual([
      'GET /api/v1/namespaces/a/pods/p -',
      'GET /api/v1/nodes?limit=5&continue=x%2B%2F%3D -',
      'PATCH /api/v1/nodes/n/status?fieldManager=flanneld application/strategic-merge-patch+json {"a":1}',
      'PATCH /api/v1/namespaces/a/pods/p application/merge-patch+json {"b":2}',
      'POST /api/v1/namespaces/a/pods application/json {"c":3}',
      'DELETE /api/v1/namespaces/a/pods/p application/json',
    ]);
  });

  it('go below the prefix of a server that is behind one', async () => {
    const url = await serve((_, response) => json(response, 200, {}));
    await connect(new URL('/k8s/clusters/c1/', url)).get(NODES, { name: 'n' });
    expect(seen[0]!.url).toBe('/k8s/clusters/c1/api/v1/nodes/n');
  });

  it('share a connection, and take a new one when the server has closed it meanwhile', async () => {
    const url = await serve((_, response) => json(response, 200, {}));
    const kube = connect(url);
    await kube.get(NODES, { name: 'a' });
    // Node hands the socket back one turn after the body's end.
    await new Promise((resolve) => setImmediate(resolve));
    await kube.get(NODES, { name: 'b' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(seen.map((s) => s.port)).size).toBe(1);
    server!.closeIdleConnections();
    await kube.patch(NODES, { name: 'c' }, 'merge', {});
    expect(seen.map((s) => s.url.split('/').at(-1))).toEqual(['a', 'b', 'c']);
  });

  it('read compressed answers', async () => {
    const items = Array.from({ length: 1_000 }, (_, i) => ({ metadata: { name: `n${i}` } }));
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(JSON.stringify({ metadata: { resourceVersion: '5' }, items })));
    });
    const page = await connect(url).list(NODES);
    expect(seen[0]!.headers['accept-encoding']).toBe('gzip');
    expect(page.items).toHaveLength(1_000);
  });
});

describe('errors', () => {
  it('keep status, reason, message and Retry-After', async () => {
    const url = await serve((_, response) => json(response, 409, { kind: 'Status', code: 409, reason: 'Conflict', message: 'the object has been modified' }, { 'retry-after': '3' }));
    const error = await failure(connect(url).get(NODES, { name: 'n' }));
    expect(error).toMatchObject({ code: 'DATASTORE', status: 409, reason: 'Conflict', message: 'the object has been modified', retryAfterMs: 3_000, subject: 'GET /api/v1/nodes/n' });
  });

  it('of a proxy that speaks no Kubernetes show what it said', async () => {
    const url = await serve((_, response) => response.writeHead(502).end('<html>bad gateway'));
    const error = await failure(connect(url).get(NODES, { name: 'n' }));
    expect(error).toMatchObject({ status: 502, reason: '' });
    expect(error.message).toContain('bad gateway');
  });

  it('have no status where nobody answered', async () => {
    const url = await serve(() => undefined);
    server!.close();
    expect((await failure(connect(new URL(`http://127.0.0.1:1`)).get(NODES, { name: 'n' }))).status).toBeUndefined();
    expect(url).toBeDefined();
  });

  it('come after 10 s without an answer, and after 10 s without a further byte of one', async () => {
    for (const start of [() => undefined, (response: ServerResponse) => void response.writeHead(200).write('{"a":')]) {
      const url = await serve((_, response) => start(response));
      const clock = new ManualClock();
      let error: unknown;
      connect(url, { clock }).get(NODES, { name: 'n' }).catch((e: unknown) => (error = e));
      await until(() => seen.length === 1);
      await until(() => error !== undefined, clock, 1_000);
      expect(error).toBeInstanceOf(ApiError);
      expect(clock.monotonic()).toBeGreaterThanOrEqual(10_000);
      server!.closeAllConnections();
      server!.close();
      seen = [];
    }
  });

  it('are the answer to an aborted request', async () => {
    const url = await serve(() => undefined);
    const stop = new AbortController();
    const pending = failure(connect(url).list(PODS, { signal: stop.signal }));
    await until(() => seen.length === 1);
    stop.abort();
    expect((await pending).message).toContain('aborted');
  });
});

describe('a token', () => {
  it('that is refused is read again, once', async () => {
    let token = 'old';
    const url = await serve((request, response) => json(response, request.headers.authorization === 'Bearer new' ? 200 : 401, { kind: 'Status', code: 401 }));
    const kube = connect(url, { token: () => token, invalidate: () => (token = 'new') });
    await kube.get(NODES, { name: 'n' });
    expect(seen.map((s) => s.headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
  });

  it('that stays refused is an error', async () => {
    const url = await serve((_, response) => json(response, 401, { kind: 'Status', code: 401, reason: 'Unauthorized' }));
    expect(await failure(connect(url, { token: () => 'x' }).get(NODES, { name: 'n' }))).toMatchObject({ status: 401 });
    expect(seen).toHaveLength(2);
  });
});

describe('HTTPS', () => {
  const answerWho: Handler = (request, response) => json(response, 200, { who: (request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? '' });
  const mutual = { ...serverIdentity, ca: authority, requestCert: true, rejectUnauthorized: false };

  it('trusts the given authority, and shows the client certificate', async () => {
    const url = await serve(answerWho, mutual);
    const tls = { ca: Buffer.from(authority), cert: clientIdentity.cert, key: clientIdentity.key };
    expect(await connect(url, { tls }).get(NODES, { name: 'n' })).toEqual({ who: 'canal-client' });
  });

  it('does not talk to a server of another authority, unless told to', async () => {
    const url = await serve(answerWho, { ...stranger });
    const error = await failure(connect(url, { tls: { ca: Buffer.from(authority) }, token: () => 'secret' }).get(NODES, { name: 'n' }));
    expect(error.message).toMatch(/certificate|signature|issuer/i);
    expect(seen).toEqual([]);
    client!.close();
    expect(await connect(url, { tls: { rejectUnauthorized: false } }).get(NODES, { name: 'n' })).toEqual({ who: '' });
  });

  it('takes rotated certificates at the next request', async () => {
    const url = await serve(answerWho, mutual);
    let tls: TlsMaterial = { ca: Buffer.from(authority) };
    const connection: Connection = { server: url, origin: '', credentials: () => Promise.resolve({ headers: {}, tls }), invalidate: () => undefined };
    client = createKubeClient(connection, systemClock);
    expect(await client.get(NODES, { name: 'n' })).toEqual({ who: '' });
    tls = { ...tls, cert: clientIdentity.cert, key: clientIdentity.key };
    expect(await client.get(NODES, { name: 'n' })).toEqual({ who: 'canal-client' });
  });
});

describe('a server that closes a kept connection just as it is used again', () => {
  /** Answers the first request of a connection and hangs up on its second, having done what it asked or not. */
  function hangUpOnSecond(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as typeof request.socket & { used?: boolean };
    if (socket.used === true) return void socket.destroy();
    socket.used = true;
    json(response, 200, {});
  }
  const ref = { namespace: 'x', name: 'a' };
  const kinds: readonly [title: string, ask: (client: KubeClient) => Promise<unknown>, requests: readonly string[]][] = [
    ['a GET', (c) => c.get(PODS, ref), ['GET', 'GET', 'GET']],
    ['a merge patch', (c) => c.patch(PODS, ref, 'merge', {}), ['GET', 'PATCH', 'PATCH']],
    ['a DELETE', (c) => c.remove(PODS, ref), ['GET', 'DELETE', 'DELETE']],
  ];
  it.each(kinds)('%s is repeated on a new connection', async (_title, ask, requests) => {
    const kube = connect(await serve(hangUpOnSecond));
    await kube.get(PODS, ref);
    await ask(kube);
    expect(seen.map(({ method }) => method)).toEqual(requests);
  });

  it('is met with the same trust when the request is repeated over TLS', async () => {
    const kube = connect(await serve(hangUpOnSecond, serverIdentity), { tls: { ca: Buffer.from(authority) } });
    await kube.get(PODS, ref);
    await kube.get(PODS, ref);
    expect(seen).toHaveLength(3);
  });

  it.each<[string, (client: KubeClient) => Promise<unknown>]>([
    ['a create', (c) => c.create(PODS, 'x', {})],
    ['a JSON patch', (c) => c.patch(PODS, ref, 'json', [])],
  ])('never meets %s, which is sent once, on a connection of its own', async (_title, ask) => {
    const kube = connect(await serve(hangUpOnSecond));
    await kube.get(PODS, ref);
    await ask(kube);
    await ask(kube);
    expect(seen).toHaveLength(3);
    expect(new Set(seen.map(({ port }) => port)).size).toBe(3);
  });
});

it('a create whose connection breaks is not repeated, and the error says that it may have been done', async () => {
  const kube = connect(await serve((request) => request.socket.destroy()));
  const error = await failure(kube.create(PODS, 'x', {}));
  expect(error.message).toMatch(/API server does not answer: .*; it may have done what was asked/);
  expect(seen).toHaveLength(1);
});

it('a create that nobody took says no such thing', async () => {
  const url = await serve(() => undefined);
  await new Promise((resolve) => server!.close(resolve));
  server = undefined;
  expect((await failure(connect(url).create(PODS, 'x', {}))).message).not.toMatch(/may have/);
});
