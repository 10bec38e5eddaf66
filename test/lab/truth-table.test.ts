import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { OUTSIDE_ADDRESS } from '../../agent/lab/machine/layout.js';
import { inside } from '../../agent/lab/machine/place.js';
import { must } from '../../agent/lab/machine/process.js';
import type { ProbeSource } from '../../agent/lab/probe.js';
import { addressOf, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { CLIENTS, DOORS, expected, POLICIES, PROTOCOLS, type Client, type Door, type Policy, type Protocol } from './truth-table.js';

const HOST_PORTS = { TCP: 18_080, UDP: 18_053 };
const OUTER = { Cluster: ['198.51.100.1', '198.51.100.2'], Local: ['198.51.100.3', '198.51.100.4'] } as const;

let lab: Lab;
const SOURCES: Readonly<Record<Client, ProbeSource>> = {
  'the pod itself': { namespace: 'shop', pod: 'web' },
  'pod, same node': { namespace: 'shop', pod: 'near' },
  'pod, other node': { namespace: 'shop', pod: 'far' },
  'the node': { node: 1 },
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
      type: 'LoadBalancer', selector: { app: 'web' }, internalTrafficPolicy: policy, externalTrafficPolicy: policy, externalIPs: [externalIp],
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

const nodeOf = (client: Client): 1 | 2 => (client === 'pod, other node' ? 2 : 1);

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
  return 'node' in source ? lab.node(1).address : addressOf(lab, `${source.namespace}/${source.pod}`);
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
    case 'overlay': return `web ${overlayAddress(asked)}`;
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

it('the table has every cell', () => {
  expect(CLIENTS.length * DOORS.length * POLICIES.length * PROTOCOLS.length).toBe(120);
});
