import { createConnection } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode, streamEncode, streamDecode, type DecodedPacket, type RecordType } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { reply, type NamedObjects } from '../../../agent/lab/dns/names.js';
import { answerTo, serveDns, type DnsServer } from '../../../agent/lab/dns/server.js';
import type { Endpoint, EndpointSlice, Service } from '../../../agent/lab/world/objects.js';
import { meta } from './world.js';

const service = (name: string, spec: Service['spec']): Service => ({ metadata: meta(name), spec: { ports: [{ name: 'http', port: 80 }], ...spec } });
const slice = (of: string, endpoints: readonly Endpoint[], name = of): EndpointSlice => ({ metadata: meta(name, { labels: { 'kubernetes.io/service-name': of } }), addressType: 'IPv4', endpoints, ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] });
const OBJECTS: NamedObjects = {
  services: [
    service('web', { clusterIP: '10.43.0.7', clusterIPs: ['10.43.0.7', 'fd00::7'] }),
    service('db', { clusterIP: 'None' }),
    service('far', { type: 'ExternalName', externalName: 'example.com' }),
    service('empty', { clusterIP: 'None' }),
  ],
  endpointSlices: [
    slice('db', [{ addresses: ['10.42.0.5'], hostname: 'db-0' }, { addresses: ['10.42.0.6'], conditions: { ready: false } }]),
    slice('db', [{ addresses: ['10.42.1.5'], conditions: { ready: true } }], 'db-2'),
    slice('web', [{ addresses: ['10.42.0.9'] }]),
  ],
};
const ask = (name: string, type: RecordType = 'A', objects = OBJECTS): unknown => {
  const { code, answers } = reply({ name, type }, objects);
  return answers.length > 0 ? answers.map((one) => (one as { data: unknown }).data) : code;
};

describe('the names of a cluster', () => {
  it('give a service its addresses, by family, whatever the case', () => {
    expect(ask('web.ns.svc.cluster.local')).toEqual(['10.43.0.7']);
    expect(ask('WEB.ns.SVC.cluster.local.', 'AAAA')).toEqual(['fd00::7']);
    expect(ask('db.ns.svc.cluster.local', 'AAAA')).toBe('NOERROR');
  });

  it('give a headless one the ready endpoints of all slices, each by its own name too', () => {
    expect(ask('db.ns.svc.cluster.local')).toEqual(['10.42.0.5', '10.42.1.5']);
    expect(ask('db-0.db.ns.svc.cluster.local')).toEqual(['10.42.0.5']);
    expect(ask('10-42-1-5.db.ns.svc.cluster.local')).toEqual(['10.42.1.5']);
    expect(ask('db-1.db.ns.svc.cluster.local')).toBe('NXDOMAIN');
    expect(ask('empty.ns.svc.cluster.local')).toBe('NOERROR');
  });

  it('tell what is absent from what has no such record', () => {
    for (const name of ['nobody.ns.svc.cluster.local', 'web.other.svc.cluster.local', 'other.svc.cluster.local', 'web.ns.cluster.local', 'a.b.web.ns.svc.cluster.local']) expect(ask(name)).toBe('NXDOMAIN');
    for (const name of ['cluster.local', 'svc.cluster.local', 'ns.svc.cluster.local', '_tcp.web.ns.svc.cluster.local']) expect(ask(name)).toBe('NOERROR');
    for (const name of ['example.com', 'local', 'xcluster.local']) expect(ask(name)).toBe('REFUSED');
  });

  it('name ports, external services, pods and the version', () => {
    expect(ask('_http._tcp.web.ns.svc.cluster.local', 'SRV')).toEqual([{ priority: 0, weight: 100, port: 80, target: 'web.ns.svc.cluster.local' }]);
    expect(ask('_http._tcp.db.ns.svc.cluster.local', 'SRV')).toMatchObject([{ port: 8080, target: 'db-0.db.ns.svc.cluster.local' }, { port: 8080, target: '10-42-1-5.db.ns.svc.cluster.local' }]);
    expect(ask('_http._udp.web.ns.svc.cluster.local', 'SRV')).toBe('NXDOMAIN');
    expect(ask('far.ns.svc.cluster.local')).toEqual(['example.com']);
    expect(ask('10-1-2-3.ns.pod.cluster.local')).toEqual(['10.1.2.3']);
    expect(ask('nonsense.ns.pod.cluster.local')).toBe('NXDOMAIN');
    expect(ask('dns-version.cluster.local', 'TXT')).toEqual(['1.1.0']);
  });

  it('lead back from addresses', () => {
    expect(ask('7.0.43.10.in-addr.arpa', 'PTR')).toEqual(['web.ns.svc.cluster.local']);
    expect(ask('5.0.42.10.in-addr.arpa', 'PTR')).toEqual(['db-0.db.ns.svc.cluster.local']);
    expect(ask(`7.${'0.'.repeat(27)}0.d.f.ip6.arpa`.replace('0.0.d.f', '0.0.d.f'), 'PTR')).toBe('NXDOMAIN');
    expect(ask(`7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`, 'PTR')).toEqual(['web.ns.svc.cluster.local']);
    expect(ask('1.1.1.1.in-addr.arpa', 'PTR')).toBe('NXDOMAIN');
  });
});

