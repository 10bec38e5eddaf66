import { IpAddress } from '../../base/address.js';
import { CanalEdgeFlags, CanalNatFlags, CanalNatWay, type Addr4 } from '../../kernel/abi.generated.js';
import type { FlowView } from '../../observe/views.js';
import type { ProgramTranslations } from '../program-maps.js';
import { protocolName } from './protocols.js';

interface End {
  readonly address: string;
  readonly port: number;
}

const end = (addr: Addr4, port: number): End => ({ address: IpAddress.fromBytes(addr.word).text, port });
const text = ({ address, port }: End): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
const flowText = (protocol: number, origin: End, reply: End): string => `${protocol} ${text(origin)} ${text(reply)}`;

/** What was translated of flows, by the ends under which conntrack knows them. */
export class Translations {
  readonly #of = new Map<string, string>();
  /** Rows of the uplink whose backend is on another node: no pod here has such a flow. */
  readonly #passing = new Map<string, { readonly protocol: number; readonly client: End; readonly asked: End; readonly seenS: number; readonly text: string }>();

  constructor({ nat, edge }: ProgramTranslations) {
    for (const { key, value } of nat) {
      if (key.way !== CanalNatWay.NAT_ANSWER || (value.flags & (CanalNatFlags.NAT_HAIRPIN | CanalNatFlags.NAT_HAIRPIN_ANSWER)) !== 0) continue;
      this.#of.set(flowText(key.protocol, end(key.client, key.clientPort), end(key.peer, key.peerPort)), `asked ${text(end(value.to.addr, value.to.port))}`);
    }
    for (const { key, value } of edge) {
      if ((value.flags & CanalEdgeFlags.EDGE_ANSWER) !== 0) continue;
      const [source, destination] = [end(key.source, key.sourcePort), end(key.destination, key.destinationPort)];
      const [after, to] = [end(value.source, value.sourcePort), end(value.destination, value.destinationPort)];
      if (value.service === 0n) {
        this.#of.set(flowText(key.protocol, source, destination), `leaves as ${text(after)}`);
        continue;
      }
      const became = text(source) === text(after) ? `asked ${text(destination)}` : `asked ${text(destination)}, passed on as ${text(after)} to ${text(to)}`;
      const flow = flowText(key.protocol, after, to);
      this.#of.set(flow, became);
      if (text(source) !== text(after)) this.#passing.set(flow, { protocol: key.protocol, client: source, asked: destination, seenS: value.seenS, text: became });
    }
  }

  /** Of a flow between these ends; empty: nothing was. */
  of(protocol: number, origin: End, reply: End): string {
    return this.#of.get(flowText(protocol, origin, reply)) ?? '';
  }

  /** Flows that only come by: from outside to a backend on another node. What they carry is counted where that is. */
  passedOn(nowS: number): FlowView[] {
    return [...this.#passing.values()].map(({ protocol, client, asked, seenS, text: translation }) => ({
      protocol: protocolName(protocol), source: client.address, sourcePort: client.port, destination: asked.address, destinationPort: asked.port, state: 'passed on',
      idleSeconds: Math.max(0, nowS - seenS), packets: 0, bytes: 0, replyPackets: 0, replyBytes: 0, rule: '', current: true, translation,
    }));
  }
}
