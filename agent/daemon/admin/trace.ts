import { IpAddress } from '../../base/address.js';
import { CanalError } from '../../base/errors.js';
import type { LocalEndpoint, RuleRow } from '../../compile/desired.js';
import { icmpPort, judge, type Judgement, type Packet } from '../../compile/policy/evaluate.js';
import { lookup, type Lookup } from '../../compile/policy/lookup.js';
import { ICMP, ICMPV6 } from '../../model/objects.js';
import type { Direction } from '../../model/policy.js';
import type { TraceStep, TraceView, TranslationView } from '../../observe/views.js';
import type { AppliedView } from '../apply-loop.js';
import { policyMaps } from '../policy-way.js';
import { addressOwners } from './owners.js';
import { protocolName, protocolNumber } from './protocols.js';
import { applied, hex, table, type AdminSources } from './sources.js';
import { sourceView } from './trace-source.js';
import { refusal, translate } from './trace-translation.js';

/**
 * May this packet pass? Twice: by the rows that are in the kernel's maps, with
 * the lookups that the programs make, and by the policies themselves. Only
 * what this node decides is told: egress of a local sender, ingress of a local receiver.
 */
export function traceView(sources: AdminSources, query: URLSearchParams): TraceView {
  const view = applied(sources);
  const protocol = protocolNumber(query.get('protocol') ?? 'TCP');
  const port = portOf(query.get('port'), protocol);
  const from = resolve(view, query.get('from') ?? '', '--from');
  const to = resolve(view, query.get('to') ?? '', '--to');
  const translated = translate(sources, { client: from.address, address: to.address, port, protocol });
  const packet: Packet = translated.backend === undefined ? { source: from.address, destination: to.address, protocol, port } : { source: from.address, destination: translated.backend.address, protocol, port: translated.backend.port };
  const { translation } = translated;
  const refused = translation !== null && translation.traced === null;
  const steps = refused ? [] : (['egress', 'ingress'] as const).flatMap((direction) => traceStep(sources, view, direction, packet));
  const denied = steps.find((step) => !step.allow);
  return {
    from: from.name, to: to.name,
    protocol: protocolName(protocol),
    port,
    allow: denied === undefined && !refused,
    reason: refused ? refusal(translation.outcome) : denied === undefined ? (steps.length === 0 ? 'no pod of this node is on either end' : 'every end allows it') : `by ${denied.rule === '' ? denied.policy : denied.rule}`,
    translation,
    source: refused ? null : sourceView(sources, view, { client: from.address, to: packet.destination, translation }),
    steps,
    notes: notes(view, packet, steps, translation),
  };
}

function traceStep(sources: AdminSources, view: AppliedView, direction: Direction, packet: Packet): TraceStep[] {
  const [self, peer] = direction === 'egress' ? [packet.source, packet.destination] : [packet.destination, packet.source];
  const endpoint = view.facts.endpoints.find((e) => e.addresses.some((a) => a.equals(self)));
  if (endpoint === undefined) return [];
  const oracle = judge(view.snapshot, view.facts, direction, endpoint, packet);
  const kernel = kernelSays(sources, view, direction, endpoint, peer, packet);
  const rules = view.desired.policy.rules;
  const rule = kernel.rule === 0n ? '' : (rules.get(kernel.rule) ?? hex(kernel.rule));
  return [{
    hook: direction === 'egress' ? 'from_pod' : endpointOf(view, peer) === undefined ? 'to_pod or from_overlay' : 'from_pod of the sender',
    direction,
    pod: `${endpoint.namespace}/${endpoint.pod}`,
    device: endpoint.hostDevice,
    table: table(kernel.table),
    peer: peer.text,
    class: classText(view, kernel.found?.classId ?? 0n),
    rows: kernel.found?.rows === undefined ? null : hex(kernel.found.rows),
    rowsConsulted: kernel.found?.row === undefined ? [] : [rowText(kernel.found.row)],
    allow: kernel.allow,
    rule,
    policy: kernel.why ?? defaultText(oracle),
    oracle: { allow: oracle.allow, rule: oracle.rule ?? '' },
    agrees: oracle.allow === kernel.allow && (oracle.rule ?? '') === rule,
  }];
}

interface KernelVerdict {
  readonly allow: boolean;
  readonly rule: bigint;
  readonly table: bigint;
  readonly found: Lookup | undefined;
  /** Where no table decided. */
  readonly why?: string;
}

