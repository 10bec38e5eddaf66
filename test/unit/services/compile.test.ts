import { describe, expect, it } from 'vitest';
import { ServiceCompiler } from '../../../agent/compile/services/compiler.js';
import type { EndpointSlice, Service } from '../../../agent/model/service.js';
import { endpoint, LEAVING, NODE, port, service, slice, snapshot, STARTING } from './cluster.js';
import { Maps } from './maps.js';

const UDP = 17;
const WEB = '10.96.0.1:80/6';

function load(services: readonly Service[], slices: readonly EndpointSlice[], zone = ''): { maps: Maps; compiler: ServiceCompiler } {
  const maps = new Maps();
  const compiler = new ServiceCompiler();
  maps.write(compiler.sync(snapshot(services, slices, zone), NODE));
  return { maps, compiler };
}

const backends = (services: readonly Service[], slices: readonly EndpointSlice[], front = WEB, zone = ''): readonly string[] | undefined => load(services, slices, zone).maps.backends(front);

const near = (zone: string) => ({ zoneHints: [zone] });
const HERE = { nodeName: NODE };

describe('backends of a frontend', () => {
  it.each<[string, Service, EndpointSlice[], string[] | undefined]>([
    ['are the ready endpoints of all slices', service(), [slice('a', [endpoint('10.42.1.2'), endpoint('10.42.1.3', STARTING)]), slice('b', [endpoint('10.42.0.9')])], ['10.42.0.9:8080', '10.42.1.2:8080']],
    ['are each once, whatever several slices say of them', service(), [slice('a', [endpoint('10.42.1.2')]), slice('b', [endpoint('10.42.1.2', STARTING), endpoint('10.42.1.2')])], ['10.42.1.2:8080']],
    ['are none without slices: refused', service(), [], ['refuse']],
    ['are none while nobody is ready: refused', service(), [slice('a', [endpoint('10.42.1.2', STARTING)])], ['refuse']],
    ['are terminating ones that serve when none is ready', service(), [slice('a', [endpoint('10.42.1.2', LEAVING), endpoint('10.42.1.3', { ...LEAVING, serving: false }), endpoint('10.42.1.4', STARTING)])], ['10.42.1.2:8080']],
    ['are no terminating ones as long as one is ready', service(), [slice('a', [endpoint('10.42.1.2', LEAVING), endpoint('10.42.1.3')])], ['10.42.1.3:8080']],
    ['may be outside every pod network', service(), [slice('a', [endpoint('203.0.113.9')])], ['203.0.113.9:8080']],
    ['come from slices with the port\'s name and protocol only', service('web', { ports: [port(80, { name: 'http' })] }), [
      slice('a', [endpoint('10.42.1.2')], { ports: [{ name: 'http', protocol: 6, port: 8000 }, { name: 'admin', protocol: 6, port: 9 }, { name: 'http', protocol: UDP, port: 7 }] }),
      slice('b', [endpoint('10.42.1.3')], { ports: [{ name: 'http', protocol: 6, port: 8001 }] }),
    ], ['10.42.1.2:8000', '10.42.1.3:8001']],
    ['are those of its family', service(), [slice('a', [endpoint('fd00::1')], { family: 6 }), slice('b', [endpoint('10.42.1.2')])], ['10.42.1.2:8080']],
    ['are none of a service that another proxy serves', service('web', { proxyName: 'other' }), [slice('a', [endpoint('10.42.1.2')])], undefined],
    ['are none of a headless service', service('web', { clusterIps: [], externalIps: ['10.96.0.1'] }), [slice('a', [endpoint('10.42.1.2')])], undefined],
    ['are none of an ExternalName', service('web', { type: 'ExternalName' }), [slice('a', [endpoint('10.42.1.2')])], undefined],
    ['are not those of another namespace\'s service of the same name', service(), [slice('a', [endpoint('10.42.1.2')], { namespace: 'other' })], ['refuse']],
  ])('%s', (_, one, slices, expected) => {
    expect(backends([one], slices)).toEqual(expected);
    expect(backends([one], slices.toReversed().map((s) => ({ ...s, endpoints: s.endpoints.toReversed() })))).toEqual(expected);
  });

  it.each<[string, Service, EndpointSlice[], string, string[]]>([
    ['internalTrafficPolicy Local: those of this node', service('web', { internalPolicy: 'local' }), [slice('a', [endpoint('10.42.0.2', HERE), endpoint('10.42.1.2')])], WEB, ['10.42.0.2:8080']],
    ['Local without any here but some elsewhere: dropped', service('web', { internalPolicy: 'local' }), [slice('a', [endpoint('10.42.1.2')])], WEB, ['drop']],
    ['Local without any at all: refused', service('web', { internalPolicy: 'local' }), [slice('a', [endpoint('10.42.1.2', STARTING)])], WEB, ['refuse']],
    ['Local: a terminating one here before a ready one elsewhere', service('web', { internalPolicy: 'local' }), [slice('a', [endpoint('10.42.0.2', { ...HERE, ...LEAVING }), endpoint('10.42.1.2')])], WEB, ['10.42.0.2:8080']],
    ['externalIPs: every endpoint, whatever either policy says', service('web', { externalIps: ['198.51.100.1'], internalPolicy: 'local', externalPolicy: 'local' }), [slice('a', [endpoint('10.42.1.2')])], '198.51.100.1:80/6', ['10.42.1.2:8080']],
    ['a load balancer\'s address too', service('web', { type: 'LoadBalancer', loadBalancerIps: ['198.51.100.2'] }), [slice('a', [endpoint('10.42.1.2')])], '198.51.100.2:80/6', ['10.42.1.2:8080']],
  ])('%s', (_, one, slices, front, expected) => {
    expect(backends([one], slices, front)).toEqual(expected);
  });


  it.each<[string, readonly [string, object][], string, string[]]>([
    ['zone hints of all keep to the zone', [['10.42.1.2', near('z1')], ['10.42.1.3', near('z2')]], 'z1', ['10.42.1.2:8080']],
    ['hints of some are ignored', [['10.42.1.2', near('z1')], ['10.42.1.3', {}]], 'z1', ['10.42.1.2:8080', '10.42.1.3:8080']],
    ['hints for others only are ignored', [['10.42.1.2', near('z2')], ['10.42.1.3', near('z2')]], 'z1', ['10.42.1.2:8080', '10.42.1.3:8080']],
    ['hints mean nothing to a node without zone', [['10.42.1.2', near('z1')], ['10.42.1.3', near('z2')]], '', ['10.42.1.2:8080', '10.42.1.3:8080']],
    ['hints of endpoints that are not ready do not matter', [['10.42.1.2', near('z1')], ['10.42.1.3', near('z2')], ['10.42.1.4', STARTING]], 'z1', ['10.42.1.2:8080']],
    ['node hints come before zone hints', [['10.42.1.2', { ...near('z1'), nodeHints: [NODE] }], ['10.42.1.3', { ...near('z1'), nodeHints: ['two'] }]], 'z1', ['10.42.1.2:8080']],
    ['node hints for others leave it to the zones', [['10.42.1.2', { ...near('z1'), nodeHints: ['two'] }], ['10.42.1.3', { ...near('z2'), nodeHints: ['two'] }]], 'z1', ['10.42.1.2:8080']],
    ['terminating ones are used from every zone', [['10.42.1.2', { ...near('z1'), ...LEAVING }], ['10.42.1.3', { ...near('z2'), ...LEAVING }]], 'z1', ['10.42.1.2:8080', '10.42.1.3:8080']],
  ])('topology: %s', (_, endpoints, zone, expected) => {
    expect(backends([service()], [slice('a', endpoints.map(([text, parts]) => endpoint(text, parts)))], WEB, zone)).toEqual(expected);
  });
});

