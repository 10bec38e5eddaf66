import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { giveTool } from '../../agent/bench/kubernetes/bench-pods.js';
import type { Connection } from '../../agent/datastore/connection.js';

const STDIN = 0, STDERR = 2, STATUS = 3;

/**
 * An API server whose one pod runs commands on this machine, with another
 * directory for /tmp. As one with containerd 1.6 behind it, it says nothing more
 * of a command that fails before it has read its input.
 */
let server: WebSocketServer;
let tmp = '';
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (offered) => [...offered][0]! });
  server.on('connection', (socket, request) => serve(socket, new URL(request.url!, 'http://x').searchParams.getAll('command')));
  await once(server, 'listening');
});
afterAll(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

function serve(socket: WebSocket, [program, ...args]: string[]): void {
  const child = spawn(program!, args.map((arg) => arg.replaceAll('/tmp/', `${tmp}/`)), { stdio: ['pipe', 'ignore', 'pipe'] });
  let given = 0;
  child.stdin.on('error', () => undefined); // it has ended
  child.stderr.on('data', (text: Buffer) => socket.send(Buffer.concat([Buffer.of(STDERR), text])));
  socket.on('message', (data: Buffer) => {
    if (data[0] !== STDIN) return;
    given += data.length - 1;
    child.stdin.write(data.subarray(1));
  });
  child.on('close', (code) => {
    if (code !== 0 && given > 0) return;
    socket.send(Buffer.concat([Buffer.of(STATUS), Buffer.from(JSON.stringify({ status: code === 0 ? 'Success' : 'Failure' }))]), () => socket.close());
  });
}

it('says of a pod without a /tmp to write to that it has none', async () => {
  tmp = '/proc/none';
  const connection: Connection = {
    server: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), origin: 'test',
    credentials: () => Promise.resolve({ headers: {}, tls: {} }), invalidate: () => undefined,
  };
  await expect(giveTool(connection, { namespace: 'a', name: 'b' })).rejects.toThrow(/in a\/b: .*\/proc\/none/);
});
