import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { BALANCING, ServiceCompiler } from '../../../agent/compile/services/compiler.js';
import type { EndpointSlice, Service } from '../../../agent/model/service.js';
import { evaluateService } from '../../../agent/compile/services/evaluate.js';
import type { Node, Pod } from '../../../agent/model/objects.js';
import { endpoint, hostPort, local, node, NODE, pod, port, service, slice, snapshot } from './cluster.js';
import { Maps } from './maps.js';

const HERE = endpoint('10.42.0.2', { nodeName: NODE });
const THERE = endpoint('10.42.1.2');
const NODE_PORT = { type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] } as const;
const BOTH = ['10.42.0.2:8080', '10.42.1.2:8080'];

interface Loaded {
  readonly maps: Maps;
  readonly compiler: ServiceCompiler;
}

function load(services: readonly Service[], slices: readonly EndpointSlice[], { pods = [], localPods = [], balancing = BALANCING }: { pods?: readonly Pod[]; localPods?: readonly ReturnType<typeof local>[]; balancing?: typeof BALANCING } = {}): Loaded {
  const compiler = new ServiceCompiler(balancing);
  const maps = new Maps();
  maps.write(compiler.sync(snapshot(services, slices, '', pods), NODE, { localPods }));
  return { maps, compiler };
}

const led = ({ maps }: Loaded): Record<string, readonly string[] | undefined> => Object.fromEntries([...maps.fronts.keys()].sort().map((front) => [front, maps.backends(front)]));

describe('from outside', () => {
  it.each([
    ['cluster', BOTH],
    ['local', ['10.42.0.2:8080']],
  ] as const)('externalTrafficPolicy %s decides; from inside all endpoints are used, and clusterIPs have no outside', (externalPolicy, outside) => {
    const one = service('web', { ...NODE_PORT, type: 'LoadBalancer', externalPolicy, externalIps: ['198.51.100.1'], loadBalancerIps: ['198.51.100.2'] });
    const all = Object.entries(led(load([one], [slice('a', [HERE, THERE])])));
    expect(Object.fromEntries(all.filter(([front]) => !front.endsWith(' node')))).toEqual({
      '0.0.0.0:30080/6': BOTH, '0.0.0.0:30080/6 outside': outside,
      '10.96.0.1:80/6': BOTH,
      '198.51.100.1:80/6': BOTH, '198.51.100.1:80/6 outside': outside,
      '198.51.100.2:80/6': BOTH, '198.51.100.2:80/6 outside': outside,
    });
  });

  it('policy Local without an endpoint here drops where there are some elsewhere, and refuses where there are none', () => {
    const one = service('web', { ...NODE_PORT, externalPolicy: 'local' });
    expect(led(load([one], [slice('a', [THERE])]))).toMatchObject({ '0.0.0.0:30080/6': ['10.42.1.2:8080'], '0.0.0.0:30080/6 outside': ['drop'] });
    expect(led(load([one], []))).toMatchObject({ '0.0.0.0:30080/6': ['refuse'], '0.0.0.0:30080/6 outside': ['refuse'] });
  });

  it('a node port that two services want belongs to the first by name, and the other is told', () => {
    const [a, b] = [service('a', NODE_PORT), service('b', { ...NODE_PORT, clusterIps: ['10.96.0.2'] })];
    const { maps, compiler } = load([b, a], [slice('a', [HERE], { service: 'a' }), slice('b', [THERE], { service: 'b' })]);
    expect(maps.backends('0.0.0.0:30080/6')).toEqual(['10.42.0.2:8080']);
    expect(compiler.problems()).toEqual(['', ' outside'].map((scope) => ({ object: 'Service shop/b', field: 'spec.ports[].nodePort', message: `0.0.0.0:30080/6${scope} belongs to Service shop/a` })));
    expect(maps.backends('10.96.0.2:80/6')).toEqual(['10.42.1.2:8080']);
  });
});

