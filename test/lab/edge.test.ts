import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENDPOINT_SLICES, SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { LAN_GATEWAY } from '../../agent/lab/machine/layout.js';
import type { ProbeAnswer } from '../../agent/lab/probe.js';
import type { FlowView } from '../../agent/observe/views.js';
import { addressOf, agentStatus, applyPolicy, askAgent, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { Outside } from './outside.js';

/** Answers with the address and port that it sees as its client's. */
const SEER = [process.execPath, join(import.meta.dirname, '..', 'kernel', 'service-talk.mjs'), 'serve', '8080'];
const EXTERNAL = '203.0.113.10';

let lab: Lab;
let outside: Outside;

beforeAll(async () => {
  lab = await startTestLab('edge', { nodes: 2 });
  outside = new Outside(lab);
  await createNamespace(lab, 'shop');
  const seer = { container: { command: SEER }, ports: [[8080, 'TCP', 'http']] as const };
  await createPod(lab, 'shop/client', { node: 'node1', labels: { app: 'client' } });
  await createPod(lab, 'shop/near', { node: 'node1', labels: { app: 'near' }, ...seer });
  await createPod(lab, 'shop/far', { node: 'node2', labels: { app: 'far' }, ...seer });
  await createPod(lab, 'shop/host', { node: 'node1', labels: { app: 'hostport' }, container: { command: SEER, ports: [{ containerPort: 8080, hostPort: 9090 }, { containerPort: 8080, hostPort: 9090, protocol: 'UDP' }] } });
  for (const [name, port] of [['near', 30001], ['far', 30002], ['nobody', 30003]] as const) await createService(name, name, port);
  await createService('near-local', 'near', 30011, { externalTrafficPolicy: 'Local' });
  await createService('far-local', 'far', 30012, { externalTrafficPolicy: 'Local' });
  await createService('named', 'far', 30021, { externalIPs: [EXTERNAL] });
  await lab.podsReady('shop');
  await outside.run('ip', 'route', 'replace', EXTERNAL, 'via', lab.node(1).address);
}, 120_000);

afterAll(async () => {
  await lab?.close();
});

async function createService(name: string, app: string, nodePort: number, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const ports = [{ name: 'http', port: 80, targetPort: 8080, nodePort }, { name: 'dns', port: 53, protocol: 'UDP', targetPort: 8080, nodePort: nodePort + 100 }];
  await lab.client.create(SERVICES, 'shop', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { type: 'NodePort', selector: { app }, ports, ...more } });
}

type Asker = (address: string, port: number, protocol: 'TCP' | 'UDP') => Promise<ProbeAnswer>;
const fromOutside: Asker = (address, port, protocol) => outside.ask({ address, port, protocol });
const from = (who: Parameters<Lab['probe']>[0]): Asker => async (address, port, protocol) => (await lab.probe(who, [{ address, port, protocol }], { read: true }))[0]!;

/** Whom the backend saw, once it answers as said; NodePorts over UDP are 100 higher. */
const sees = (asker: Asker, address: string, port: number, expected: RegExp | string, udp = 100): Promise<unknown> =>
  Promise.all(
    (['TCP', 'UDP'] as const).map((protocol) =>
      eventually(`${address}:${port} ${protocol}`, async () => {
        const { outcome, answer } = await asker(address, protocol === 'UDP' ? port + udp : port, protocol);
        const text = outcome === 'open' ? answer.split(' ')[0]! : outcome;
        return (typeof expected === 'string' ? text === expected : expected.test(text)) ? '' : `answered ${text}, not ${expected}`;
      }, { withinMs: 10_000 }),
    ),
  );

const node = (n: 1 | 2): string => lab.node(n).address;
/** Of the node's overlay device: its pod CIDR's first. */
const overlay = (n: 1 | 2): string => (lab.caches.nodes.get(`node${n}`)!.spec as { podCIDR: string }).podCIDR.replace(/\/.*/, '');

describe('a NodePort from outside', () => {
  it('shows its own address to a backend on the node asked, and the node’s to one on another', async () => {
    await sees(fromOutside, node(1), 30001, LAN_GATEWAY);
    await sees(fromOutside, node(1), 30002, overlay(1));
    await sees(fromOutside, node(2), 30001, overlay(2));
    await sees(fromOutside, node(2), 30002, LAN_GATEWAY);
  });

  it('with externalTrafficPolicy Local is answered where the backend is, and by silence elsewhere', async () => {
    await sees(fromOutside, node(1), 30011, LAN_GATEWAY);
    await sees(fromOutside, node(2), 30012, LAN_GATEWAY);
    expect((await fromOutside(node(2), 30011, 'TCP')).outcome).toBe('timeout');
    expect((await fromOutside(node(1), 30112, 'UDP')).outcome).toBe('timeout');
  });

  it('without a backend is refused at once', async () => {
    await sees(fromOutside, node(1), 30003, 'refused');
    expect((await fromOutside(node(1), 30003, 'TCP')).elapsedMs).toBeLessThan(200);
  });

  it('carries long streams both ways', async () => {
    for (const port of [30001, 30002]) {
      const script = `const n=require('net').connect(${port},'${node(1)}');n.on('data',()=>{}).on('end',()=>process.exit()).on('error',()=>process.exit(1)).write(Buffer.alloc(1e6))`;
      await outside.run(process.execPath, '-e', script);
    }
  });
});