/** What the programs would find in the maps as they are. */
function kernelSays(sources: AdminSources, view: AppliedView, direction: Direction, endpoint: LocalEndpoint, peer: IpAddress, packet: Packet): KernelVerdict {
  const { endpoints } = sources.loop.ledgers;
  const row = endpoints.actual().get(endpoints.table.keyText(endpoint.ifindex))?.row;
  if (row === undefined) return { allow: false, rule: 0n, table: 0n, found: undefined, why: 'the device has no endpoint row' };
  if (direction === 'ingress' && view.facts.hostAddresses.some((a) => a.equals(peer))) {
    return { allow: true, rule: 0n, table: 0n, found: undefined, why: 'the node itself always reaches its pods' };
  }
  const id = direction === 'ingress' ? row.ingressTable : row.egressTable;
  if (id === 0n) return { allow: true, rule: 0n, table: 0n, found: undefined, why: 'no policy isolates the pod in this direction' };
  const found = lookup(policyMaps(sources.loop.ledgers, view.facts.endpoints), id, peer, packet.protocol, packet.port);
  if (found.verdict === undefined) return { allow: false, rule: 0n, table: id, found, why: 'the table has no rows for the packet' };
  return { allow: found.verdict.allow, rule: found.verdict.rule, table: id, found };
}

const defaultText = (oracle: Judgement): string => (oracle.allow ? 'default: allow' : `default deny${oracle.tier === undefined ? '' : ` at the end of tier ${oracle.tier}`}: no rule allows it`);

const endpointOf = (view: AppliedView, address: IpAddress): LocalEndpoint | undefined => view.facts.endpoints.find((e) => e.addresses.some((a) => a.equals(address)));

function classText(view: AppliedView, id: bigint): string {
  if (id === 0n) return 'none (the table\'s default)';
  const atoms = view.desired.policy.classes.get(id);
  return atoms === undefined ? hex(id) : `${hex(id)} {${atoms}}`;
}

function rowText(row: RuleRow): string {
  const protocol = row.protocol === undefined ? 'any protocol' : protocolName(row.protocol);
  const low = row.port;
  const high = low | (0xffff >> row.portBits);
  const ports = row.protocol === undefined || row.portBits === 0 ? '' : low === high ? ` port ${low}` : ` ports ${low}-${high}`;
  return `${protocol}${ports}: ${row.verdict.allow ? 'allow' : 'deny'}`;
}

function notes(view: AppliedView, packet: Packet, steps: readonly TraceStep[], translation: TranslationView | null): string[] {
  const owners = addressOwners(view);
  const elsewhere = (address: IpAddress): boolean => owners.get(address.text)?.kind === 'pod' && endpointOf(view, address) === undefined;
  return [
    ...(elsewhere(packet.source) ? [`${packet.source.text} is a pod of another node: its egress is decided there`] : []),
    ...(elsewhere(packet.destination) ? [`${packet.destination.text} is a pod of another node: its ingress is decided there`] : []),
    ...(translation?.agrees === false ? ['kernel and Services differ: a change is on its way, or a row could not be written (canal status)'] : []),
    ...(steps.some((s) => !s.agrees) ? ['kernel and policies differ: a change is on its way, or a row could not be written (canal status)'] : []),
  ];
}

/** A pod's first address by `NAMESPACE/NAME`, a service's where no pod has the name, or an address. @throws CanalError('CONFIG') */
function resolve(view: AppliedView, text: string, option: string): { readonly address: IpAddress; readonly name: string } {
  const literal = IpAddress.parse(text);
  if (literal !== undefined) {
    const owner = addressOwners(view).get(text);
    return { address: literal, name: owner === undefined ? text : `${owner.name} (${text})` };
  }
  const local = view.facts.endpoints.find((e) => `${e.namespace}/${e.pod}` === text)?.addresses[0];
  const address = local ?? view.snapshot.pods.get(text)?.addresses[0];
  if (address !== undefined) return { address, name: `${text} (${address.text})` };
  const known = view.snapshot.pods.has(text);
  const service = known ? undefined : view.snapshot.services.get(text)?.clusterIps[0];
  if (service !== undefined) return { address: service, name: `${text} (${service.text})` };
  throw new CanalError('CONFIG', `${option}: ${known ? `pod ${text} has no address` : `${JSON.stringify(text)} is neither an address nor a pod or service (NAMESPACE/NAME)`}`, { subject: option });
}

function portOf(text: string | null, protocol: number): number {
  if (text === null) return 0;
  const icmp = protocol === ICMP || protocol === ICMPV6;
  if (!/^\d{1,5}$/.test(text) || Number(text) > (icmp ? 255 : 65535)) throw new CanalError('CONFIG', `--port: ${text} is no ${icmp ? 'ICMP type' : 'port'}`, { subject: text });
  return icmp ? icmpPort(Number(text), 0) : Number(text);
}
