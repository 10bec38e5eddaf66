import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import type { Problem } from '../../../agent/base/errors.js';
import type { Namespace, Node, Pod } from '../../../agent/model/objects.js';
import type { Policy } from '../../../agent/model/policy.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';
import { ALL } from '../../../agent/model/selector.js';
import { createStore, type Store } from '../../../agent/store/store.js';
import { ManualClock } from '../../support/manual-clock.js';
import { Random, testSeed } from '../../support/random.js';

const pod = (name: string, address = '10.0.0.1', labels: Record<string, string> = {}): Pod => ({
  namespace: 'ns', name, uid: 'u', labels, serviceAccount: 'default', nodeName: 'n1', hostNetwork: false,
  addresses: [IpAddress.parse(address)!], finished: false, hostPorts: [], namedPorts: [],
});
const namespace = (name: string, label = ''): Namespace => ({ name, labels: { label } });
const node = (name: string, type = 'vxlan'): Node => ({
  name, labels: {}, podCidrs: [], internalAddresses: [], flannelAnnotations: {}, networkUnavailable: undefined,
  lease: { backendType: type, backendData: '', backendV6Data: undefined, publicIp: undefined, publicIpV6: undefined },
});
const policy = (name: string, order = 1000): Policy => ({
  key: { kind: 'NetworkPolicy', namespace: 'ns', name }, tier: 'default', order, subject: { namespaces: { name: 'ns' }, pods: ALL },
  directions: ['ingress'], ingress: [], egress: [],
});
const problem = (object: string): Problem => ({ object, field: 'spec', message: 'bad' });

let clock: ManualClock;
let store: Store;
let emitted: Snapshot[];
beforeEach(() => {
  clock = new ManualClock();
  emitted = [];
  store = createStore({ clock, onChange: (snapshot) => emitted.push(snapshot) });
});
afterEach(() => store.close());

function sync(): void {
  for (const sink of Object.values(store.sinks)) sink.synced();
}
const settle = (): Promise<void> => clock.advance(1_000);

describe('before the first full sync', () => {
  it('nothing is emitted while one kind has no full list, however long', async () => {
    store.sinks.pods.put('ns/a', pod('a'), []);
    store.sinks.pods.synced();
    store.sinks.nodes.synced();
    store.sinks.namespaces.synced();
    await clock.advance(3_600_000);
    expect(emitted).toEqual([]);
    expect(store.snapshot()).toBeUndefined();
    store.sinks.policies.synced();
    store.sinks.services.synced();
    store.sinks.endpointSlices.synced();
    await settle();
    expect(emitted).toHaveLength(1);
    expect([...emitted[0]!.pods.keys()]).toEqual(['ns/a']);
  });

  it('an empty cluster is emitted as such', async () => {
    sync();
    await settle();
    expect(emitted).toHaveLength(1);
    expect(emitted[0]!.tiers.get('default')!.defaultAction).toBe('deny');
  });
});

describe('changes', () => {
  beforeEach(async () => {
    store.sinks.pods.put('ns/a', pod('a'), []);
    store.sinks.pods.put('ns/b', pod('b'), []);
    store.sinks.nodes.put('n1', node('n1'), []);
    sync();
    await settle();
    emitted.length = 0;
  });

  it('an update that decodes to an equal value wakes nobody', async () => {
    for (let i = 0; i < 100; i++) {
      store.sinks.nodes.put('n1', node('n1'), []);
      store.sinks.pods.put('ns/a', pod('a'), []);
      await clock.advance(50);
    }
    store.sinks.pods.gone('ns/never-was');
    sync();
    await settle();
    expect(emitted).toEqual([]);
  });

  it('share what did not change with the snapshot before', async () => {
    const before = store.snapshot()!;
    store.sinks.pods.put('ns/b', pod('b', '10.0.0.2'), []);
    await settle();
    const after = store.snapshot()!;
    expect(after.nodes).toBe(before.nodes);
    expect(after.problems).toBe(before.problems);
    expect(after.pods).not.toBe(before.pods);
    expect(after.pods.get('ns/a')).toBe(before.pods.get('ns/a'));
    expect(before.pods.get('ns/b')!.addresses[0]!.text).toBe('10.0.0.1');
  });

  it('in a burst are one snapshot, when it is over; but the first does not wait for the others', async () => {
    for (let i = 0; i < 20; i++) {
      store.sinks.pods.put(`ns/p${i}`, pod(`p${i}`), []);
      await clock.advance(2);
    }
    expect(emitted.map(({ pods }) => pods.size)).toEqual([3]);
    await clock.advance(5);
    expect(emitted.map(({ pods }) => pods.size)).toEqual([3, 22]);
  });

  it('that do not end are emitted at the maximum gap', async () => {
    for (let i = 0; i < 500; i++) {
      store.sinks.pods.put('ns/a', pod('a', `10.0.1.${i % 250}`), []);
      await clock.advance(2);
    }
    expect(emitted.length).toBeGreaterThanOrEqual(9);
    expect(emitted.length).toBeLessThanOrEqual(11);
  });

  it('are emitted at once when they come alone, together with what comes in the same moment, and never before `put` has returned', async () => {
    store.sinks.policies.put('NetworkPolicy/ns/p', policy('p'), []);
    store.sinks.policies.put('NetworkPolicy/ns/q', policy('q'), []);
    expect(emitted).toHaveLength(0);
    await clock.advance(0);
    expect(emitted.map(({ policies }) => policies.size)).toEqual([2]);
  });

  it('that follow another within 5 ms are emitted 5 ms after they come', async () => {
    store.sinks.policies.put('NetworkPolicy/ns/p', policy('p'), []);
    await clock.advance(3);
    store.sinks.policies.put('NetworkPolicy/ns/q', policy('q'), []);
    await clock.advance(4);
    expect(emitted.map(({ policies }) => policies.size)).toEqual([1]);
    await clock.advance(1);
    expect(emitted.map(({ policies }) => policies.size)).toEqual([1, 2]);
  });

  it('that come to nothing but a problem show the problem, until it is mended', async () => {
    store.sinks.pods.put('ns/a', pod('a'), [problem('Pod ns/a')]);
    await settle();
    expect(store.snapshot()!.problems).toEqual([problem('Pod ns/a')]);
    store.sinks.pods.put('ns/a', pod('a'), []);
    await settle();
    expect(store.snapshot()!.problems).toEqual([]);
    expect(emitted).toHaveLength(2);
  });

  it('an object that cannot be used is absent, with its problem, and both go with it', async () => {
    store.sinks.pods.put('ns/a', undefined, [problem('Pod ns/a')]);
    await settle();
    expect(store.snapshot()!.pods.has('ns/a')).toBe(false);
    expect(store.snapshot()!.problems).toHaveLength(1);
    store.sinks.pods.gone('ns/a');
    await settle();
    expect(store.snapshot()!.problems).toEqual([]);
  });

  it('are not emitted any more once closed', async () => {
    store.sinks.pods.gone('ns/a');
    store.close();
    await settle();
    expect(emitted).toEqual([]);
  });
});

