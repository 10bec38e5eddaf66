import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { LAN_GATEWAY } from '../../agent/lab/machine/layout.js';
import type { DropsView, FlowView } from '../../agent/observe/views.js';
import { askAgent, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { Beyond, Outside } from './outside.js';

/** Echoes whatever comes to it, on TCP and UDP. */
const mirror = (port: number): string[] => [process.execPath, '-e', `require('net').createServer((c)=>c.on('error',()=>{}).pipe(c)).listen(${port});
const u=require('dgram').createSocket('udp4');u.on('message',(m,f)=>u.send(m,f.port,f.address)).bind(${port})`];
/** Sends a datagram until it has come back, and says how. */
const datagram = (address: string, port: number, size: number): string[] => [process.execPath, '-e', `const u=require('dgram').createSocket('udp4'),b=Buffer.alloc(${size},7),end=(x)=>{console.log(x);process.exit()};
u.on('error',()=>{}).on('message',(m)=>end(m.equals(b)?'whole':'broken'));const s=()=>u.send(b,${port},'${address}',()=>{});s();setInterval(s,200);setTimeout(()=>end('silence'),10000)`];
/** Sends so much and waits until as much has come back. */
const stream = (address: string, port: number, bytes: number): string[] => [process.execPath, '-e', `const c=require('net').connect(${port},'${address}'),end=(x)=>{console.log(x);process.exit()};let n=0;
c.on('error',(e)=>end(e.code)).on('data',(d)=>(n+=d.length)>=${bytes}&&end('whole')).write(Buffer.alloc(${bytes},7));setTimeout(()=>end('stuck at '+n),15000)`];
/** Of the path to who is beyond: less than the overlay's. */
const SMALL = 1300;

let lab: Lab;
let outside: Outside;
let beyond: Beyond;

beforeAll(async () => {
  lab = await startTestLab('hops', { nodes: 2, agentArgs: ['--masquerade-ports', '61000-61031'] });
  outside = new Outside(lab);
  beyond = await Beyond.behind(outside, SMALL);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/a', { node: 'node1' });
  await createPod(lab, 'x/b', { node: 'node1' });
  await createPod(lab, 'x/mirror', { node: 'node2', labels: { app: 'mirror' }, container: { command: mirror(8080) } });
  await createPod(lab, 'x/hosted', { node: 'node2', labels: { app: 'hosted' }, container: { command: mirror(8090) }, spec: { hostNetwork: true } });
  for (const [name, port, nodePort] of [['mirror', 8080, 30001], ['hosted', 8090, 30002]] as const) {
    const ports = [{ name: 'tcp', port: 80, targetPort: port, nodePort }, { name: 'udp', port: 80, protocol: 'UDP', targetPort: port, nodePort }];
    await lab.client.create(SERVICES, 'x', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'x' }, spec: { type: 'NodePort', selector: { app: name }, ports } });
  }
  await lab.podsReady('x');
  for (const n of [1, 2]) for (const port of [30001, 30002]) await eventually(`node ${n}, ${port}`, async () => (await outside.ask({ address: lab.node(n).address, port, protocol: 'TCP' })).outcome === 'open' ? '' : 'not yet', { withinMs: 15_000 });
}, 120_000);

afterAll(async () => {
  await beyond?.close();
  await lab?.close();
});

const node = (n: number): string => lab.node(n).address;
const said = async (answer: Promise<string>): Promise<string> => (await answer).trim();

describe.each([['a pod of another node', 1, 30001], ['a pod here', 2, 30001], ['another node itself', 1, 30002], ['the node itself', 2, 30002]] as const)('a node port whose backend is %s', (_, n, port) => {
  it('gives back datagrams that fit the link but not the overlay, and ones in many fragments', async () => {
    expect(await Promise.all([1472, 4000, 20_000].map((size) => said(outside.run(...datagram(node(n), port, size)))))).toEqual(['whole', 'whole', 'whole']);
  });

  it('gives back a long stream to a client whose path is smaller than the sender knows', async () => {
    expect(await said(beyond.run(...stream(node(n), port, 300_000)))).toBe('whole');
  });
});

it('a pod’s long stream out of the cluster passes where its path is smaller than it knows', async () => {
  const server = beyond.run(process.execPath, '-e', `const s=require('net').createServer((c)=>c.on('error',()=>{}).on('close',()=>process.exit()).pipe(c)).listen(7090);setTimeout(()=>process.exit(),40000)`);
  await eventually('it listens', async () => said(beyond.run(process.execPath, '-e', `require('fs').readFileSync('/proc/net/tcp6','utf8').includes(':1BB2 ')||console.log('not yet')`)), { withinMs: 10_000 });
  const { stdout } = await lab.podExec('x', 'a', stream(beyond.address, 7090, 300_000));
  expect(stdout.trim()).toBe('whole');
  await server;
});

it('flows that only come by are shown with their service, state and idle time', async () => {
  await outside.ask({ address: node(1), port: 30002, protocol: 'TCP' });
  const flows = (await askAgent<FlowView[]>(lab, 1, '/v1/conntrack')).filter(({ source, destinationPort, protocol }) => source === LAN_GATEWAY && destinationPort === 30002 && protocol === 'TCP');
  expect(flows[0]).toMatchObject({ service: 'x/hosted', packets: null, state: expect.stringMatching(/^(established|closing|closed|reset)$/) as string });
  expect(flows[0]!.translation).toMatch(new RegExp(`^asked ${node(1)}:30002, passed on as ${node(1)}:\\d+ to ${node(2)}:8090$`));
});

it('flows that find no source port are dropped, counted, and told by pod', async () => {
  /** From the same 100 ports to the same peer, which need not answer. */
  const flows = [process.execPath, '-e', `let left=100;for(let p=20000;p<20100;p++){const u=require('dgram').createSocket('udp4');u.bind(p,()=>u.send('x',9,'${LAN_GATEWAY}',()=>{u.close();--left||process.exit()}))}`];
  await lab.podExec('x', 'a', flows);
  await lab.podExec('x', 'b', flows);
  await eventually('the drops are shown', async () => {
    const { reasons, events } = await askAgent<DropsView>(lab, 1, '/v1/drops', { after: '0' });
    const counted = reasons.find(({ reason }) => reason === 'nat_exhausted')?.packets ?? 0;
    const named = new Set(events.filter(({ reason }) => reason === 'nat_exhausted').map(({ sourcePod }) => sourcePod));
    return counted >= 100 - 32 && [...named].join() === 'x/b' ? '' : `${counted}, of ${[...named].join()}`;
  }, { withinMs: 10_000 });
});