describe('frontends', () => {
  it('are one for each address, port and protocol, with the service\'s affinity', () => {
    const ports = [port(53, { name: 'dns', protocol: UDP }), port(53, { name: 'dns-tcp' })];
    const { maps } = load([service('web', { ports, affinityS: 600, externalIps: ['198.51.100.1'], clusterIps: ['10.96.0.1', 'fd00::1'] })], []);
    expect([...maps.fronts.keys()].sort()).toEqual(['10.96.0.1:53/17', '10.96.0.1:53/6', '198.51.100.1:53/17', '198.51.100.1:53/17 outside', '198.51.100.1:53/6', '198.51.100.1:53/6 outside', '[fd00::1]:53/17', '[fd00::1]:53/6']);
    expect([...maps.fronts.values()].every((row) => row.affinityS === 600)).toBe(true);
  });

  it('that two services claim belong to the clusterIP, then to the first name; the other is told, and gets it when it is free', () => {
    const owner = service('zzz'), second = service('aaa', { clusterIps: ['10.96.0.2'], externalIps: ['10.96.0.1'] });
    const slices = [slice('a', [endpoint('10.42.1.2')], { service: 'zzz' }), slice('b', [endpoint('10.42.1.3')], { service: 'aaa' })];
    for (const services of [[owner, second], [second, owner]]) {
      const { maps, compiler } = load(services, slices);
      expect(maps.backends(WEB)).toEqual(['10.42.1.2:8080']);
      expect(compiler.problems()).toEqual([{ object: 'Service shop/aaa', field: 'spec.externalIPs', message: '10.96.0.1:80/6 belongs to Service shop/zzz' }]);
      maps.write(compiler.sync(snapshot([second], slices), NODE));
      expect(maps.backends(WEB)).toEqual(['10.42.1.3:8080']);
      expect(compiler.problems()).toEqual([]);
      maps.write(compiler.sync(snapshot([second, owner], slices), NODE));
      expect(maps.backends(WEB)).toEqual(['10.42.1.2:8080']);
    }
  });
});

