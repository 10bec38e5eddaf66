import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { cli, OUTSIDE_ADDRESS } from '../../agent/lab/machine/layout.js';
import { inside } from '../../agent/lab/machine/place.js';
import { must } from '../../agent/lab/machine/process.js';
import type { ProbeSource } from '../../agent/lab/probe.js';
import type { FlowView, ServiceView, TraceView, TranslationView } from '../../agent/observe/views.js';
import { addressOf, askAgent, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { CLIENTS, DOORS, expected, POLICIES, PROTOCOLS, type Client, type Door, type Policy, type Protocol } from './truth-table.js';

const HOST_PORTS = { TCP: 18_080, UDP: 18_053 };
const HEALTH_PORT = 31_500;
const OUTER = { Cluster: ['198.51.100.1', '198.51.100.2'], Local: ['198.51.100.3', '198.51.100.4'] } as const;

let lab: Lab;
const SOURCES: Readonly<Record<Client, ProbeSource>> = {
  'the pod itself': { namespace: 'shop', pod: 'web' },
  'pod, same node': { namespace: 'shop', pod: 'near' },
  'pod, other node': { namespace: 'shop', pod: 'far' },
  'the node': { node: 1 },
  'the other node': { node: 2 },
  'outside': { outside: true },
};

beforeAll(async () => {
  lab = await startTestLab('truth', { nodes: 2, agentArgs: ['--ip-masq'] });
  await createNamespace(lab, 'shop');
  const ports = [{ containerPort: 8080, name: 'http', hostPort: HOST_PORTS.TCP }, { containerPort: 53, protocol: 'UDP', name: 'dns', hostPort: HOST_PORTS.UDP }];
  await createPod(lab, 'shop/web', { node: 'node1', labels: { app: 'web' }, container: { ports } });
  await createPod(lab, 'shop/near', { node: 'node1' });
  await createPod(lab, 'shop/far', { node: 'node2' });
  for (const policy of POLICIES) await createService(policy);
  await lab.podsReady('shop');
  // ClusterIPs too: that nobody routes them here would prove nothing of the nodes.
  for (const network of ['198.51.100.0/24', '10.43.0.0/16']) {
    const { file, args } = inside(await lab.outside(), ['ip', 'route', 'add', network, 'via', lab.node(1).address]);
    await must(file, args);
  }
});
afterAll(async () => {
  await lab?.close();
});

/** One whose traffic policies are both as said. */
async function createService(policy: Policy): Promise<void> {
  const name = policy.toLowerCase();
  const [externalIp, balancerIp] = OUTER[policy];
  await lab.client.create(SERVICES, 'shop', {
    apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' },
    spec: {
      type: 'LoadBalancer', selector: { app: 'web' }, internalTrafficPolicy: policy, externalTrafficPolicy: policy, externalIPs: [externalIp], ...(policy === 'Local' ? { healthCheckNodePort: HEALTH_PORT } : {}),
      ports: [{ name: 'http', port: 80, targetPort: 'http' }, { name: 'dns', port: 53, protocol: 'UDP', targetPort: 'dns' }],
    },
  });
  await lab.client.patch(SERVICES, { namespace: 'shop', name }, 'merge', { status: { loadBalancer: { ingress: [{ ip: balancerIp }] } } }, { subresource: 'status' });
}

interface ServiceSpec {
  readonly clusterIP: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly nodePort: number }[];
}
const specOf = (policy: Policy): ServiceSpec => lab.caches.services.get(`shop/${policy.toLowerCase()}`)!.spec as unknown as ServiceSpec;

const nodeOf = (client: Client): 1 | 2 => (client === 'pod, other node' || client === 'the other node' ? 2 : 1);

