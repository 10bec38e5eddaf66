import { Cidr, IpAddress } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import { compileConfig, type ConfigRow } from '../compile/config.js';
import type { EndpointRow } from '../compile/desired.js';
import { ServiceCompiler } from '../compile/services/compiler.js';
import type { ServiceChanges } from '../compile/services/rows.js';
import { objectFile } from '../daemon/build-files.js';
import { loadSettings } from '../daemon/settings/load.js';
import { canalFlowCodec, canalFlowKey4Codec } from '../kernel/abi.generated.js';
import { BpfMap } from '../kernel/bpf-map.js';
import { BpfObject } from '../kernel/bpf-object.js';
import { ConfigTable } from '../kernel/config-table.js';
import { endpointTable, localTable } from '../kernel/endpoint-tables.js';
import type { MapSource } from '../kernel/map-source.js';
import { cidrTable, decisionTable, peerTable, ruleTable } from '../kernel/policy-tables.js';
import { backTable, frontTable, liveTable } from '../kernel/service-tables.js';
import { WriteCounter } from '../kernel/write-counter.js';
import { KERNEL_VXLAN_PORT } from '../model/net-conf.js';
import { TCP } from '../model/objects.js';
import type { Table } from '../reconcile/table.js';
import { POD_MTU } from './lab-plan.js';
import { serviceSnapshot } from './snapshot.js';

/** Where the pods of the programs' bench are; ifindex 1 exists in every namespace, and no packet goes anywhere. */
export const POD_A = { address: IpAddress.parse('10.42.0.2')!, ifindex: 1 };
export const POD_B = { address: IpAddress.parse('10.42.0.3')!, ifindex: 2 };
export const ALLOWED_PORT = 8080;
/** Pod A's port of its established connection with pod B. */
export const KNOWN_PORT = 1000;

const TABLE_IDS = { egress: 101n, ingress: 102n };
const CLASS = 7n;
const ROWS = { allow: 11n, deny: 12n };
/** Rows go to the maps in parts, so that what JavaScript holds stays small. */
const PART = 50_000;

/** The programs with maps of their own, made for `size` peers and as many CIDRs and flows. */
export class ProgramNode {
  readonly #programs: BpfObject;
  readonly #empty: BpfObject;

