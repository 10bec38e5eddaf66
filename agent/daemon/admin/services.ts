import { ownerOf } from '../../compile/services/claims.js';
import { mergeEndpoints, type PortEndpoint } from '../../compile/services/merge.js';
import { backendText, frontText, type FrontKey } from '../../compile/services/rows.js';
import { isServed, SET_KINDS, setId, setKey, type Claim, type CompiledService } from '../../compile/services/service.js';
import type { EndpointSlice, Service, ServicePort } from '../../model/service.js';
import type { ServiceBackendView, ServiceFrontendView, ServiceView } from '../../observe/views.js';
import { protocolName } from './protocols.js';
import { distinct, lookUpService } from './service-lookup.js';
import { applied, type AdminSources } from './sources.js';

/** All services and this node's hostPorts, or those of one name (`?name=NAMESPACE/NAME` or `NAME`), with what the kernel has of them. */
export function servicesView(sources: AdminSources, query: URLSearchParams): ServiceView[] {
  const { snapshot } = applied(sources);
  const asked = query.get('name');
  const { compiler } = sources.loop.services;
  const wanted = ([key]: readonly [string, unknown]): boolean => asked === null || asked === key || asked === key.split('/')[1];
  const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);
  return [
    ...[...snapshot.services].filter(wanted).sort(byName).map(([key, service]) => serviceView(sources, service, compiler.compiled.get(key), [...(compiler.slices.get(key)?.values() ?? [])])),
    ...[...compiler.hostPorts()].filter(wanted).sort(byName).map(([key, compiled]) => hostPortView(sources, key, compiled)),
  ];
}

/** As people read it: `*` is every address of the node. */
export const frontAddress = ({ address, port }: FrontKey): string => (address.bytes.every((byte) => byte === 0) ? `*:${port}` : backendText({ address, port }));

function serviceView(sources: AdminSources, service: Service, compiled: CompiledService | undefined, slices: readonly EndpointSlice[]): ServiceView {
  const frontends = [...(compiled?.claims.values() ?? [])].map((claim) => frontendView(sources, claim));
  return {
    namespace: service.namespace,
    name: service.name,
    type: service.type,
    affinitySeconds: service.affinityS,
    internalPolicy: service.internalPolicy,
    externalPolicy: service.externalPolicy,
    algorithm: service.algorithm ?? sources.settings.lbAlgorithm,
    sourceRanges: service.sourceRanges.map(({ text }) => text),
    healthCheck: compiled?.healthCheck === undefined ? null : { port: compiled.healthCheck.port, localEndpoints: compiled.healthCheck.localEndpoints },
    state: stateOf(sources, service, frontends),
    frontends,
    backends: isServed(service) ? service.ports.flatMap((port) => backendViews(sources, service, port, slices, compiled)) : [],
  };
}

/** A pod that the node's own ports lead to. */
function hostPortView(sources: AdminSources, key: string, { claims, sets }: CompiledService): ServiceView {
  const [namespace = '', name = ''] = key.split('/');
  const frontends = [...claims.values()].map((claim) => frontendView(sources, claim));
  const { live } = sources.loop.ledgers;
  const backends = [...sets.values()].flatMap(({ id, slots }) => slots.map((backend): ServiceBackendView => {
    const claim = [...claims.values()].find(({ row }) => row.service === id)!;
    return {
      port: String(claim.key.port), protocol: protocolName(claim.key.protocol), address: backendText(backend), node: sources.settings.nodeName, target: key,
      ready: true, serving: true, terminating: false, hints: [], usedFor: ['local'], kernel: live.actual().has(live.table.keyText({ service: id, backend })),
    };
  }));
  return {
    namespace, name, type: 'hostPort', affinitySeconds: 0, internalPolicy: 'local', externalPolicy: 'local', algorithm: 'random', sourceRanges: [], healthCheck: null,
    state: frontendState(frontends), frontends, backends,
  };
}

function frontendView({ loop }: AdminSources, claim: Claim): ServiceFrontendView {
  const { rank, key, row } = claim;
  const { ledgers } = loop;
  const wanted = ledgers.fronts.desired.get(frontText(key));
  const there = lookUpService(ledgers, key);
  const mine = wanted !== undefined && ledgers.fronts.table.equal(wanted.row, row);
  const whole = there !== undefined && ledgers.fronts.table.equal(there.front, row) && !there.slots.includes(undefined);
  const loaded = wanted !== undefined;
  return {
    address: frontAddress(key),
    protocol: protocolName(key.protocol),
    kind: rank,
    from: key.scope,
    backends: there === undefined ? 0 : distinct(there.slots).length,
    kernel: !loaded ? 'family not loaded' : !mine ? `not ${ownerOf(claim)}'s: another has the address` : whole ? 'in force' : there === undefined ? 'missing' : 'old rows in force',
  };
}

function backendViews({ loop, settings }: AdminSources, service: Service, port: ServicePort, slices: readonly EndpointSlice[], compiled: CompiledService | undefined): ServiceBackendView[] {
  const inUse = (family: 4 | 6, policy: 'cluster' | 'local'): ReadonlySet<string> =>
    new Set(SET_KINDS.filter((kind) => kind.startsWith(policy)).flatMap((kind) => (compiled?.sets.get(setKey(setId(service, port, kind), family))?.slots ?? []).map(backendText)));
  return ([4, 6] as const).flatMap((family) => {
    const uses = (['cluster', 'local'] as const).map((policy) => [policy, inUse(family, policy)] as const);
    return mergeEndpoints(slices, port, family, settings.nodeName).map((endpoint) => ({
      port: port.name === '' ? String(port.port) : port.name,
      protocol: protocolName(port.protocol),
      address: endpoint.text,
      node: endpoint.nodeName,
      target: endpoint.target,
      ready: endpoint.ready,
      serving: endpoint.serving,
      terminating: endpoint.terminating,
      hints: [...endpoint.zoneHints, ...endpoint.nodeHints],
      usedFor: uses.filter(([, set]) => set.has(endpoint.text)).map(([policy]) => policy),
      kernel: inKernel(loop, service, port, endpoint),
    }));
  });
}

/** Whether new connections can land on it now. */
function inKernel({ ledgers }: AdminSources['loop'], service: Service, port: ServicePort, { address, port: number }: PortEndpoint): boolean {
  return SET_KINDS.some((kind) => ledgers.live.actual().has(ledgers.live.table.keyText({ service: setId(service, port, kind), backend: { address, port: number } })));
}

function stateOf({ settings }: AdminSources, service: Service, frontends: readonly ServiceFrontendView[]): string {
  if (!settings.services) return 'services are off';
  if (service.proxyName !== '') return `left to ${service.proxyName}`;
  if (service.type === 'ExternalName') return 'ExternalName: a matter of DNS';
  if (!isServed(service)) return 'headless: a matter of DNS';
  return frontendState(frontends);
}

function frontendState(frontends: readonly ServiceFrontendView[]): string {
  const ill = frontends.filter(({ kernel }) => kernel !== 'in force');
  return ill.length === 0 ? 'in force' : `${ill.length} of ${frontends.length} frontends are not`;
}