function target(policy: Policy, door: Door, client: Client, protocol: Protocol): { address: string; port: number; protocol: Protocol } {
  const { clusterIP, ports } = specOf(policy);
  const { port, nodePort } = ports[protocol === 'TCP' ? 0 : 1]!;
  const own = nodeOf(client);
  switch (door) {
    case 'ClusterIP': return { address: clusterIP, port, protocol };
    case 'NodePort, own node': return { address: lab.node(own).address, port: nodePort, protocol };
    case 'NodePort, other node': return { address: lab.node(own === 1 ? 2 : 1).address, port: nodePort, protocol };
    case 'externalIP': return { address: OUTER[policy][0], port, protocol };
    case 'load balancer IP': return { address: OUTER[policy][1], port, protocol };
    case 'hostPort': return { address: lab.node(1).address, port: HOST_PORTS[protocol], protocol };
  }
}

const clientAddress = (client: Client): string => {
  const source = SOURCES[client];
  if ('outside' in source) return OUTSIDE_ADDRESS;
  return 'node' in source ? lab.node(source.node).address : addressOf(lab, `${source.namespace}/${source.pod}`);
};

/** flannel gives the overlay device the first address of the node's pod CIDR. */
const overlayAddress = (node: number): string => (lab.caches.nodes.get(`node${node}`)!.spec as { podCIDR: string }).podCIDR.split('/')[0]!;

/** What the answer must be, `POD SOURCE`. */
function answer(policy: Policy, door: Door, client: Client, protocol: Protocol): string {
  const { address } = target(policy, door, client, protocol);
  const asked = lab.nodes.findIndex((node) => node.address === address) + 1;
  switch (expected(policy, door, client, protocol)) {
    case 'client': return `web ${clientAddress(client)}`;
    case 'node': return `web ${lab.node(nodeOf(client)).address}`;
    case 'asked': return `web ${address}`;
    case 'overlay': return `web ${overlayAddress(asked || nodeOf(client))}`;
    case 'drop': return 'timeout';
    case 'none': return 'timeout';
  }
}

describe.each(CLIENTS)('a client: %s', (client) => {
  it.each(POLICIES.flatMap((policy) => PROTOCOLS.map((protocol) => [policy, protocol] as const)))('reaches what the table says, under the source that it says: policy %s, %s', async (policy, protocol) => {
    const want = DOORS.map((door) => `${door}: ${answer(policy, door, client, protocol)}`);
    const targets = DOORS.map((door) => target(policy, door, client, protocol));
    await eventually('the whole row', async () => {
      const found = (await lab.probe(SOURCES[client], targets, { timeoutMs: 1_500, ask: 'whoami' })).map(({ outcome, answer: said }, i) => `${DOORS[i]}: ${outcome === 'open' ? said : outcome}`);
      return found.flatMap((line, i) => (line === want[i] ? [] : [`${line}, not ${want[i]}`]));
    }, { withinMs: 6_000 });
  });
});

