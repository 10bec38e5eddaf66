import { mergeEndpoints, type PortEndpoint } from '../../compile/services/merge.js';
import { backendText, frontText } from '../../compile/services/rows.js';
import { isServed, setId, setKey, type CompiledService } from '../../compile/services/service.js';
import type { EndpointSlice, Service, ServicePort } from '../../model/service.js';
import type { ServiceBackendView, ServiceFrontendView, ServiceView } from '../../observe/views.js';
import { protocolName } from './protocols.js';
import { lookUpService } from './service-lookup.js';
import { applied, type AdminSources } from './sources.js';

/** All services, or those of one name (`?name=NAMESPACE/NAME` or `NAME`), with what the kernel has of them. */
export function servicesView(sources: AdminSources, query: URLSearchParams): ServiceView[] {
  const { snapshot } = applied(sources);
  const asked = query.get('name');
  const { compiled, slices } = sources.loop.services.compiler;
  return [...snapshot.services]
    .filter(([key, { name }]) => asked === null || asked === key || asked === name)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, service]) => serviceView(sources, service, compiled.get(key), [...(slices.get(key)?.values() ?? [])]));
}

function serviceView(sources: AdminSources, service: Service, compiled: CompiledService | undefined, slices: readonly EndpointSlice[]): ServiceView {
  const frontends = [...(compiled?.claims.values() ?? [])].map((claim) => frontendView(sources, claim));
  return {
    namespace: service.namespace,
    name: service.name,
    type: service.type,
    affinitySeconds: service.affinityS,
    internalPolicy: service.internalPolicy,
    externalPolicy: service.externalPolicy,
    state: stateOf(sources, service, frontends),
    frontends,
    backends: isServed(service) ? service.ports.flatMap((port) => backendViews(sources, service, port, slices, compiled)) : [],
  };
}

type Claim = CompiledService['claims'] extends ReadonlyMap<string, infer C> ? C : never;

function frontendView({ loop }: AdminSources, { rank, key, row, service }: Claim): ServiceFrontendView {
  const { ledgers } = loop;
  const wanted = ledgers.fronts.desired.get(frontText(key));
  const there = lookUpService(ledgers, key);
  const mine = wanted !== undefined && ledgers.fronts.table.equal(wanted.row, row);
  const whole = there !== undefined && ledgers.fronts.table.equal(there.front, row) && !there.slots.includes(undefined);
  const loaded = wanted !== undefined;
  return {
    address: backendText(key),
    protocol: protocolName(key.protocol),
    kind: rank,
    backends: there?.front.backends ?? 0,
    kernel: !loaded ? 'family not loaded' : !mine ? `not ${service}'s: another service has the address` : whole ? 'in force' : there === undefined ? 'missing' : 'old rows in force',
  };
}

function backendViews({ loop, settings }: AdminSources, service: Service, port: ServicePort, slices: readonly EndpointSlice[], compiled: CompiledService | undefined): ServiceBackendView[] {
  const inUse = (family: 4 | 6, scope: 'cluster' | 'local'): ReadonlySet<string> =>
    new Set((compiled?.sets.get(setKey(setId(service, port, scope), family))?.slots ?? []).map(backendText));
  return ([4, 6] as const).flatMap((family) => {
    const uses = (['cluster', 'local'] as const).map((scope) => [scope, inUse(family, scope)] as const);
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
      usedFor: uses.filter(([, set]) => set.has(endpoint.text)).map(([scope]) => scope),
      kernel: inKernel(loop, service, port, endpoint),
    }));
  });
}

/** Whether new connections can land on it now. */
function inKernel({ ledgers }: AdminSources['loop'], service: Service, port: ServicePort, { address, port: number }: PortEndpoint): boolean {
  return (['cluster', 'local'] as const).some((scope) => ledgers.live.actual().has(ledgers.live.table.keyText({ service: setId(service, port, scope), backend: { address, port: number } })));
}

function stateOf({ settings }: AdminSources, service: Service, frontends: readonly ServiceFrontendView[]): string {
  if (!settings.services) return 'services are off';
  if (service.proxyName !== '') return `left to ${service.proxyName}`;
  if (service.type === 'ExternalName') return 'ExternalName: a matter of DNS';
  if (!isServed(service)) return 'headless: a matter of DNS';
  const ill = frontends.filter(({ kernel }) => kernel !== 'in force');
  return ill.length === 0 ? 'in force' : `${ill.length} of ${frontends.length} frontends are not`;
}