describe('a snapshot is a function of the objects, not of the events', () => {
  type Step = (store: Store) => void;
  const plain = (snapshot: Snapshot | undefined): unknown =>
    JSON.stringify(
      Object.entries(snapshot!).map(([part, value]) => [part, Array.isArray(value) ? value : [...(value as ReadonlyMap<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : 1))]),
    );
  const keys = ['a', 'b', 'c', 'd', 'e', 'f'];

  /** Per key its history; histories of different keys may come in any order between each other. */
  function histories(random: Random): Step[][] {
    const value = (): string => `10.0.0.${1 + random.below(3)}`;
    return keys.flatMap((key) => [
      Array.from({ length: 1 + random.below(4) }, (): Step => {
        const address = value();
        const problems = random.next() < 0.2 ? [problem(`Pod ns/${key}`)] : [];
        return random.next() < 0.3 ? (s) => s.sinks.pods.gone(`ns/${key}`) : (s) => s.sinks.pods.put(`ns/${key}`, pod(key, address), problems);
      }),
      Array.from({ length: random.below(3) }, (): Step => {
        const order = random.below(3);
        return random.next() < 0.3 ? (s) => s.sinks.policies.gone(key) : (s) => s.sinks.policies.put(key, policy(key, order), []);
      }),
      Array.from({ length: random.below(3) }, (): Step => {
        const label = String(random.below(2));
        return random.next() < 0.3 ? (s) => s.sinks.namespaces.gone(key) : (s) => s.sinks.namespaces.put(key, namespace(key, label), []);
      }),
    ]);
  }
  const interleave = (random: Random, all: Step[][]): Step[] => {
    const rest = all.map((steps) => [...steps]).filter((steps) => steps.length > 0);
    const out: Step[] = [];
    while (rest.length > 0) {
      const i = random.below(rest.length);
      out.push(rest[i]!.shift()!);
      if (rest[i]!.length === 0) rest.splice(i, 1);
    }
    return out;
  };
  const squash = (all: Step[][]): Step[] => all.flatMap((steps) => steps.slice(-1));
  const duplicate = (all: Step[][]): Step[][] => all.map((steps) => steps.flatMap((step) => [step, step]));

  async function run(steps: readonly Step[], pauseMs: () => number, syncAt: number): Promise<unknown> {
    const own = new ManualClock();
    const target = createStore({ clock: own, onChange: () => undefined });
    for (const [i, step] of [...steps, () => undefined].entries()) {
      if (i === Math.min(syncAt, steps.length)) for (const sink of Object.values(target.sinks)) sink.synced();
      step(target);
      const pause = pauseMs();
      if (pause > 0) await own.advance(pause);
    }
    await own.advance(1_000);
    target.close();
    return plain(target.snapshot());
  }

  it('shuffled, squashed, duplicated and split in time, early or late synced', async () => {
    const random = new Random(testSeed());
    console.log(`store expander seed ${random.seed}`);
    for (let round = 0; round < 60; round++) {
      const all = histories(random);
      const expected = await run(all.flat(), () => 0, 0);
      const variants: [string, Step[]][] = [
        ['shuffled', interleave(random, all)],
        ['reversed', [...all].reverse().flat()],
        ['squashed', squash(all)],
        ['duplicated', interleave(random, duplicate(all))],
      ];
      for (const [name, steps] of variants) {
        const got = await run(steps, () => (random.next() < 0.4 ? random.below(150) : 0), random.below(steps.length + 1));
        expect(got, `${name}, round ${round}, seed ${random.seed}`).toBe(expected);
      }
    }
  });
});