describe('the node\'s own processes, where externalTrafficPolicy is Local', () => {
  const nodes = (address: string): Map<string, Node> => new Map([[NODE, node('')], ['two', { ...node(''), name: 'two', internalAddresses: [IpAddress.parse('192.0.2.2')!, IpAddress.parse('fd00::2')!] }], ['three', { ...node(''), name: 'three', internalAddresses: [IpAddress.parse(address)!] }]]);
  const LOCAL = { ...NODE_PORT, externalPolicy: 'local' } as const;
  const AFAR = [HERE, THERE, endpoint('10.42.1.3'), endpoint('10.42.2.2', { nodeName: 'three' }), endpoint('10.42.3.2', { nodeName: 'unheard-of' })];

  it('go to other nodes\' endpoints by those nodes\' address and node port, so that their own address is kept; pods do not', () => {
    const world = { ...snapshot([service('web', { ...LOCAL, externalIps: ['198.51.100.1'] })], [slice('a', AFAR)]), nodes: nodes('192.0.2.3') };
    const maps = new Maps();
    maps.write(new ServiceCompiler().sync(world, NODE));
    const relayed = ['10.42.0.2:8080', '10.42.3.2:8080', '192.0.2.2:30080', '192.0.2.3:30080'];
    expect([maps.backends('0.0.0.0:30080/6 node'), maps.backends('198.51.100.1:80/6 node')]).toEqual([relayed, relayed]);
    expect(maps.backends('0.0.0.0:30080/6')).toEqual(AFAR.map(({ address }) => `${address.text}:8080`));
    expect([...maps.fronts].map(([front, { nodeApart }]) => [front, nodeApart])).toEqual(expect.arrayContaining([['0.0.0.0:30080/6', true], ['10.96.0.1:80/6', false], ['0.0.0.0:30080/6 outside', false], ['0.0.0.0:30080/6 node', false]]));
    for (const [front, backends] of [['198.51.100.1', relayed], ['192.0.2.1', relayed], ['10.96.0.1', AFAR.map(({ address }) => `${address.text}:8080`)]] as const) {
      const question = { scope: 'node', client: IpAddress.parse('192.0.2.1')!, address: IpAddress.parse(front)!, port: front === '192.0.2.1' ? 30_080 : 80, protocol: 6 } as const;
      expect(evaluateService({ snapshot: world, nodeName: NODE, ownAddresses: [question.client], localPods: [] }, question)).toMatchObject({ outcome: 'translated', backends });
    }
  });

  it('follow a node whose address changes, and touch nothing where that is not asked', () => {
    const services = [service('web', LOCAL), service('other', { clusterIps: ['10.96.0.2'] })];
    const world = snapshot(services, [slice('a', AFAR)]);
    const compiler = new ServiceCompiler();
    const maps = new Maps();
    maps.write(compiler.sync({ ...world, nodes: nodes('192.0.2.3') }, NODE));
    const change = compiler.sync({ ...world, nodes: nodes('192.0.2.4') }, NODE);
    expect([change.backs.put.length, change.live.put.length, change.live.gone.length, change.fronts.put.length]).toEqual([1, 1, 1, 0]);
    maps.write(change);
    expect(maps.backends('0.0.0.0:30080/6 node')).toContain('192.0.2.4:30080');
    expect(compiler.sync({ ...world, nodes: nodes('192.0.2.4') }, NODE).backs.put).toEqual([]);
  });

  it('have no row of their own by policy Cluster, nor without a node port', () => {
    for (const parts of [NODE_PORT, { externalPolicy: 'local', externalIps: ['198.51.100.1'] }] as const) {
      expect(Object.keys(led(load([service('web', parts)], [slice('a', AFAR)]))).filter((front) => front.endsWith(' node'))).toEqual([]);
    }
  });
});

