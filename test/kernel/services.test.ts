import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { netnsCookie } from '../../agent/kernel/cgroup-attachment.js';
import { TCP, UDP } from '../packet/frames.js';
import { FAST_LOCAL, SERVICES } from '../packet/node.js';
import { ServiceRows, type Backend } from '../packet/service-rows.js';
import { takeNamespace } from '../support/own-namespace.js';
import { ServiceNode } from './service-node.js';

const MODES = ['tcp', 'udp', 'udp-connected'] as const;

beforeAll(takeNamespace);

describe.each([4, 6] as const)('IPv%i services with real packets', (family) => {
  let node: ServiceNode;
  const services = new ServiceRows(() => node.node);
  const address = family === 4 ? '10.96.0.1' : 'fd96::1';
  const podA = family === 4 ? '10.42.0.2' : 'fd00::2';
  const offer = (...backends: Backend[]): void => {
    for (const protocol of [TCP, UDP]) services.put({ port: 80, protocol, backends });
  };
  const backend = (pod: 'a' | 'b'): Backend => ({ address: node.node.at[pod], port: 8080 });

  beforeAll(async () => {
    node = await ServiceNode.create(family);
    node.hookSockets();
    await Promise.all([node.serve('a', 8080), node.serve('b', 8080)]);
  });
  afterAll(async () => {
    await node?.close();
  });
  beforeEach(() => node.node.reset(SERVICES | FAST_LOCAL));

  describe.each([['at the socket', true], ['packet by packet', false]] as const)('%s', (_, hooked) => {
    it.each(MODES)('the client talks to the service, the backend to the client (%s)', async (mode) => {
      offer(backend('b'));
      const talk = await node.ask(hooked, mode, address, 80);
      expect(talk).toMatchObject({ peer: `${address} 80`, answer: expect.stringContaining(`${podA} `) });
      if (mode !== 'tcp') expect(talk.from).toBe(`${address} 80`);
      expect(node.node.plane.rows('nat')).toHaveLength(hooked ? 0 : 2);
      expect(node.node.plane.rows('sock').length > 0).toBe(hooked);
    });

    it.each(MODES)('a pod reaches itself (%s)', async (mode) => {
      offer(backend('a'));
      const talk = await node.ask(hooked, mode, address, 80);
      // At the socket it is a talk inside the pod; else the pod sees the service in its own place.
      expect(talk).toMatchObject({ peer: `${address} 80`, answer: expect.stringContaining(`${hooked ? podA : address} `) });
    });

    it.each(MODES)('a pod reaches itself by its packets, which policy sees, where it has any (%s)', async (mode) => {
      offer(backend('a'));
      node.node.isolate('a', 'ingress', [{ peer: node.node.at.a, protocol: mode === 'tcp' ? TCP : UDP, port: 8080, id: 7n }]);
      expect(await node.ask(hooked, mode, address, 80)).toMatchObject({ peer: `${address} 80`, answer: expect.stringContaining(`${address} `) });
      expect(node.node.plane.rows('nat')).toHaveLength(2);
      // Another backend of the same policy is asked as ever.
      offer(backend('b'));
      expect(await node.ask(hooked, mode, address, 80)).toMatchObject({ answer: expect.stringContaining(`${podA} `) });
    });

    // An unconnected socket is not told of ICMP errors.
    it.each(MODES.filter((mode) => hooked || mode !== 'udp'))('no backend is a refusal at once (%s)', async (mode) => {
      offer();
      expect(await node.ask(hooked, mode, address, 80)).toEqual({ error: 'ECONNREFUSED' });
    });

    it('works where the host stack forwards', async () => {
      node.node.configure(SERVICES);
      offer(backend('b'));
      for (const mode of MODES) expect(await node.ask(hooked, mode, address, 80)).toMatchObject({ peer: `${address} 80` });
    });
  });

  if (family === 4) {
    it('translates IPv4 through IPv6 sockets', async () => {
      offer(backend('b'));
      for (const mode of MODES) expect(await node.ask(true, mode, `::ffff:${address}`, 80)).toMatchObject({ peer: `${address} 80` });
      expect(node.node.plane.rows('nat')).toHaveLength(0);
      offer();
      expect(await node.ask(true, 'tcp', `::ffff:${address}`, 80)).toEqual({ error: 'ECONNREFUSED' });
    });
  }

  it('leaves connected UDP sockets of pods to their packets, which can move, once it can tell them from the node’s', async () => {
    node.node.configure(SERVICES | FAST_LOCAL, { hostNetns: netnsCookie()! });
    offer(backend('b'));
    expect(await node.ask(true, 'udp-connected', address, 80)).toMatchObject({ peer: `${address} 80`, from: `${address} 80` });
    expect([node.node.plane.rows('nat').length, node.node.plane.rows('sock').length]).toEqual([2, 0]);
    expect(await node.ask(true, 'tcp', address, 80)).toMatchObject({ peer: `${address} 80` });
    expect(node.node.plane.rows('sock')).toHaveLength(1);
    offer();
    expect(await node.ask(true, 'udp-connected', address, 80)).toEqual({ error: 'ECONNREFUSED' });
  });

  it('leaves other addresses and other sockets alone', async () => {
    offer(backend('b'));
    const pod = family === 4 ? '10.42.0.3' : 'fd00::3';
    for (const mode of MODES) expect(await node.ask(true, mode, pod, 8080)).toMatchObject({ peer: `${pod} 8080` });
    expect(node.node.plane.rows('sock')).toHaveLength(0);
  });

  it('swaps hooks in place, and detaches', async () => {
    const before = node.hooks();
    node.hookSockets();
    expect(node.hooks()).toEqual(before);
    node.unhookSockets();
    expect(node.hooks().every((hook) => hook === undefined)).toBe(true);
    offer(backend('b'));
    expect(await node.ask(true, 'tcp', address, 80)).toMatchObject({ peer: `${address} 80` });
    expect(node.node.plane.rows('sock')).toHaveLength(0);
    node.hookSockets();
    node.unhookSockets();
    node.unhookSockets();
  });
});