  constructor(size: number) {
    const rows = Math.max(size + 16, 4096);
    this.#empty = BpfObject.load({ path: objectFile('bench.o', '') });
    this.#programs = BpfObject.load({
      path: objectFile('canal4.o', ''),
      mapSizes: { canal_peer4: rows, canal_cidr4: rows, canal_front4: rows, canal_back4: rows, canal_live4: rows, canal_ct4: Math.max(65_536, rows * 2) },
    });
    this.#fill(size);
  }

  program(name: string): number {
    return (name === 'canal_empty' ? this.#empty : this.#programs).program(name).fd;
  }

  close(): void {
    this.#programs.close();
    this.#empty.close();
  }

  #fill(size: number): void {
    const source = { objects: new Map([[4 as const, this.#programs]]), writes: new WriteCounter() };
    const config = new ConfigTable(source);
    config.upsert([{ key: 'config', row: everythingOn() }]);
    config.write(2);
    put(ruleTable(source), [
      { key: { rows: ROWS.allow, protocol: TCP, port: ALLOWED_PORT, portBits: 16 }, row: { rule: 1n, allow: true, log: false } },
      { key: { rows: ROWS.deny, protocol: undefined, port: 0, portBits: 0 }, row: { rule: 2n, allow: false, log: false } },
    ]);
    put(decisionTable(source), Object.values(TABLE_IDS).flatMap((table) => [
      { key: { table, classId: 0n }, row: ROWS.deny },
      { key: { table, classId: CLASS }, row: ROWS.allow },
    ]));
    put(peerTable(source), [POD_A, POD_B].map(({ address }) => ({ key: address, row: CLASS })));
    for (let at = 0; at < size; at += PART) {
      const part = Array.from({ length: Math.min(PART, size - at) }, (_, i) => address(at + i));
      put(peerTable(source), part.map((key) => ({ key, row: CLASS })));
      put(cidrTable(source), part.map((key) => ({ key: Cidr.of(key, 32), row: CLASS })));
      this.#flows(part, source.writes);
      putServices(source, part, at);
    }
    this.#flows([POD_B.address], source.writes);
    put(localTable(source), [POD_A, POD_B].map((pod) => ({ key: pod.address, row: pod.ifindex })));
    put(endpointTable(source), [POD_A, POD_B].map((pod) => ({ key: pod.ifindex, row: endpointRow(pod.address) })));
  }

  #flows(peers: readonly IpAddress[], writes: WriteCounter): void {
    const map = new BpfMap('canal_ct4', this.#programs.map('canal_ct4'), canalFlowKey4Codec, canalFlowCodec, writes);
    const rows = peers.map((peer) => ({
      key: { addrA: { word: POD_A.address.bytes }, addrB: { word: peer.bytes }, portA: KNOWN_PORT, portB: ALLOWED_PORT, protocol: TCP },
      value: { ...FLOW, ifindexB: peer === POD_B.address ? POD_B.ifindex : 0, seenS: Number(process.hrtime.bigint() / 1_000_000_000n) },
    }));
    const failed = map.upsert(rows, String).find((error) => error !== undefined);
    if (failed !== undefined) throw failed;
  }
}

/** A service at each address, all of them pod B's; ids start above `first`. */
function putServices(source: MapSource, addresses: readonly IpAddress[], first: number): void {
  const { fronts, backs, live } = SERVICE;
  const row = fronts.put[0]!;
  const id = (i: number): bigint => BigInt(first + i + 1);
  put(frontTable(source), addresses.map((each, i) => ({ key: { ...row.key, address: each }, row: { ...row.row, service: id(i) } })));
  put(backTable(source), addresses.map((_, i) => ({ key: { ...backs.put[0]!.key, service: id(i) }, row: backs.put[0]!.row })));
  put(liveTable(source), addresses.map((_, i) => ({ key: { ...live.put[0]!.key, service: id(i) }, row: live.put[0]!.row })));
}

/** Rows of one service with pod B behind it, as the agent compiles them; the tables hold copies. */
const SERVICE: ServiceChanges = new ServiceCompiler().sync(serviceSnapshot(POD_B.address.text), 'bench');

/** An answered connection of pod A with each address. */
const FLOW = { epoch: 2, flags: 2, tcpA: 50, tcpB: 50, ifindexA: POD_A.ifindex, openedS: 0, packetsA: 1, packetsB: 1, bytesA: 1n, bytesB: 1n, ruleEgress: 1n, ruleIngress: 0n };

/** Of the `i`th peer, CIDR, flow and service: spread over 60.0.0.0/4. */
export const address = (i: number): IpAddress => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(0x3c000000 + (Math.imul(i, 2_654_435_761) >>> 4));
  return IpAddress.fromBytes(bytes);
};

const endpointRow = (addr4: IpAddress): EndpointRow => ({
  ingressTable: TABLE_IDS.ingress, egressTable: TABLE_IDS.egress, flags: 1, addr4, addr6: undefined,
  podMac: '0a:00:00:00:00:01', hostMac: 'ee:ee:ee:ee:ee:ee',
});

/** Everything on, as by default, on a node without overlay. */
function everythingOn(): ConfigRow {
  const { settings } = loadSettings({}, { NODE_NAME: 'bench' }, undefined);
  return { ...compileConfig(settings, undefined, undefined, undefined, KERNEL_VXLAN_PORT), podMtu: POD_MTU, services: true };
}

function put<Key, Row>(table: Table<Key, Row>, rows: readonly { readonly key: Key; readonly row: Row }[]): void {
  const failed = table.upsert(rows).find((error) => error !== undefined);
  if (failed !== undefined) throw new CanalError('KERNEL', `${table.name}: ${failed.message}`, { cause: failed });
}