describe('loadBalancerSourceRanges', () => {
  const ranges = (...texts: readonly string[]): Cidr[] => texts.map((text) => Cidr.parse(text)!);
  const one = (...texts: readonly string[]): Service => service('web', { type: 'LoadBalancer', loadBalancerIps: ['198.51.100.2'], externalIps: ['198.51.100.1'], sourceRanges: ranges(...texts) });

  it('bind the balancer\'s addresses alone, in both scopes, for the sets that they lead to', () => {
    const { maps } = load([one('192.0.2.7/24', 'fd00::/8')], [slice('a', [HERE])]);
    expect([...maps.fronts].filter(([, row]) => row.sourceRanges).map(([front]) => front).sort()).toEqual(['198.51.100.2:80/6', '198.51.100.2:80/6 outside']);
    const { service: set } = maps.fronts.get('198.51.100.2:80/6')!;
    expect([...maps.ranges]).toEqual([`${set.toString(16)}/192.0.2.0/24`]);
  });

  it('change row by row, and go with the service', () => {
    const { maps, compiler } = load([one('192.0.2.0/24')], []);
    const change = compiler.sync(snapshot([one('192.0.2.0/24', '203.0.113.0/24')], []), NODE);
    expect([change.ranges.put.length, change.ranges.gone.length, change.fronts.put.length]).toEqual([1, 0, 0]);
    maps.write(change);
    maps.write(compiler.sync(snapshot([], []), NODE));
    expect([maps.ranges.size, maps.fronts.size]).toEqual([0, 0]);
  });
});

describe('a Maglev service', () => {
  const maglev = (parts = {}): Service => service('web', { ...NODE_PORT, algorithm: 'maglev', ...parts });
  const slots = ({ maps }: Loaded): string[] => {
    const { service: set, backends } = maps.fronts.get('0.0.0.0:30080/6 outside')!;
    return Array.from({ length: backends }, (_, slot) => maps.backs.get(`${set.toString(16)}/4/${slot}`)!.address.text);
  };

  it('has a table for what comes from outside, and plain slots inside', () => {
    const loaded = load([maglev()], [slice('a', [HERE, THERE])]);
    expect(loaded.maps.fronts.get('0.0.0.0:30080/6 outside')).toMatchObject({ hashed: true, backends: 1021 });
    expect(loaded.maps.fronts.get('0.0.0.0:30080/6')).toMatchObject({ hashed: false, backends: 2 });
    expect(led(loaded)).toMatchObject({ '0.0.0.0:30080/6': BOTH, '0.0.0.0:30080/6 outside': BOTH });
    expect(load([maglev()], [slice('b', [THERE]), slice('a', [HERE])]).maps.backs).toEqual(loaded.maps.backs);
  });

  it('keeps most clients where they are when a backend comes, and writes no row for the others', () => {
    const many = Array.from({ length: 10 }, (_, i) => endpoint(`10.42.1.${i + 10}`));
    const before = load([maglev()], [slice('a', many)]);
    const old = slots(before);
    const { writes } = before.maps;
    before.maps.write(before.compiler.sync(snapshot([maglev()], [slice('a', [...many, THERE])]), NODE));
    const now = slots(before);
    const moved = old.filter((address, i) => now[i] !== address).length;
    expect(moved).toBeGreaterThan(1021 / 11 / 2);
    expect(moved).toBeLessThan(1021 / 11 + 1021 * 0.06);
    expect(before.maps.writes - writes).toBe(moved + 1 + 4); // the table's slots and its live row; live row, slot and two counts of the plain set
  });

  it('is any service where the setting says so, but those that say random', () => {
    const balancing = { ...BALANCING, algorithm: 'maglev' } as const;
    const { maps } = load([service('web', NODE_PORT)], [slice('a', [HERE])], { balancing });
    expect(maps.fronts.get('0.0.0.0:30080/6 outside')!.hashed).toBe(true);
    expect(load([service('web', { ...NODE_PORT, algorithm: 'random' })], [slice('a', [HERE])], { balancing }).maps.fronts.get('0.0.0.0:30080/6 outside')!.hashed).toBe(false);
  });

  it('with more endpoints than slots falls back to chance, and says so', () => {
    const many = Array.from({ length: 14 }, (_, i) => endpoint(`10.42.1.${i + 10}`));
    const { maps, compiler } = load([maglev()], [slice('a', many)], { balancing: { algorithm: 'random', tableSize: 13 } });
    expect(maps.fronts.get('0.0.0.0:30080/6 outside')).toMatchObject({ hashed: false, backends: 14 });
    expect(compiler.problems()).toEqual([{ object: 'Service shop/web', field: 'spec.ports[0]', message: '14 endpoints are more than the 13 slots of a Maglev table: chosen at random' }]);
  });
});

