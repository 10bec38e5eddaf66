import { lookup } from 'node:dns/promises';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IpAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { PodAnnotations } from '../cni/annotate.js';
import { EndpointStore } from '../cni/endpoint-store.js';
import { startCni } from '../cni/service.js';
import type { DesiredState } from '../compile/compile.js';
import { createKubeClient } from '../datastore/client.js';
import { createDatastore } from '../datastore/datastore.js';
import { loadConnection } from '../datastore/load-connection.js';
import { EventPump } from '../flows/event-pump.js';
import { RecentEvents } from '../flows/recent-events.js';
import { Ipam } from '../ipam/ipam.js';
import { FlockFileLock } from '../kernel/file-lock.js';
import { macText } from '../kernel/mac.js';
import { listChains } from '../kernel/netfilter.js';
import { listLinks } from '../kernel/netlink.js';
import type { MapSizes } from '../kernel/bpf-object.js';
import type { AgentSettings } from '../model/settings.js';
import { felixHealth, flannelHealth, proxyHealth } from '../observe/health.js';
import type { Handler } from '../observe/http-server.js';
import { createMetrics } from '../observe/metrics.js';
import { createStore } from '../store/store.js';
import { Adopter } from './adopter.js';
import { adminHandler } from './admin/handler.js';
import { ApplyLoop, type AppliedView } from './apply-loop.js';
import { conditions, SERVING, VITAL, type ConditionSources } from './conditions.js';
import { collectGarbage } from './engine.js';
import { HealthCheckPorts } from './health-check-ports.js';
import { takeInstanceLock } from './instance-lock.js';
import { openKernel } from './kernel.js';
import { KubeProxyWatch } from './kube-proxy.js';
import { wantedRows } from './ledgers.js';
import { LocalEndpoints } from './local-endpoints.js';
import { growthOf } from './map-plan.js';
import { metricsSource } from './metrics-source.js';
import { writeNodeFiles } from './node-files.js';
import { NodePublisher } from './node-publisher.js';
import { OverlayPlanner } from './overlay-planner.js';
import { createPodApi } from './pod-api.js';
import { createPodDataplane, createPodSource } from './pod-dataplane.js';
import { predecessorProblems } from './predecessor.js';
import { Servers } from './servers.js';
import { parseNetConf } from './settings/net-conf.js';

export interface AgentOptions {
  readonly settings: AgentSettings;
  readonly log: Logger;
  readonly clock: Clock;
  /** Aborts a start that is under way. */
  readonly signal: AbortSignal;
  /** Ends this process, so that the next one decides anew; traffic goes on. */
  readonly restart: () => void;
  /** Ends this process with an error that no later try would mend. */
  readonly fail: (error: unknown) => void;
  /** Rows that maps must have room for, by map: what `grow` was told of before. */
  readonly grown: MapSizes;
  /** Closes this agent and starts one whose maps have room for so many rows; traffic goes on. */
  readonly grow: (rows: MapSizes) => void;
}

export type LifeState = 'booting' | 'ready' | 'closing';

export interface Agent {
  /** Stops accepting, finishes what was begun, closes. The kernel is left as it is. */
  close(): Promise<void>;
}

/** Events kept for `canal drops`. */
const EVENTS = 4096;
/** Where libcni, of container runtimes, keeps what plugins answered. */
const RESULT_CACHE = '/var/lib/cni/results';
/** host-local's directory of the network that Canal's and our own conflist name. */
const ADDRESS_DIRECTORIES = ['/var/lib/cni/networks/k8s-pod-network', '/var/lib/cni/networks/canal'];

/**
 * The whole program.
 *
 *   API server ─► datastore ─► store ─┐ snapshot
 *                                     ▼
 *   netlink ──► devices, addresses ─► ApplyLoop ── compile ─► reconcile ─► kernel: maps, programs, links, routes
 *                                     ▲   │
 *   kubelet ─► CNI socket ─► PodDataplane  └─ onApplied ─► NodePublisher ─► lease and condition on the Node
 *                │                                     └─► subnet.env, nodename, mtu
 *                └─ EndpointStore (survives), Ipam     ring buffer ─► EventPump ─► RecentEvents
 *
 *   admin socket, health pages, metrics: read from all of these, change nothing
 *
 * Order of start: what can fail for good comes first (configuration, lock, BPF
 * objects); then the datastore, so that lists are under way; CNI last of what
 * changes anything: its DEL works at once, its ADD waits for the first apply.
 */