describe('the name server', () => {
  let server: DnsServer | undefined;
  afterEach(() => {
    server?.close();
    server = undefined;
  });
  const question = (name: string, more: object = {}): Buffer => encode({ type: 'query', id: 77, flags: 256, questions: [{ type: 'A', name }], ...more });
  const edns = { additionals: [{ name: '.', type: 'OPT', udpPayloadSize: 4096, flags: 0, options: [] } as never] };
  const big: NamedObjects = { services: [service('big', { clusterIP: 'None' })], endpointSlices: [slice('big', Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.42.3.${i}`] })))] };
  const answered = (message: Buffer, objects = OBJECTS): DecodedPacket & { rcode?: string } => decode(answerTo(message, objects, true)!);

  it('answers over UDP and TCP', async () => {
    server = await serveDns({ address: '127.0.0.1', port: 0, objects: () => OBJECTS });
    const udp = createSocket('udp4');
    udp.send(question('web.ns.svc.cluster.local'), server.port, '127.0.0.1');
    const [message] = (await once(udp, 'message')) as [Buffer];
    udp.close();
    expect(decode(message)).toMatchObject({ id: 77, flag_aa: true, flag_rd: true, answers: [{ data: '10.43.0.7', ttl: 5 }] });
    const tcp = createConnection(server.port, '127.0.0.1');
    const bytes = streamEncode({ type: 'query', id: 78, questions: [{ type: 'A', name: 'db.ns.svc.cluster.local' }] });
    tcp.write(bytes.subarray(0, 5));
    tcp.write(bytes.subarray(5));
    const [reached] = (await once(tcp, 'data')) as [Buffer];
    tcp.destroy();
    expect(streamDecode(reached)).toMatchObject({ id: 78, answers: [{ data: '10.42.0.5' }, { data: '10.42.1.5' }] });
  });

  it('says that an answer is too long for a datagram, unless the question allows for it', () => {
    expect(answered(question('big.ns.svc.cluster.local'), big)).toMatchObject({ flag_tc: true, answers: [] });
    expect(answered(question('big.ns.svc.cluster.local', edns), { ...big, endpointSlices: [slice('big', Array.from({ length: 25 }, (_, i) => ({ addresses: [`10.42.3.${i}`] })))] }).answers).toHaveLength(25);
    expect(answerTo(question('big.ns.svc.cluster.local', edns), big, true)!.length).toBeLessThanOrEqual(1232);
  });

  it('names itself where there is nothing, so that absence is remembered', () => {
    expect(answered(question('nobody.ns.svc.cluster.local'))).toMatchObject({ rcode: 'NXDOMAIN', authorities: [{ type: 'SOA', name: 'cluster.local' }] });
  });

  it('refuses what it cannot read, and answers no answers', () => {
    expect(answered(question('web.ns.svc.cluster.local').subarray(0, 20))).toMatchObject({ id: 77, rcode: 'FORMERR' });
    expect(answered(encode({ type: 'query', id: 77, questions: [] }))).toMatchObject({ rcode: 'FORMERR' });
    expect(answered(encode({ type: 'query', id: 77, flags: 5 << 11, questions: [{ type: 'A', name: 'x' }] }))).toMatchObject({ rcode: 'NOTIMP' });
    expect(answerTo(encode({ type: 'response', id: 77 }), OBJECTS, true)).toBeUndefined();
    expect(answerTo(Buffer.alloc(5), OBJECTS, true)).toBeUndefined();
  });

  it('says which port it cannot have', async () => {
    server = await serveDns({ address: '127.0.0.1', port: 0, objects: () => OBJECTS });
    await expect(serveDns({ address: '127.0.0.1', port: server.port, objects: () => OBJECTS })).rejects.toThrow(`cannot serve DNS at 127.0.0.1:${server.port}`);
  });
});
