import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { IpAddress } from '../../agent/base/address.js';
import { canalSock4Codec, canalSockKey4Codec, CanalSockWay, canalUdpSocketCodec, type CanalUdpSocket } from '../../agent/kernel/abi.generated.js';
import { BpfMap } from '../../agent/kernel/bpf-map.js';
import { BpfObject } from '../../agent/kernel/bpf-object.js';
import { decodeAll } from '../../agent/kernel/codec.js';
import { grow, nativeResult } from '../../agent/kernel/library.js';
import { translatedSockets, type TranslatedSocket } from '../../agent/kernel/udp-sockets.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { takeNamespace } from '../support/own-namespace.js';
import { runQuietly } from '../support/shell.js';

const writes = new WriteCounter();
let object: BpfObject;
let read: () => readonly TranslatedSocket[];
const open: Socket[] = [];

beforeAll(async () => {
  await takeNamespace();
  runQuietly('ip link set lo up');
  object = BpfObject.load({ path: 'build/bpf/canal4.o' });
  read = translatedSockets({ objects: new Map([[4, object]]), writes });
});
afterAll(() => object?.close());
afterEach(() => open.splice(0).forEach((socket) => socket.close()));

async function udp(type: 'udp4' | 'udp6', bind: string): Promise<Socket> {
  const socket = createSocket(type);
  open.push(socket);
  socket.bind(0, bind);
  await once(socket, 'listening');
  return socket;
}

/** A connected socket and what it talks to, as if a program had given it that for a service. */
async function translated(type: 'udp4' | 'udp6', service: bigint): Promise<{ readonly client: Socket; readonly port: number }> {
  const server = await udp('udp4', '127.0.0.1');
  const client = createSocket(type);
  open.push(client);
  client.connect(server.address().port, type === 'udp4' ? '127.0.0.1' : '::ffff:127.0.0.1');
  await once(client, 'connect');
  const { port } = server.address();
  const { cookie } = connected(type === 'udp4' ? 4 : 6).find((socket) => socket.peerPort === port)!;
  const backend = { addr: { word: IpAddress.parse('127.0.0.1')!.bytes }, port };
  const map = new BpfMap('canal_sock4', object.map('canal_sock4'), canalSockKey4Codec, canalSock4Codec, writes);
  map.upsert([{ key: { cookie, peer: backend, protocol: 17, way: CanalSockWay.SOCK_RECEIVES }, value: { service, peer: backend } }], String);
  return { client, port };
}

function connected(family: 4 | 6): CanalUdpSocket[] {
  const { buffer, count } = grow('canal_udp_connected', canalUdpSocketCodec.size, 1, (out, capacity, needed) => nativeResult('canal_udp_connected', family, out, capacity, needed));
  return decodeAll(canalUdpSocketCodec, buffer, count);
}

it.each(['udp4', 'udp6'] as const)('a connected %s socket that was given a backend is found by it, and ended by its cookie', async (type) => {
  const [a, b] = [await translated(type, 7n), await translated(type, 8n)];
  expect(read().map(({ service, backend }) => [service, backend.address.text, backend.port]).sort()).toEqual([[7n, '127.0.0.1', a.port], [8n, '127.0.0.1', b.port]].sort());
  const told = once(a.client, 'error').catch((error: unknown) => [error]);
  read().find(({ service }) => service === 7n)!.abort();
  a.client.send('x');
  expect(await told).toMatchObject([{ code: 'ECONNABORTED' }]);
  expect(read().map(({ service }) => service)).toEqual([8n]);
  await new Promise<void>((resolve, reject) => b.client.send('x', (error) => (error === null ? resolve() : reject(error))));
});

it('sockets that no program has translated are not touched, and ending one that is gone is no error', async () => {
  const server = await udp('udp4', '127.0.0.1');
  const plain = createSocket('udp4');
  open.push(plain);
  plain.connect(server.address().port, '127.0.0.1');
  await once(plain, 'connect');
  expect(connected(4).length).toBeGreaterThan(0);
  expect(read()).toEqual([]);
  const { client } = await translated('udp4', 9n);
  const [socket] = read();
  open.splice(open.indexOf(client), 1);
  client.close();
  await once(client, 'close');
  expect(() => socket!.abort()).not.toThrow();
});