describe('an external address at the uplink', () => {
  it('leads to the backend', async () => {
    const ask: Asker = (address, port, protocol) => fromOutside(address, port, protocol);
    await sees(ask, EXTERNAL, 80, overlay(1), -27);
  });
});

describe('a node port from inside', () => {
  it('of the own node is answered to pods and to the node itself, by its address or, there, the loopback’s', async () => {
    const pod = addressOf(lab, 'shop/client');
    await sees(from({ namespace: 'shop', pod: 'client' }), node(1), 30001, pod);
    await sees(from({ namespace: 'shop', pod: 'client' }), node(1), 30002, pod);
    await sees(from({ node: 1 }), node(1), 30002, overlay(1));
    await sees(from({ node: 1 }), '127.0.0.1', 30002, overlay(1));
  });

  it('of another node is asked under the own node’s address', async () => {
    await sees(from({ namespace: 'shop', pod: 'client' }), node(2), 30002, node(1));
    await sees(from({ namespace: 'shop', pod: 'client' }), node(2), 30001, overlay(2));
    await sees(from({ node: 1 }), node(2), 30002, node(1));
  });
});

describe('a hostPort', () => {
  it('is answered by the pod: from outside, from pods, from the node, from the pod itself', async () => {
    await sees(fromOutside, node(1), 9090, LAN_GATEWAY, 0);
    await sees(from({ namespace: 'shop', pod: 'client' }), node(1), 9090, addressOf(lab, 'shop/client'), 0);
    await sees(from({ namespace: 'shop', pod: 'far' }), node(1), 9090, node(2), 0);
    await sees(from({ node: 1 }), node(1), 9090, /./, 0);
    await sees(from({ namespace: 'shop', pod: 'host' }), node(1), 9090, /./, 0);
  });
});

describe('what pods send out of the cluster', () => {
  /** Serves TCP 7070 and UDP 7071 outside, with whom it sees, until somebody connects to 7072. */
  const SERVER = `const s=require('net').createServer((c)=>c.end(c.remoteAddress.replace('::ffff:','')+' x')).listen(7070);
const u=require('dgram').createSocket('udp4');u.on('message',(m,f)=>u.send(f.address+' x',f.port,f.address)).bind(7071);
require('net').createServer(()=>process.exit()).listen(7072);setTimeout(()=>process.exit(),60000)`;
  const STOP = `require('net').connect(7072,'127.0.0.1').on('error',()=>process.exit()).on('close',()=>process.exit())`;
  let server: Promise<string>;
  beforeAll(() => {
    server = outside.run(process.execPath, '-e', SERVER);
  });
  afterAll(async () => {
    await outside.run(process.execPath, '-e', STOP);
    await server;
  });

  it('has the node’s address, and its answers come back', async () => {
    await sees(from({ namespace: 'shop', pod: 'client' }), LAN_GATEWAY, 7070, node(1), 1);
    await sees(from({ namespace: 'shop', pod: 'far' }), LAN_GATEWAY, 7070, node(2), 1);
    const left = (await askAgent<FlowView[]>(lab, 1, '/v1/conntrack')).filter(({ source, destinationPort }) => source === addressOf(lab, 'shop/client') && destinationPort === 7070);
    expect(left.map(({ translation }) => translation.replace(/:\d+$/, ''))).toContain(`leaves as ${node(1)}`);
    expect(await lab.podExec('shop', 'client', ['ping', '-c', '2', '-i', '0.2', '-W', '2', LAN_GATEWAY])).toMatchObject({ code: 0 });
  });

  it('has it too where an endpoint of a service is there: for pods, the node, and clients outside', async () => {
    const ports = [{ name: 'tcp', port: 7070, nodePort: 30051 }, { name: 'udp', port: 7071, protocol: 'UDP', nodePort: 30151 }];
    const made = await lab.client.create(SERVICES, 'shop', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'beyond', namespace: 'shop' }, spec: { type: 'NodePort', ports } });
    const { clusterIP } = (made as { spec: { clusterIP: string } }).spec;
    await lab.client.create(ENDPOINT_SLICES, 'shop', {
      apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'beyond-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'beyond' } }, addressType: 'IPv4',
      ports: [{ name: 'tcp', port: 7070, protocol: 'TCP' }, { name: 'udp', port: 7071, protocol: 'UDP' }], endpoints: [{ addresses: [LAN_GATEWAY] }],
    });
    await sees(from({ namespace: 'shop', pod: 'client' }), clusterIP, 7070, node(1), 1);
    await sees(from({ node: 1 }), clusterIP, 7070, node(1), 1);
    await sees(fromOutside, node(2), 30051, node(2));
  });

  it('leaves no entry in the host’s own connection tracking, nor do services', async () => {
    const one = lab.node(1);
    const tracked = async (): Promise<string> => one.must(['cat', '/proc/net/nf_conntrack']);
    await one.must(['nft', '-f', '-'], { input: 'table ip watch { chain f { type filter hook forward priority 0; ct state new counter; }; chain o { type filter hook output priority 0; ct state new counter; }; }' });
    try {
      await sees(from({ namespace: 'shop', pod: 'client' }), LAN_GATEWAY, 7070, node(1), 1);
      await sees(fromOutside, node(1), 30001, LAN_GATEWAY);
      await sees(fromOutside, node(1), 30002, overlay(1));
      await sees(fromOutside, node(1), 9090, LAN_GATEWAY, 0);
      await sees(from({ node: 1 }), LAN_GATEWAY, 7070, node(1), 1);
      const entries = (await tracked()).split('\n').filter((line) => line.includes('dport='));
      expect(entries.filter((line) => line.includes(`src=${addressOf(lab, 'shop/client')} `) || /dport=(30\d\d\d|9090|8080) /.test(line))).toEqual([]);
      expect(entries.some((line) => line.includes(`src=${node(1)} dst=${LAN_GATEWAY} `) && line.includes('dport=7070'))).toBe(true); // the node's own is there: it does look
    } finally {
      await one.must(['nft', 'delete', 'table', 'ip', 'watch']);
    }
  });
});

