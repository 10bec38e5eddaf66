import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startApiServer, type ApiServer } from '../../../agent/apiserver/server.js';
import { systemClock } from '../../../agent/base/clock.js';
import type { Logger } from '../../../agent/base/log.js';
import { createKubeClient, type KubeClient } from '../../../agent/datastore/client.js';
import { createDatastore, type Datastore } from '../../../agent/datastore/datastore.js';
import { POD_IP } from '../../../agent/datastore/decode/pod.js';
import { loadConnection } from '../../../agent/datastore/load-connection.js';
import { publishLease, setNetworkAvailable } from '../../../agent/datastore/node-writer.js';
import { NAMESPACES, NETWORK_POLICIES, NODES, PODS } from '../../../agent/datastore/resource.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';
import { createStore, type Store } from '../../../agent/store/store.js';
import { until } from '../../support/manual-clock.js';

let dir: string;
let server: ApiServer;
let client: KubeClient;
let store: Store;
let datastore: Datastore;
let warnings: number;

const start = async (port = 0): Promise<void> => void (server = await startApiServer({ dataDir: dir, port }));
const snapshot = (): Snapshot | undefined => store.snapshot();

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'canal-datastore-'));
  await start();
  client = createKubeClient(await loadConnection({ apiUrl: server.url, env: {}, clock: systemClock, accountDir: dir }), systemClock);
  store = createStore({ clock: systemClock, onChange: () => undefined });
  warnings = 0;
  const log = { warn: () => warnings++, info: () => undefined, debug: () => undefined } as unknown as Logger;
  datastore = createDatastore({ client, annotationPrefix: 'flannel.alpha.coreos.com', sinks: store.sinks, log, clock: systemClock });
  await until(() => snapshot() !== undefined);
});

afterEach(async () => {
  await datastore.close();
  store.close();
  client.close();
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { podCIDR: '10.42.0.0/24', podCIDRs: ['10.42.0.0/24'] } };
const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } };
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'api', namespace: 'shop', labels: { app: 'api' } }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: 80 }] }] } };
const policy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'deny', namespace: 'shop' }, spec: { podSelector: {}, policyTypes: ['Ingress'] } };

async function fill(): Promise<void> {
  await client.create(NAMESPACES, undefined, namespace);
  await client.create(NODES, undefined, node);
  await client.create(PODS, 'shop', pod);
  await client.create(NETWORK_POLICIES, 'shop', policy);
}

it('shows the objects of the embedded API server as a snapshot, and follows them', async () => {
  await fill();
  await until(() => snapshot()!.policies.size === 1 && snapshot()!.pods.size === 1 && snapshot()!.nodes.size === 1);
  expect(snapshot()!.namespaces.get('shop')!.labels).toMatchObject({ team: 'a' });
  expect(snapshot()!.pods.get('shop/api')).toMatchObject({ nodeName: 'n1', labels: { app: 'api' }, namedPorts: [{ name: 'http', protocol: 6, port: 80 }] });
  expect([...snapshot()!.policies.keys()]).toEqual(['NetworkPolicy/shop/deny']);
  expect(snapshot()!.problems).toEqual([]);
  await client.patch(PODS, { namespace: 'shop', name: 'api' }, 'merge', { metadata: { labels: { app: 'web' } } });
  await until(() => snapshot()!.pods.get('shop/api')!.labels['app'] === 'web');
  await client.remove(NETWORK_POLICIES, { namespace: 'shop', name: 'deny' });
  await until(() => snapshot()!.policies.size === 0);
  expect(datastore.health()).toMatchObject({ synced: true, connected: true });
  expect(warnings).toBe(0);
});

it('reads back what it writes: lease, condition, and a pod\'s addresses until they are blanked', async () => {
  await fill();
  const writer = { client, clock: systemClock, node: 'n1' };
  const lease = { 'backend-data': '{"VNI":1,"VtepMAC":"12:c6:65:89:b4:e3"}', 'backend-type': 'vxlan', 'kube-subnet-manager': 'true', 'public-ip': '172.30.0.11' };
  expect(await publishLease(writer, 'flannel.alpha.coreos.com/', lease)).toBe(true);
  expect(await publishLease(writer, 'flannel.alpha.coreos.com/', lease)).toBe(false);
  expect(await setNetworkAvailable(writer)).toBe(true);
  await until(() => snapshot()!.nodes.get('n1')?.networkUnavailable?.status === 'False');
  expect(snapshot()!.nodes.get('n1')!.flannelAnnotations).toEqual(lease);
  expect(snapshot()!.nodes.get('n1')!.lease!.publicIp!.text).toBe('172.30.0.11');

  const annotate = (ip: string) => client.patch(PODS, { namespace: 'shop', name: 'api' }, 'strategic', { metadata: { annotations: { [POD_IP]: ip } } }, { subresource: 'status' });
  await annotate('10.42.0.2/32');
  await until(() => snapshot()!.pods.get('shop/api')?.addresses[0]?.text === '10.42.0.2');
  await annotate('');
  await until(() => snapshot()!.pods.get('shop/api')!.addresses.length === 0);
});

it('outlives the server, and shows what changed when it is back', async () => {
  await fill();
  await until(() => snapshot()!.policies.size === 1 && snapshot()!.pods.size === 1);
  const port = Number(new URL(server.url).port);
  await server.close();
  const kept = snapshot()!;
  await until(() => !datastore.health().connected);
  expect(snapshot()).toBe(kept);
  await start(port);
  await client.remove(NETWORK_POLICIES, { namespace: 'shop', name: 'deny' });
  await until(() => snapshot()!.policies.size === 0);
  expect(snapshot()!.pods.get('shop/api')).toBe(kept.pods.get('shop/api'));
  await until(() => datastore.health().connected);
  expect(warnings).toBe(1);
});