describe('the API server\'s own service', () => {
  const api = service('kubernetes', { namespace: 'default' });
  const of = (endpoints: readonly ReturnType<typeof endpoint>[]): EndpointSlice[] => [slice('kubernetes', endpoints, { namespace: 'default', service: 'kubernetes' })];

  it('keeps the last endpoint it had, also across a restart, and lets go of it for another', () => {
    const { maps, compiler } = load([api], of([endpoint('192.168.0.10')]));
    maps.write(compiler.sync(snapshot([api], of([])), NODE));
    expect(maps.backends(WEB)).toEqual(['192.168.0.10:8080']);
    const restarted = new ServiceCompiler();
    const { fronts } = restarted.sync(snapshot([api], []), NODE, { inherited: maps.history() });
    expect(fronts.put.map(({ row }) => row.backends)).toEqual([1]);
    maps.write(restarted.sync(snapshot([api], of([endpoint('192.168.0.11')])), NODE));
    expect(maps.backends(WEB)).toEqual(['192.168.0.11:8080']);
  });

  it('goes when the Service goes', () => {
    const { maps, compiler } = load([api], of([endpoint('192.168.0.10')]));
    maps.write(compiler.sync(snapshot([], of([endpoint('192.168.0.10')])), NODE));
    expect([maps.fronts.size, maps.backs.size, maps.live.size]).toEqual([0, 0, 0]);
  });
});

describe('the cost of a change', () => {
  const many = (n: number): ReturnType<typeof endpoint>[] => Array.from({ length: n }, (_, i) => endpoint(`10.42.${1 + (i >> 8)}.${i & 255}`));
  const slices = (endpoints: readonly ReturnType<typeof endpoint>[]): EndpointSlice[] =>
    Array.from({ length: Math.ceil(endpoints.length / 100) }, (_, i) => slice(`s${i}`, endpoints.slice(100 * i, 100 * i + 100)));

  it.each([2, 100, 5000])('is three rows for one endpoint more or for one instead of another, four for one less, of %i', (n) => {
    const all = many(n);
    const { maps, compiler } = load([service()], slices(all));
    const cost = (next: readonly ReturnType<typeof endpoint>[]): number => {
      const before = maps.writes;
      maps.write(compiler.sync(snapshot([service()], slices(next)), NODE));
      expect(maps.backends(WEB)).toHaveLength(next.length);
      return maps.writes - before;
    };
    const one = endpoint('10.41.0.1'), two = endpoint('10.43.0.1');
    expect(cost([...all, one])).toBe(3);
    expect(cost([...all, two])).toBe(3);
    expect(cost([two, ...all.slice(1)])).toBe(4);
    expect(cost([two, ...all.slice(1)])).toBe(0);
  });

  it('is nothing for a restart, whatever happened to slots before', () => {
    const { maps, compiler } = load([service()], slices(many(50)));
    maps.write(compiler.sync(snapshot([service()], slices(many(50).filter((_, i) => i % 3 !== 0))), NODE));
    const state = snapshot([service()], slices(many(50).filter((_, i) => i % 3 !== 0)));
    const fresh = new ServiceCompiler().sync(state, NODE, { inherited: maps.history() });
    expect(fresh.backs.put.every(({ key, row }) => maps.backs.get(`${key.service.toString(16)}/4/${key.slot}`)!.address.equals(row.address))).toBe(true);
  });
});
