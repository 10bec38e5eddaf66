import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { Random, testSeed } from '../../support/random.js';
import { Node } from './node.js';

let node: Node;
beforeEach(() => (node = new Node()));
afterEach(() => node.remove());

/** Stops the agent for good at its n-th step from now; resolves when it is dead. */
function killAtStep(n: number): { atStep: () => Promise<void>; dead: Promise<void> } {
  let left = n;
  let die!: () => void;
  const dead = new Promise<void>((resolve) => (die = resolve));
  const atStep = async (): Promise<void> => {
    if (left-- > 0) return;
    die();
    await new Promise(() => undefined);
  };
  return { atStep, dead };
}

const addressesOnLinks = (): string[] => [...node.dataplane.links.values()].flatMap(({ spec }) => spec.addresses.map(({ text }) => text)).sort();

/** Records, devices and addresses tell one story, and no address is used twice. */
function expectConsistent(): void {
  const recorded = node.context.endpoints.ready().flatMap(({ addresses }) => addresses.map(({ text }) => text)).sort();
  expect(new Set(recorded).size).toBe(recorded.length);
  expect(node.reserved()).toEqual(recorded.slice().sort());
  expect(addressesOnLinks()).toEqual(recorded);
}

describe('an agent that is killed', () => {
  it.each(Array.from({ length: 14 }, (_, i) => i))('at step %i of an ADD leaves nothing after the next start, and the same ADD then succeeds', async (step) => {
    const { atStep, dead } = killAtStep(step);
    node.dataplane.atStep = atStep;
    await Promise.race([node.add('c1'), dead]);
    node.dataplane.atStep = async () => undefined;
    await node.restart();
    expectConsistent();
    expect((await node.add('c1')).status).toBe(0);
    expectConsistent();
    expect(node.reserved()).toHaveLength(1);
  });

  it('at any time in 2,000 ADDs of which 30 % never see a DEL leaks no address and gives none twice', async () => {
    const random = new Random(testSeed());
    console.log(`CANAL_TEST_SEED=${random.seed}`);
    node.podCidrs = [Cidr.parse('10.244.0.0/22')!];
    const running: string[] = [];
    for (let i = 0; i < 2_000; i++) {
      const id = `c${i}`;
      if (random.chance(0.05)) {
        const { atStep, dead } = killAtStep(random.below(24));
        node.dataplane.atStep = atStep;
        const victim = running[0];
        await Promise.race([Promise.all([node.add(id), victim === undefined ? undefined : node.del(victim)]), dead]);
        node.dataplane.atStep = async () => undefined;
        await node.restart();
        expectConsistent();
        const alive = new Set(node.context.endpoints.all().map(({ endpoint }) => endpoint.containerId));
        running.splice(0, running.length, ...[...running, id].filter((known) => alive.has(known)));
        continue;
      }
      expect((await node.add(id)).status).toBe(0);
      running.push(id);
      if (running.length < 20) continue;
      const [oldest] = running.splice(random.below(running.length), 1);
      if (random.chance(0.3)) node.dataplane.killNetns(`/netns/${oldest}`); // the runtime never tells
      else expect((await node.del(oldest!)).status).toBe(0);
    }
    await node.restart();
    expectConsistent();
    expect(node.reserved()).toHaveLength(running.length);
  }, 60_000);
});

describe('a start', () => {
  const net = (): string => join(node.directory, 'networks', 'net');
  const reserve = (address: string, owner: string, ageMs: number): void => {
    mkdirSync(net(), { recursive: true });
    writeFileSync(join(net(), address), owner);
    const then = new Date(Date.now() - ageMs);
    utimesSync(join(net(), address), then, then);
  };

  it('keeps running pods that another plugin attached, and frees what nobody uses', async () => {
    node.dataplane.foreign('cali0123', IpAddress.parse('10.244.1.7')!);
    reserve('10.244.1.7', 'theirs\r\neth0', 3_600_000);
    reserve('10.244.1.8', 'dead\r\neth0', 3_600_000);
    reserve('10.244.1.9', '', 0); // its writer died with the lock
    reserve('10.244.1.10', 'being-added\r\neth0', 1_000);
    expect([...(await node.restart()).freed].sort()).toEqual(['10.244.1.8', '10.244.1.9']);
    expect(node.reserved()).toEqual(['10.244.1.10', '10.244.1.7']);
  });

  it('forgets pods that a reboot took', async () => {
    await node.add('c1');
    await node.add('c2');
    node.dataplane.killNetns('/netns/c1');
    node.dataplane.killNetns('/netns/c2');
    expect([...(await node.restart()).undone].sort()).toEqual(['c1@eth0', 'c2@eth0']);
    expect(node.reserved()).toEqual([]);
  });

  it('changes nothing where nothing is wrong', async () => {
    await node.add('c1');
    const calls = node.dataplane.calls.length;
    expect(await node.restart()).toEqual({ undone: [], freed: [] });
    expect(node.dataplane.calls.length).toBe(calls);
    expectConsistent();
  });

  it('does not believe a netns gone whose device is still there', async () => {
    await node.add('c1');
    node.dataplane.deadNetns.add('/netns/c1'); // a path that this mount namespace cannot see
    expect((await node.restart()).undone).toEqual([]);
  });

  it('forgets a record whose bytes a power cut took', () => {
    writeFileSync(join(node.directory, 'endpoints', 'c1%40eth0.json'), '');
    node.start();
    expect(node.context.endpoints.problems).toEqual([]);
    expect(readdirSync(join(node.directory, 'endpoints'))).toEqual([]);
  });

  it('shows a record that cannot be read and leaves it where it is', () => {
    writeFileSync(join(node.directory, 'endpoints', 'bad.json'), '{');
    writeFileSync(join(node.directory, 'endpoints', 'half.json.tmp'), '{');
    node.start();
    expect(node.context.endpoints.problems).toMatchObject([{ object: expect.stringContaining('bad.json') }]);
    expect(node.context.endpoints.all()).toEqual([]);
  });
});
