import { join } from 'node:path';
import type { Family, IpAddress } from '../../agent/base/address.js';
import type { NodeFacts, PolicyState } from '../../agent/compile/desired.js';
import { compileEndpoints } from '../../agent/compile/endpoints/endpoints.js';
import type { Packet } from '../../agent/compile/policy/evaluate.js';
import * as abi from '../../agent/kernel/abi.generated.js';
import { BpfMap } from '../../agent/kernel/bpf-map.js';
import { BpfObject } from '../../agent/kernel/bpf-object.js';
import { type Codec, decode, encode } from '../../agent/kernel/codec.js';
import { endpointTable, localTable } from '../../agent/kernel/endpoint-tables.js';
import { native, nativeResult } from '../../agent/kernel/library.js';
import { cidrTable, decisionTable, peerTable, ruleTable } from '../../agent/kernel/policy-tables.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { ICMP, ICMPV6, TCP } from '../../agent/model/objects.js';
import { WITHOUT_EDGE } from '../packet/node.js';
import type { Table } from '../../agent/reconcile/table.js';
import { type Frame, SYN, frameBytes, icmp, tcp, udp } from '../packet/frames.js';

/** What the program did with a packet: its verdict, and the rule that decided at each end that was judged. */
export interface KernelOpinion {
  readonly allow: boolean;
  readonly reasons: readonly number[];
  /** By direction: the rule's id; absent where no event spoke of it. */
  readonly egress: bigint | undefined;
  readonly ingress: bigint | undefined;
}

const ROUTES = { routeProtocol: 3, routeMetric: 0 };

/** The real programs, with maps of their own written through the agent's own tables. Run in a namespace of one's own. */
export class KernelJudge {
  readonly #object: BpfObject;
  readonly #ring: number;
  readonly #tables;
  readonly #flows: BpfMap<Buffer, Buffer>[];
  readonly #events = Buffer.alloc(4096);
  #loaded: (() => void)[] = [];
  #port = 0;