describe('what is shown of it', () => {
  const traced = (node: number, from: string, to: string, port: number): Promise<TraceView> => askAgent<TraceView>(lab, node, '/v1/trace', { from, to, port: String(port), protocol: 'TCP' });
  const trace = async (...question: Parameters<typeof traced>): Promise<TranslationView | null> => (await traced(...question)).translation;

  it('canal trace: node ports, hostPorts and external addresses, from inside and outside, as the Services themselves say', async () => {
    const [web] = [`${addressOf(lab, 'shop/web')}:8080`];
    const { nodePort } = specOf('Cluster').ports[0]!;
    const local = specOf('Local').ports[0]!.nodePort;
    expect(await trace(1, OUTSIDE_ADDRESS, lab.node(1).address, nodePort)).toMatchObject({ service: 'shop/cluster', frontend: `*:${nodePort}`, from: 'outside', outcome: 'translated', traced: web, agrees: true });
    expect(await trace(2, OUTSIDE_ADDRESS, lab.node(2).address, local)).toMatchObject({ service: 'shop/local', from: 'outside', outcome: 'dropped', agrees: true });
    expect(await trace(1, 'shop/near', lab.node(1).address, HOST_PORTS.TCP)).toMatchObject({ service: 'shop/web', from: 'inside', traced: web, agrees: true });
    for (const [address, port] of [[lab.node(2).address, local], [OUTER.Local[1], 80]] as const) {
      expect(await trace(2, lab.node(2).address, address, port)).toMatchObject({ service: 'shop/local', from: 'node', traced: `${lab.node(1).address}:${local}`, agrees: true });
    }
    expect(await trace(1, OUTSIDE_ADDRESS, OUTER.Local[1], 80)).toMatchObject({ service: 'shop/local', from: 'outside', traced: web, agrees: true });
  });

  it('canal trace: under which source the backend, or who is outside of the cluster, sees the packet', async () => {
    const { nodePort } = specOf('Cluster').ports[0]!;
    expect((await traced(1, OUTSIDE_ADDRESS, lab.node(1).address, nodePort)).source).toMatchObject({ kind: 'kept', address: OUTSIDE_ADDRESS });
    expect((await traced(2, OUTSIDE_ADDRESS, lab.node(2).address, nodePort)).source).toMatchObject({ kind: 'node port', address: overlayAddress(2), ports: '1024-65535' });
    expect((await traced(1, 'shop/near', OUTSIDE_ADDRESS, 80)).source).toMatchObject({ kind: 'masquerade', address: lab.node(1).address, ports: '1024-65535' });
    expect((await traced(1, 'shop/near', 'shop/far', 80)).source).toMatchObject({ kind: 'kept', address: addressOf(lab, 'shop/near') });
    expect((await traced(1, 'shop/near', 'shop/web', 80)).source).toBeNull();
    expect(await lab.node(2).must([process.execPath, cli(), 'trace', '--from', OUTSIDE_ADDRESS, '--to', lab.node(2).address, '--port', String(nodePort)])).toContain(`passed on: leaves as ${overlayAddress(2)}, under its own port or, where that is taken, one of 1024-65535`);
  });

  it('canal conntrack: what was asked, of which service, and under which address it went on', async () => {
    const { nodePort } = specOf('Cluster').ports[0]!;
    const shown = async (node: number): Promise<string[]> => {
      await lab.probe({ outside: true }, [{ address: lab.node(node).address, port: nodePort, protocol: 'TCP' }]);
      return (await askAgent<FlowView[]>(lab, node, '/v1/conntrack')).map(({ source, service, translation }) => `${source} ${service} ${translation.replace(/:\d+ to/, ' to')}`);
    };
    expect(await shown(1)).toContain(`${OUTSIDE_ADDRESS} shop/cluster asked ${lab.node(1).address}:${nodePort}`);
    expect(await shown(2)).toContain(`${OUTSIDE_ADDRESS} shop/cluster asked ${lab.node(2).address}:${nodePort}, passed on as ${overlayAddress(2)} to ${addressOf(lab, 'shop/web')}:8080`);
  });

  it('canal services: every frontend, and hostPorts of this node\'s pods', async () => {
    const views = await askAgent<ServiceView[]>(lab, 1, '/v1/services');
    const of = (name: string): ServiceView => views.find((view) => view.name === name)!;
    expect([of('cluster').state, of('local').state, of('web').state, of('web').type]).toEqual(['in force', 'in force', 'in force', 'hostPort']);
    expect(new Set(of('cluster').frontends.map(({ kind, from }) => `${kind} ${from}`))).toEqual(new Set(['clusterIp inside', ...['loadBalancer', 'externalIp', 'nodePort'].flatMap((kind) => [`${kind} inside`, `${kind} outside`])]));
    expect(of('local').healthCheck?.localEndpoints).toBe(1);
  });

  it('the health-check port of policy Local tells who has an endpoint', async () => {
    const question = (node: number): string[] => ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `http://${lab.node(node).address}:${HEALTH_PORT}/healthz`];
    const ask = async (node: number): Promise<string> => {
      const { file, args } = inside(await lab.outside(), question(node));
      return must(file, args);
    };
    expect([await ask(1), await ask(2)]).toEqual(['200', '503']);
  });
});

it('the table has every cell', () => {
  expect(CLIENTS.length * DOORS.length * POLICIES.length * PROTOCOLS.length).toBe(144);
});