describe('hostPorts', () => {
  const web = pod('web', [hostPort(8080, 80), hostPort(53, 5353, { protocol: 17 })]);

  it('lead from both scopes to the pod alone, by the address that CNI gave it', () => {
    const loaded = load([], [], { pods: [web], localPods: [local('web', '10.42.0.9', 'fd00:42::9')] });
    expect(led(loaded)).toEqual({
      '0.0.0.0:8080/6': ['10.42.0.9:80'], '0.0.0.0:8080/6 outside': ['10.42.0.9:80'], '0.0.0.0:53/17': ['10.42.0.9:5353'], '0.0.0.0:53/17 outside': ['10.42.0.9:5353'],
      '[::]:8080/6': ['[fd00:42::9]:80'], '[::]:8080/6 outside': ['[fd00:42::9]:80'], '[::]:53/17': ['[fd00:42::9]:5353'], '[::]:53/17 outside': ['[fd00:42::9]:5353'],
    });
  });

  it('with a hostIP are at that address only', () => {
    const one = pod('web', [hostPort(8080, 80, { hostIp: IpAddress.parse('192.168.0.1')! })]);
    expect(Object.keys(led(load([], [], { pods: [one], localPods: [local('web', '10.42.0.9', 'fd00:42::9')] })))).toEqual(['192.168.0.1:8080/6', '192.168.0.1:8080/6 outside']);
  });

  it.each([
    ['of a pod of another node', web, []],
    ['of a finished pod', { ...web, finished: true }, [local('web', '10.42.0.9')]],
    ['of a pod in the node\'s own network', { ...web, hostNetwork: true }, [local('web', '10.42.0.9')]],
  ] as const)('%s are none', (_, one, localPods) => {
    expect(led(load([], [], { pods: [one], localPods: [...localPods] }))).toEqual({});
  });

  it('follow the pod: nothing is written while it stays, its new address counts, and they go with it', () => {
    const { maps, compiler } = load([], [], { pods: [web], localPods: [local('web', '10.42.0.9')] });
    const state = snapshot([], [], '', [web]);
    const sync = (...localPods: ReturnType<typeof local>[]): number => {
      const before = maps.writes;
      maps.write(compiler.sync(state, NODE, { localPods }));
      return maps.writes - before;
    };
    expect(sync(local('web', '10.42.0.9'))).toBe(0);
    expect(sync(local('web', '10.42.0.10'))).toBe(6); // for each port: the slot, the new live row, the old one
    expect(maps.backends('0.0.0.0:8080/6')).toEqual(['10.42.0.10:80']);
    sync();
    expect([maps.fronts.size, maps.backs.size, maps.live.size]).toEqual([0, 0, 0]);
  });

  it('give way to a node port, and the pod is told', () => {
    const { maps, compiler } = load([service('web', { type: 'NodePort', ports: [port(80, { nodePort: 8080 })] })], [slice('a', [THERE])], { pods: [web], localPods: [local('web', '10.42.0.9')] });
    expect(maps.backends('0.0.0.0:8080/6')).toEqual(['10.42.1.2:8080']);
    expect(compiler.problems()[0]).toEqual({ object: 'Pod shop/web', field: 'spec.containers[].ports[].hostPort', message: '0.0.0.0:8080/6 belongs to Service shop/web' });
  });
});