  /** `outside`: ifindex of a device that is no pod's, where packets of others come in. */
  constructor(readonly family: Family, private readonly outside: number) {
    const flowMaps = [`canal_ct${family}`, `canal_ctnew${family}`];
    this.#object = BpfObject.load({
      path: join(import.meta.dirname, '..', '..', 'build', 'bpf', `canal${family}.o`),
      mapSizes: Object.fromEntries(flowMaps.map((name) => [name, 4096])),
    });
    const writes = new WriteCounter();
    const source = { objects: new Map([[family, this.#object]]), writes };
    this.#ring = native('canal_ring_open', 'canal_events', this.#object.map('canal_events'));
    this.#tables = {
      rule: ruleTable(source), table: decisionTable(source), peer: peerTable(source), cidr: cidrTable(source),
      endpoint: endpointTable(source), local: localTable(source),
    };
    const key = family === 4 ? abi.canalFlowKey4Codec.size : abi.canalFlowKey6Codec.size;
    this.#flows = flowMaps.map((name) => new BpfMap(name, this.#object.map(name), bytesCodec(key), bytesCodec(abi.canalFlowCodec.size), writes));
    this.#configure();
  }

  close(): void {
    nativeResult('canal_ring_close', this.#ring);
    this.#object.close();
  }

  /** Replaces what was loaded before. */
  load(state: PolicyState, facts: NodeFacts): void {
    for (const unload of this.#loaded) unload();
    this.#loaded = [];
    const mine = <T extends { readonly family: Family }>(items: Iterable<T>): T[] => [...items].filter((item) => item.family === this.family);
    const pods = compileEndpoints({ endpoints: facts.endpoints, up: new Set(), policy: state }, ROUTES);
    const { rule, table, peer, cidr, endpoint, local } = this.#tables;
    this.#put(rule, [...state.rows].flatMap(([rows, list]) => list.map(({ verdict, ...at }) => ({ key: { rows, ...at }, row: verdict }))));
    this.#put(table, [...state.tables].flatMap(([id, entries]) => [...entries].map(([classId, rows]) => ({ key: { table: id, classId }, row: rows }))));
    this.#put(peer, mine([...state.peers.values()].map((p) => p.address)).map((key) => ({ key, row: state.peers.get(key.text)!.classId })));
    this.#put(cidr, mine([...state.cidrs.values()].map((c) => c.cidr)).map((key) => ({ key, row: state.cidrs.get(key.text)!.classId })));
    this.#put(endpoint, [...pods.rows].map(([key, row]) => ({ key, row })));
    this.#put(local, [...mine(facts.hostAddresses).map((key) => ({ key, row: 0 })), ...mine([...pods.local.values()].map((l) => l.address)).map((key) => ({ key, row: pods.local.get(key.text)!.ifindex }))]);
    for (const flows of this.#flows) flows.remove(flows.list().map(({ key }) => key), String);
  }

  /** The first packet of a flow, where the node meets it first. Undefined: no program of this node sees it. */
  judge(packet: Packet, facts: NodeFacts): KernelOpinion | undefined {
    const at = (address: IpAddress): number | undefined => facts.endpoints.find((e) => e.addresses.some((a) => a.equals(address)))?.ifindex;
    const source = at(packet.source);
    const destination = at(packet.destination);
    if (source === undefined && destination === undefined) return undefined;
    const frame = frameBytes(this.#frame(packet));
    if (source !== undefined) return this.#run('canal_from_pod', frame, source, source);
    const fromHost = facts.hostAddresses.some((a) => a.equals(packet.source));
    return this.#run('canal_to_pod', frame, destination!, fromHost ? 0 : this.outside);
  }

  /** Each packet its own flow, within one load. */
  #frame({ source, destination, protocol, port }: Packet): Frame {
    this.#port = 1024 + ((this.#port + 1) % 60000);
    const bodies: Record<number, () => Buffer> = {
      [TCP]: () => tcp(this.#port, port, SYN),
      [ICMP]: () => icmp(port >> 8, port & 255, this.#port),
      [ICMPV6]: () => icmp(port >> 8, port & 255, this.#port),
    };
    const body = (bodies[protocol] ?? (() => udp(this.#port, port)))();
    return { source: Buffer.from(source.bytes), destination: Buffer.from(destination.bytes), protocol, body };
  }

  #run(program: string, frame: Buffer, ifindex: number, ingressIfindex: number): KernelOpinion {
    const context = Buffer.alloc(192); // struct __sk_buff
    context.writeUInt32LE(ingressIfindex, 36);
    context.writeUInt32LE(ifindex, 40);
    const out = Buffer.allocUnsafe(frame.length + 256);
    const [size, verdict] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32LE(out.length);
    native('canal_test_run', program, this.#object.program(program).fd, frame, frame.length, out, size, context, context.length, 1, verdict, Buffer.alloc(4));
    const events = this.#drain();
    const ruleOf = (direction: number): bigint | undefined => events.find((e) => e.direction === direction)?.rule;
    return { allow: verdict.readUInt32LE() === 0, reasons: events.map((e) => e.reason), egress: ruleOf(0), ingress: ruleOf(1) };
  }

  #drain(): (abi.CanalEvent4 | abi.CanalEvent6)[] {
    const bytes = native('canal_ring_drain', 'canal_events', this.#ring, this.#events, this.#events.length);
    const events: (abi.CanalEvent4 | abi.CanalEvent6)[] = [];
    for (let at = 0; at < bytes; ) {
      const length = this.#events.readUInt32LE(at);
      const body = this.#events.subarray(at + 8, at + 8 + length);
      events.push(this.family === 4 ? decode(abi.canalEvent4Codec, body) : decode(abi.canalEvent6Codec, body));
      at += 8 + ((length + 7) & ~7);
    }
    return events;
  }

  #put<Key, Row>(table: Table<Key, Row>, rows: readonly { key: Key; row: Row }[]): void {
    const failed = table.upsert(rows).find((error) => error !== undefined);
    if (failed !== undefined) throw failed;
    this.#loaded.push(() => void table.remove(rows.map(({ key }) => key)));
  }

  #configure(): void {
    const config: abi.CanalConfig = {
      epoch: 2, flags: abi.CanalConfigFlags.CONFIG_EVENTS, overlayIfindex: 0, uplinkIfindex: 0, vni: 1, vxlanPort: 0, podMtu: 1450,
      vtepAddr: new Uint8Array(4), vtepMac: new Uint8Array(6), uplinkMac: new Uint8Array(6), logRate: 0, hostNetns: 0n, ...WITHOUT_EDGE,
    };
    native('canal_map_update', 'canal_config', this.#object.map('canal_config'), Buffer.alloc(4), encode(abi.canalConfigCodec, config), 1, 0, Buffer.alloc(4));
  }
}

/** Keys and values taken as they are. */
const bytesCodec = (size: number): Codec<Buffer> => ({
  name: 'bytes',
  members: [],
  size,
  read: (view, at) => Buffer.from(view.buffer, view.byteOffset + at, size),
  write: (view, at, value) => void new Uint8Array(view.buffer, view.byteOffset + at, size).set(value),
});