describe('a restart of the agent', () => {
  /** Echoes on `port`, until somebody connects to the next one. */
  const echo = (port: number): string[] => [process.execPath, '-e', `require('net').createServer((c)=>c.on('error',()=>{}).pipe(c)).listen(${port});require('net').createServer(()=>process.exit()).listen(${port + 1})`];
  /** Sends until 100 echoes are back, and says how that ended. */
  const talk = (host: string, port: number): string[] => [process.execPath, '-e', `const c=require('net').connect(${port},'${host}');const end=(x)=>{console.log(x);process.exit()};let n=0;
c.on('error',(e)=>end(e.code)).on('close',()=>end('closed')).on('data',(d)=>(n+=d.length)>100&&end('whole'));setInterval(()=>c.write('x'),25);setTimeout(()=>end('stuck at '+n),40000)`];

  it('moves no flow: a connection through a node port and one out of the cluster go on', async () => {
    await createPod(lab, 'shop/echo', { node: 'node2', labels: { app: 'echo' }, container: { command: echo(8080) } });
    await createService('echo', 'echo', 30041);
    await lab.podsReady('shop');
    const server = outside.run(...echo(7090));
    await Promise.all([[node(1), 30041], ['127.0.0.1', 7090]].map(([address, port]) => eventually(`${port} listens`, async () => {
      const ask = `require('net').connect(${port},'${address}').on('error',()=>{console.log('no');process.exit()}).on('connect',()=>process.exit())`;
      return (await outside.run(process.execPath, '-e', ask)).trim();
    }, { withinMs: 10_000 })));
    const talks = Promise.all([outside.run(...talk(node(1), 30041)), lab.podExec('shop', 'client', talk(LAN_GATEWAY, 7090), { timeoutMs: 50_000 }).then(({ stdout }) => stdout)]);
    for (const n of [1, 2] as const) {
      await lab.node(n).agent.stop('SIGKILL');
      lab.startAgent(lab.node(n));
    }
    expect((await talks).map((text) => text.trim())).toEqual(['whole', 'whole']);
    await outside.run(process.execPath, '-e', `require('net').connect(7091,'127.0.0.1').on('error',()=>process.exit()).on('close',()=>process.exit())`);
    await server;
    await eventually('the agents are back', async () => ((await Promise.all([1, 2].map((n) => agentStatus(lab, n).then(() => '', () => 'not yet')))).join('')), { withinMs: 30_000 });
  }, 90_000);
});

describe('policy', () => {
  it('sees the backend and the client from outside', async () => {
    await applyPolicy(lab, 'shop', {
      apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'outside', namespace: 'shop' },
      spec: { podSelector: { matchLabels: { app: 'near' } }, policyTypes: ['Ingress'], ingress: [{ from: [{ ipBlock: { cidr: `${LAN_GATEWAY}/32` } }], ports: [{ port: 8080 }] }] },
    });
    await sees(from({ namespace: 'shop', pod: 'client' }), node(1), 30001, 'timeout');
    expect((await fromOutside(node(1), 30001, 'TCP')).outcome).toBe('open');
    expect((await fromOutside(node(1), 30101, 'UDP')).outcome).toBe('timeout');
  }, 40_000);
});
