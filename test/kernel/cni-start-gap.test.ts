import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EmptyNetns } from '../support/empty-netns.js';
import { requireOwnNamespace } from '../support/own-namespace.js';
import { addressOf, CniNode } from './cni-node.js';

const PODS = Number(process.env['PODS'] ?? 500);
const AT_ONCE = 10;

/** Sends a datagram a millisecond to each of the addresses that its standard input names last. */
const SENDER = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('error', () => undefined);
  let targets = [];
  process.stdin.on('data', (line) => (targets = line.toString().trim().split('\\n').at(-1).split(' ')));
  process.stdin.on('end', () => process.exit());
  setInterval(() => { for (const target of targets) socket.send('x', 7, target, () => undefined); }, 1);
`;

let node: CniNode;
let sender: ChildProcess;
beforeEach(async () => {
  requireOwnNamespace();
  node = await CniNode.create(78);
  const pod = await node.netns();
  await node.plugin('ADD', 'sender', pod.path); // has 10.78.0.2
  sender = spawn('nsenter', [`--net=${pod.path}`, process.execPath, '-e', SENDER], { stdio: ['pipe', 'ignore', 'inherit'] });
});
afterEach(async () => {
  sender.stdin!.end();
  await node.close();
});

/** IP packets that reached a pod since it was made, whatever became of them. */
function received(pod: EmptyNetns): number {
  const lines = readFileSync(pod.path.replace('ns/net', 'net/snmp'), 'utf8').split('\n').filter((line) => line.startsWith('Ip: '));
  const [names, values] = lines.map((line) => line.split(' ')) as [string[], string[]];
  return Number(values[names.indexOf('InReceives')]);
}

/** host-local hands them out in order. */
const addressAfter = (count: number): string => `10.78.${(count + 2) >> 8}.${(count + 2) & 255}`;

/** Attaches pods while the sender already sends to the addresses they will get. */
async function attach(first: number, name: string): Promise<EmptyNetns[]> {
  const pods = await Promise.all(Array.from({ length: AT_ONCE }, () => node.netns()));
  const expected = pods.map((_, i) => addressAfter(first + i));
  sender.stdin!.write(`${expected.join(' ')}\n`);
  const outputs = await Promise.all(pods.map((pod, i) => node.plugin('ADD', `${name}-${first + i}`, pod.path)));
  expect(outputs.map(addressOf).sort()).toEqual(expected.sort());
  return pods;
}

describe('the start of a pod', () => {
  it(`has no gap: of ${PODS} pods none gets a forbidden packet, and all get allowed ones once ADD has returned`, async () => {
    for (let first = 1; first < PODS; first += AT_ONCE) {
      const open = (first / AT_ONCE) % 2 < 1;
      const pods = await attach(first, open ? 'open' : 'closed');
      if (open) await expect.poll(() => pods.filter((pod) => received(pod) === 0).length, { interval: 2, timeout: 2_000 }).toBe(0);
      else expect(pods.map(received)).toEqual(pods.map(() => 0));
      await Promise.all(pods.map((pod) => pod.close()));
    }
  }, 180_000);

  it('would be seen to have one if policy came 20 ms after the device', async () => {
    node.dataplane.careless = true;
    let seen = 0;
    // On a busy machine the sender may sleep through a gap: there are several to hit.
    for (let first = 1; seen === 0 && first < PODS; first += AT_ONCE) {
      const pods = await attach(first, 'closed');
      seen = pods.filter((pod) => received(pod) > 0).length;
      await Promise.all(pods.map((pod) => pod.close()));
    }
    expect(seen).toBeGreaterThan(0);
  }, 180_000);
});
