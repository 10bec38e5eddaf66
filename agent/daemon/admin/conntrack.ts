import { IpAddress } from '../../base/address.js';
import { CanalError } from '../../base/errors.js';
import { CanalFlowFlags, type CanalFlow, type CanalFlowKey4 } from '../../kernel/abi.generated.js';
import type { FlowView } from '../../observe/views.js';
import { flowState } from './flow-state.js';
import { protocolName } from './protocols.js';
import { setOwners } from './set-owners.js';
import { hex, type AdminSources } from './sources.js';
import { Translations } from './translations.js';

/** Flows of the programs' conntrack and of translation at the uplink, the most recent first. */
export function conntrackView(sources: AdminSources, query: URLSearchParams): FlowView[] {
  const limit = Number(query.get('limit') ?? '1000');
  if (!Number.isInteger(limit) || limit < 1) throw new CanalError('CONFIG', '--limit must be a positive integer');
  const nowS = uptimeSeconds();
  const epoch = sources.kernel.epoch.read();
  const rules = sources.loop.view?.desired.policy.rules;
  const owners = setOwners(sources.loop.services.compiler);
  const translations = new Translations(sources.kernel.maps.translations(), (set) => owners.get(set) ?? hex(set));
  const flows = sources.kernel.maps.flows().map(({ key, value }) => flowView(key, value, { nowS, epoch, ruleOf: (id) => rules?.get(id) ?? '', translations }));
  return [...flows, ...translations.rest(nowS)].sort((a, b) => a.idleSeconds - b.idleSeconds).slice(0, limit);
}

/** CLOCK_MONOTONIC, which the programs stamp flows with. */
const uptimeSeconds = (): number => Number(process.hrtime.bigint() / 1_000_000_000n);

interface Reading {
  readonly nowS: number;
  readonly epoch: number;
  readonly ruleOf: (id: bigint) => string;
  readonly translations: Translations;
}

function flowView(key: CanalFlowKey4, flow: CanalFlow, { nowS, epoch, ruleOf, translations }: Reading): FlowView {
  const a = { address: IpAddress.fromBytes(key.addrA.word).text, port: key.portA, packets: flow.packetsA, bytes: flow.bytesA };
  const b = { address: IpAddress.fromBytes(key.addrB.word).text, port: key.portB, packets: flow.packetsB, bytes: flow.bytesB };
  const [origin, reply] = (flow.flags & CanalFlowFlags.FLOW_ORIGIN_B) === 0 ? [a, b] : [b, a];
  const translated = translations.of(key.protocol, origin, reply);
  return {
    protocol: protocolName(key.protocol),
    source: origin.address,
    sourcePort: origin.port,
    destination: reply.address,
    destinationPort: reply.port,
    state: stateOf(key.protocol, flow),
    idleSeconds: Math.max(0, nowS - flow.seenS),
    packets: origin.packets,
    bytes: Number(origin.bytes),
    replyPackets: reply.packets,
    replyBytes: Number(reply.bytes),
    rule: [flow.ruleEgress, flow.ruleIngress].filter((id) => id !== 0n).map(ruleOf).filter(Boolean).join(' and '),
    current: flow.epoch === epoch,
    service: translated?.service ?? '',
    translation: translated?.text ?? '',
  };
}

function stateOf(protocol: number, flow: CanalFlow): string {
  if ((flow.flags & CanalFlowFlags.FLOW_DEAD) !== 0) return 'revoked';
  return flowState(protocol, { ...flow, replied: (flow.flags & CanalFlowFlags.FLOW_REPLIED) !== 0 });
}
