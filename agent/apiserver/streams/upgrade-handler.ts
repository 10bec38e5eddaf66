import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { V1Pod } from '@kubernetes/client-node';
import { WebSocketServer } from 'ws';
import { parseResourcePath } from '../http/resource-path.js';
import { statusOf, flagParameter } from '../http/exchange.js';
import type { PodRuntime, PodTarget } from '../pod-runtime.js';
import { badRequest, noSuchPath, notImplemented } from '../status.js';
import type { ApiContext } from '../verbs/context.js';
import { existing } from '../verbs/create.js';
import { EXEC_PROTOCOLS, serveExecWebSocket } from './exec-websocket.js';
import { serveExecSpdy } from './exec-spdy.js';
import { containerOf } from './pod-container.js';
import { servePortForward } from './port-forward.js';
import type { RemoteCommand } from './remote-command.js';
import { SpdyConnection } from './spdy/connection.js';
import { byteStreamOf } from './websocket-bytes.js';

const TUNNEL = 'SPDY/3.1+portforward.k8s.io';
const SPDY_EXEC_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const MAX_MESSAGE_BYTES = 1 << 20;

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MAX_MESSAGE_BYTES,
  handleProtocols: (offered) => [...EXEC_PROTOCOLS, TUNNEL].find((protocol) => offered.has(protocol)) ?? false,
});

/** A request with an Upgrade header: exec, attach and port-forward, by WebSocket or SPDY/3.1. Never rejects. */
export async function handleUpgrade(context: ApiContext, runtime: PodRuntime | undefined, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    await dispatch(context, runtime, request, socket, head);
  } catch (error) {
    const status = statusOf(error);
    const body = JSON.stringify(status);
    socket.end(`HTTP/1.1 ${status.code} ${STATUS_CODES[status.code ?? 500] ?? ''}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
  }
}

async function dispatch(context: ApiContext, runtime: PodRuntime | undefined, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://server');
  const path = parseResourcePath(context.registry, url.pathname);
  if (path === undefined || path.kind.kind !== 'Pod' || !['exec', 'attach', 'portforward'].includes(path.subresource)) throw noSuchPath();
  const pod = existing(context, path.kind, path.namespace, path.name) as unknown as V1Pod;
  if (runtime === undefined) throw notImplemented(`${path.subresource} needs a pod runtime, and this server runs no pods`);
  if (!pod.spec?.nodeName) throw badRequest(`pod ${path.name} does not have a host assigned`);
  const target: PodTarget = { namespace: path.namespace, pod: path.name, uid: pod.metadata?.uid ?? '', nodeName: pod.spec.nodeName };
  const upgrade = (request.headers.upgrade ?? '').toLowerCase();
  const command = path.subresource === 'portforward' ? undefined : remoteCommand(path.subresource as 'exec' | 'attach', pod, target, url.searchParams);
  if (upgrade === 'websocket') {
    sockets.handleUpgrade(request, socket, head, (connection) => {
      if (command !== undefined) void serveExecWebSocket(connection, runtime, command);
      else servePortForward(new SpdyConnection(byteStreamOf(connection)), runtime, target);
    });
  } else if (upgrade === 'spdy/3.1') {
    const connection = acceptSpdy(request, socket, head, command === undefined ? ['portforward.k8s.io'] : SPDY_EXEC_PROTOCOLS);
    if (command !== undefined) await serveExecSpdy(connection, runtime, command);
    else servePortForward(connection, runtime, target);
  } else {
    throw badRequest(`Upgrade request required`);
  }
}

function acceptSpdy(request: IncomingMessage, socket: Duplex, head: Buffer, supported: readonly string[]): SpdyConnection {
  const header = request.headers['x-stream-protocol-version'];
  const offered = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((one) => one.trim());
  const protocol = offered.find((one) => supported.includes(one));
  if (protocol === undefined) throw badRequest(`unable to negotiate protocol: client supports [${offered.join(', ')}], server accepts [${supported.join(', ')}]`);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  return new SpdyConnection(socket);
}

function remoteCommand(mode: 'exec' | 'attach', pod: V1Pod, target: PodTarget, query: URLSearchParams): RemoteCommand {
  const command = query.getAll('command');
  if (mode === 'exec' && command.length === 0) throw badRequest('you must specify at least 1 container, at least one of stdin, stdout, stderr and a command');
  return {
    mode,
    target: { ...target, container: containerOf(pod, query.get('container') ?? '') },
    command,
    stdin: flagParameter(query, 'stdin'),
    stdout: flagParameter(query, 'stdout'),
    stderr: flagParameter(query, 'stderr'),
    tty: flagParameter(query, 'tty'),
  };
}