export async function startAgent({ settings: given, log, clock, restart, fail, grown, grow }: AgentOptions): Promise<Agent> {
  const startedMs = clock.now();
  const kubeProxy = new KubeProxyWatch({ clock, log: log.child({ component: 'services' }), devices: () => listLinks().map(({ name }) => name), onChange: () => given.yieldServices && restart() });
  const settings = besideKubeProxy(given, await kubeProxy.start(), log);
  let state: LifeState = 'booting';
  const netConf = parseNetConf(readNetConf(settings.netConfPath), settings.netConfPath);
  const connection = await loadConnection({ kubeconfig: settings.kubeconfig, apiUrl: settings.kubeApiUrl, env: process.env, clock });
  const lock = await takeInstanceLock(join(settings.runDir, 'agent.lock'));
  const networks = [netConf.network, netConf.ipv6Network].filter((network) => network !== undefined);
  const opened = openKernel({ settings, networks, sysctls: () => [...(loop?.ledgers.sysctls.desired.keys() ?? [])], log, grown });
  const kernel = { ...opened, load: (wanted: ReadonlyMap<string, number>) => orFail(fail, () => opened.load(wanted)) };
  const resolve = await resolver(settings);

  const client = createKubeClient(connection, clock);
  const publisher = new NodePublisher({ client, clock, log: log.child({ component: 'node' }), node: settings.nodeName, prefix: settings.annotationPrefix, setCondition: settings.setNodeNetworkUnavailable });
  const stored = new EndpointStore(join(settings.stateDir, 'endpoints'));
  const endpoints = new LocalEndpoints(() => stored.ready());
  const planner = new OverlayPlanner({ nodeName: settings.nodeName, settings: { ...settings.uplink, blackholeRoute: settings.blackholeRoute }, netConf, kernel, resolve, randomMac });
  let published: DesiredState | undefined;
  const onApplied = (view: AppliedView): void => {
    if (state === 'booting') {
      collectGarbage(); // before the first ADD goes on
      state = 'ready';
    }
    if (view.outcome.troubles.length === 0 && view.outcome.blocked === 0) kernel.settled();
    if (published !== view.desired) publish(settings, publisher, view, log);
    published = view.desired;
    healthChecks.want(loop.services.compiler.healthChecks());
    adopter.look(view);
    const more = growthOf(wantedRows(loop.ledgers), kernel.maps.growing, settings.mapSizes);
    if (more !== undefined && state === 'ready') grow(more);
  };
  const adopter = new Adopter({ nodeName: settings.nodeName, clock, log: log.child({ component: 'adoption' }), isRecorded: (device, ifindex) => stored.standsFor(device, ifindex), onAdopted: () => loop.podsChanged() });
  const healthChecks = new HealthCheckPorts({ clock, log: log.child({ component: 'services' }), healthy: () => health.conditions().every(({ name, ok }) => name !== 'services' || ok) });
  const loop: ApplyLoop = new ApplyLoop({ kernel, planner, endpoints, settings, clock, log: log.child({ component: 'apply' }), onApplied });

  const events = new RecentEvents(EVENTS);
  const pump = new EventPump(kernel.ring, clock, (event) => events.add(event));
  const store = createStore({ clock, onChange: (snapshot) => adopter.pass(snapshot, (next) => loop.update(next)) });
  const datastore = createDatastore({ client, annotationPrefix: settings.annotationPrefix, sinks: store.sinks, log: log.child({ component: 'datastore' }), clock });

  const servers = new Servers(clock, log);
  const sources: ConditionSources = { loop, datastore: () => datastore.health(), publisher, clock, startedMs, mapFull: () => kernel.maps.full(), servers: () => [...servers.problems(), ...healthChecks.problems()], services: settings.services, kubeProxy: () => kubeProxy.mode, strangers: () => adopter.refused };
  const health = { conditions: () => conditions(sources), vital: VITAL, serving: SERVING };
  const admin = adminHandler({ settings, kernel, loop, events, drainEvents: () => void pump.drainNow(), strangers: () => adopter.refused, conditions: health.conditions, state: () => state, clock, startedMs });
  servers.add('admin', { path: join(settings.runDir, 'admin.sock') }, admin);
  if (settings.healthEnabled) servers.add('health', { host: settings.healthHost, port: settings.healthPort }, felixHealth(health));
  if (settings.healthzPort !== 0) servers.add('healthz', { host: settings.healthzHost, port: settings.healthzPort }, flannelHealth(health));
  if (settings.services && kubeProxy.mode === undefined) inPlaceOfKubeProxy(servers, settings, proxyHealth(health, () => loop.record.lastAtMs, () => clock.now()));
  const metrics = createMetrics(metricsSource({ kernel, loop, datastore, conditions: health.conditions, pump }));
  loop.record.onDuration = (seconds) => metrics.observeApply(seconds);
  if (settings.metricsEnabled) servers.add('metrics', { host: settings.metricsHost, port: settings.metricsPort }, metrics.handler);

  loop.start();
  pump.start();
  const annotator = new PodAnnotations(createPodApi(client), clock, log.child({ component: 'annotations' }));
  const cni = await startCni(
    {
      dataplane: createPodDataplane({ loop, endpoints, interfacePrefix: settings.interfacePrefix }),
      network: {
        podCidrs: () => loop.view?.snapshot.nodes.get(settings.nodeName)?.podCidrs,
        podMtu: () => loop.view?.planned.overlay?.mtu,
      },
      pods: createPodSource(loop),
      ipam: new Ipam(new FlockFileLock()),
      endpoints: stored,
      annotator,
      clock,
      log: log.child({ component: 'cni' }),
    },
    { socket: join(settings.runDir, 'cni.sock'), queue: join(settings.stateDir, 'cni', 'queue'), addressDirectories: ADDRESS_DIRECTORIES, resultCache: RESULT_CACHE },
  );
  adopter.start((pods) => cni.adopt(pods));
  log.info({ api: connection.server.href, origin: connection.origin }, 'agent started');
  for (const { message } of predecessorProblems(settings.nodeName, listChains())) log.warn({ problem: message }, 'rules of a predecessor are in netfilter');

  return {
    async close() {
      state = 'closing';
      await kubeProxy.close();
      await adopter.close();
      await cni.close(); // no new requests; those under way still find everything working
      await Promise.all([annotator.close(), publisher.close(), pump.close()]);
      store.close();
      await datastore.close();
      await loop.close();
      await Promise.all([servers.close(), healthChecks.close()]);
      client.close();
      kernel.close();
      lock.release();
    },
  };
}

