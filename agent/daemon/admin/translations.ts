import { IpAddress } from '../../base/address.js';
import { CanalEdgeFlags, CanalNatFlags, CanalNatWay, type Addr4, type CanalEdge4, type CanalEdgeKey4 } from '../../kernel/abi.generated.js';
import type { FlowView } from '../../observe/views.js';
import type { ProgramTranslations } from '../program-maps.js';
import { flowState } from './flow-state.js';
import { protocolName } from './protocols.js';

interface End {
  readonly address: string;
  readonly port: number;
}

/** What became of a flow. */
export interface Translated {
  readonly text: string;
  /** Whose address was asked; empty: no service's. */
  readonly service: string;
}

/** A flow's row of canal_edge, as its first packet's sender sees it. */
interface EdgeFlow extends Translated {
  readonly protocol: number;
  readonly source: End;
  readonly destination: End;
  readonly row: CanalEdge4;
  /** Its answers' row, which the least recently used lose. */
  readonly answer: CanalEdge4 | undefined;
}

const end = (addr: Addr4, port: number): End => ({ address: IpAddress.fromBytes(addr.word).text, port });
const text = ({ address, port }: End): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
const flowText = (protocol: number, origin: End, reply: End): string => `${protocol} ${text(origin)} ${text(reply)}`;

/** What was translated of flows, by the ends under which conntrack knows them. */
export class Translations {
  readonly #of = new Map<string, Translated>();
  /** By the same ends: flows at the uplink that conntrack has not been asked about. */
  readonly #alone = new Map<string, EdgeFlow>();

  /** @param serviceOf name of a set of backends */
  constructor({ nat, edge }: ProgramTranslations, serviceOf: (set: bigint) => string) {
    for (const { key, value } of nat) {
      if (key.way !== CanalNatWay.NAT_ANSWER || (value.flags & (CanalNatFlags.NAT_HAIRPIN | CanalNatFlags.NAT_HAIRPIN_ANSWER)) !== 0) continue;
      this.#of.set(flowText(key.protocol, end(key.client, key.clientPort), end(key.peer, key.peerPort)), { text: `asked ${text(end(value.to.addr, value.to.port))}`, service: serviceOf(value.service) });
    }
    const answers = new Map<string, CanalEdge4>();
    for (const { key, value } of edge) if (isAnswer(value)) answers.set(waysOf(key, value).before, value);
    for (const { key, value } of edge) {
      if (isAnswer(value)) continue;
      const [flow, known] = edgeFlow(key, value, answers, serviceOf);
      this.#of.set(known, flow);
      this.#alone.set(known, flow);
    }
  }

  /** Of a flow of conntrack between these ends; undefined: nothing was. */
  of(protocol: number, origin: End, reply: End): Translated | undefined {
    const known = flowText(protocol, origin, reply);
    this.#alone.delete(known);
    return this.#of.get(known);
  }

  /**
   * Flows at the uplink that `of` was not asked about: no pod of this node is
   * at either end. What they carry is not counted here.
   */
  rest(nowS: number): FlowView[] {
    return [...this.#alone.values()].map(({ protocol, source, destination, row, answer, text: translation, service }) => ({
      protocol: protocolName(protocol), source: source.address, sourcePort: source.port, destination: destination.address, destinationPort: destination.port,
      state: flowState(protocol, { replied: (answer?.seenS ?? 0) !== 0, tcpA: row.tcp, tcpB: answer?.tcp ?? 0 }), idleSeconds: Math.max(0, nowS - Math.max(row.seenS, answer?.seenS ?? 0)),
      packets: null, bytes: null, replyPackets: null, replyBytes: null, rule: '', current: true, service, translation,
    }));
  }
}

const isAnswer = (row: CanalEdge4): boolean => (row.flags & CanalEdgeFlags.EDGE_ANSWER) !== 0;

/** A row's ends before and after, and those of the answers to what it makes. */
function waysOf(key: CanalEdgeKey4, row: CanalEdge4): { readonly before: string; readonly answers: string } {
  const [source, destination] = [end(row.source, row.sourcePort), end(row.destination, row.destinationPort)];
  return { before: flowText(key.protocol, end(key.source, key.sourcePort), end(key.destination, key.destinationPort)), answers: flowText(key.protocol, destination, source) };
}

/** @returns the flow, and the ends under which conntrack would know it: behind the uplink */
function edgeFlow(key: CanalEdgeKey4, row: CanalEdge4, answers: ReadonlyMap<string, CanalEdge4>, serviceOf: (set: bigint) => string): [flow: EdgeFlow, known: string] {
  const { protocol } = key;
  const [source, destination] = [end(key.source, key.sourcePort), end(key.destination, key.destinationPort)];
  const [after, to] = [end(row.source, row.sourcePort), end(row.destination, row.destinationPort)];
  const flow = { protocol, source, destination, row, answer: answers.get(waysOf(key, row).answers) };
  if (row.service === 0n) return [{ ...flow, service: '', text: `leaves as ${text(after)}` }, flowText(protocol, source, destination)];
  const passed = text(source) === text(after) ? '' : `, passed on as ${text(after)} to ${text(to)}`;
  return [{ ...flow, service: serviceOf(row.service), text: `asked ${text(destination)}${passed}` }, flowText(protocol, after, to)];
}