function orFail(fail: (error: unknown) => void, run: () => void): void {
  try {
    run();
  } catch (error) {
    fail(error);
    throw error;
  }
}

/** Who translates services here, said once. */
function besideKubeProxy(settings: AgentSettings, mode: string | undefined, log: Logger): AgentSettings {
  if (mode === undefined || !settings.services) return settings;
  if (!settings.yieldServices) {
    log.warn({ mode }, 'kube-proxy runs on this node: its services are taken over, as --services=on says');
    return settings;
  }
  log.warn({ mode }, 'kube-proxy runs on this node: services are left to it (--services=on takes them over)');
  // Its answers are translated back in the host stack, so they have to come by there.
  return { ...settings, services: false, fastPath: 'off' };
}

/** Ports that others ask kube-proxy at. */
function inPlaceOfKubeProxy(servers: Servers, settings: AgentSettings, pages: Handler): void {
  if (settings.proxyHealthzPort !== 0) servers.add('proxy-healthz', { host: '0.0.0.0', port: settings.proxyHealthzPort }, pages);
  if (settings.proxyModePort !== 0) servers.add('proxy-mode', { host: '127.0.0.1', port: settings.proxyModePort }, pages);
}

/** Tells the node object and the node's files what has been applied. */
function publish(settings: AgentSettings, publisher: NodePublisher, view: AppliedView, log: Logger): void {
  const { overlay, overlayIfindex } = view.planned;
  const self = view.snapshot.nodes.get(settings.nodeName);
  if (overlay === undefined || self === undefined) return;
  const routesStand = overlayIfindex !== undefined && !view.outcome.troubles.some((t) => ['link', 'address', 'fdb', 'neighbour', 'route'].includes(t.table));
  publisher.update({ annotations: overlay.annotations, networkReady: routesStand }, self);
  if (!routesStand) return;
  try {
    const files = writeNodeFiles(settings, overlay);
    if (files.length > 0) log.info({ files }, 'files written');
  } catch (error) {
    log.warn({ err: error }, 'files for other programs cannot be written, will retry');
  }
}

function readNetConf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CanalError('CONFIG', `--net-config-path: ${(cause as Error).message}`, { subject: path, cause });
  }
}

/** `can-reach` may name a host: looked up once, as flanneld and calico-node do at their start. */
async function resolver(settings: AgentSettings): Promise<(target: string) => IpAddress | undefined> {
  const { autodetection } = settings.uplink;
  if (autodetection?.method !== 'can-reach') return (target) => IpAddress.parse(target);
  const found = IpAddress.parse(autodetection.target) ?? IpAddress.parse(await lookup(autodetection.target, 4).then((a) => a.address, () => ''));
  return (target) => (target === autodetection.target ? found : IpAddress.parse(target));
}

/** As flannel makes them: locally administered, no multicast (compat.md 3.1). */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & 0xfe) | 2;
  return macText(bytes);
}
