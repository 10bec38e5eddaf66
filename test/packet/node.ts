import type { Family } from '../../agent/base/address.js';
import * as abi from '../../agent/kernel/abi.generated.js';
import { encode } from '../../agent/kernel/codec.js';
import { Dataplane, smallMaps, type Device, type Outcome, type Program } from './dataplane.js';
import { frameBytes, type Frame } from './frames.js';

export interface Rule {
  /** Whom it is about; absent: everybody. */
  readonly peer?: Buffer;
  readonly protocol?: number;
  /** Needs a protocol. */
  readonly port?: number;
  readonly allow?: boolean;
  readonly id: bigint;
}

export type Party = 'a' | 'b' | 'host' | 'remote' | 'outside';
export const FAST_LOCAL = abi.CanalConfigFlags.CONFIG_FAST_LOCAL;
export const FAST_OVERLAY = abi.CanalConfigFlags.CONFIG_FAST_OVERLAY;
export const SERVICES = abi.CanalConfigFlags.CONFIG_SERVICES;
export const MASQUERADE = abi.CanalConfigFlags.CONFIG_MASQUERADE;
export const VXLAN_PORT = 8472;

/** Nothing is translated at the uplink. */
export const WITHOUT_EDGE = { edgePortMin: 0, edgePortMax: 0, nodeAddr4: new Uint8Array(4), nodeAddr6: new Uint8Array(16), overlayAddr4: new Uint8Array(4), overlayAddr6: new Uint8Array(16) };

const ADDRESSES: Record<Family, Record<Party, string>> = {
  4: { a: '0a2a0002', b: '0a2a0003', host: '0a2a0001', remote: '0a2a0102', outside: 'c0000201' },
  6: {
    a: 'fd000000000000000000000000000002',
    b: 'fd000000000000000000000000000003',
    host: 'fd000000000000000000000000000001',
    remote: 'fd000000000000000000000000010002',
    outside: '20010db8000000000000000000000001',
  },
};

/** One node with pods a and b, another node's pod `remote` behind the overlay, and the rest of the world. */
export class Node {
  readonly at: Record<Party, Buffer>;
  readonly plane: Dataplane;
  private epoch = 1;
  private configFlags = 0;
  private lastId = 1000n;
  private readonly classes = new Map<string, bigint>();
  private readonly endpoints = new Map<'a' | 'b', abi.CanalEndpoint>();

  /** devices: ifindexes of pod a, pod b, the overlay and the uplink. */
  constructor(
    readonly family: Family,
    private readonly devices: readonly number[],
    sizes: Readonly<Record<string, number>> = {},
  ) {
    const address = (party: Party): Buffer => Buffer.from(ADDRESSES[family][party], 'hex');
    this.at = { a: address('a'), b: address('b'), host: address('host'), remote: address('remote'), outside: address('outside') };
    this.plane = Dataplane.open(family, { ...smallMaps(family), ...sizes });
  }

  device(party: Party): number {
    return this.devices[party === 'a' ? 0 : party === 'b' ? 1 : party === 'remote' ? 2 : 3]!;
  }

  /** Both pods known and not isolated, no flows, host stack forwards. */
  reset(flags = 0): void {
    this.plane.reset();
    passTick();
    this.classes.clear();
    for (const pod of ['a', 'b'] as const) this.setEndpoint(pod, {});
    for (const party of ['a', 'b'] as const) this.plane.put('local', this.at[party], u32(this.device(party)));
    this.plane.put('local', this.at.host, u32(0));
    this.leadsOutside(Buffer.alloc(0));
    this.configure(flags);
  }

  configure(flags: number, change: Partial<abi.CanalConfig> = {}): void {
    this.configFlags = flags;
    const zeros = new Uint8Array(6);
    const config: abi.CanalConfig = {
      epoch: this.epoch, flags, overlayIfindex: this.device('remote'), uplinkIfindex: this.device('outside'), vni: 1, vxlanPort: VXLAN_PORT,
      podMtu: 1450, vtepAddr: new Uint8Array(4), vtepMac: zeros, uplinkMac: zeros, logRate: 0, hostNetns: 0n, ...WITHOUT_EDGE, ...change,
    };
    this.plane.put('config', u32(0), encode(abi.canalConfigCodec, config));
  }

  /** The node's address at the device that leads outside; none: that of the configuration. */
  leadsOutside(address: Buffer): void {
    const none = new Uint8Array(0);
    const [addr4, addr6] = this.family === 4 ? [address, none] : [none, address];
    const filled = (bytes: Uint8Array, length: number): Uint8Array => (bytes.length === 0 ? new Uint8Array(length) : bytes);
    this.plane.put('outside', u32(this.device('outside')), encode(abi.canalOutsideCodec, { addr4: filled(addr4, 4), addr6: filled(addr6, 16) }));
  }

  /** Every flow is to be judged again. */
  raiseEpoch(): void {
    this.epoch++;
    this.configure(this.configFlags);
  }

  setEndpoint(pod: 'a' | 'b', change: Partial<abi.CanalEndpoint>): void {
    const [addr4, addr6] = this.family === 4 ? [this.at[pod], Buffer.alloc(16)] : [Buffer.alloc(4), this.at[pod]];
    const row: abi.CanalEndpoint = {
      ingressTable: 0n, egressTable: 0n, flags: abi.CanalEndpointFlags.ENDPOINT_HOST_ALLOWED, addr4, addr6,
      podMac: podMac(pod), hostMac: Buffer.from('eeeeeeeeeeee', 'hex'), ...change,
    };
    this.endpoints.set(pod, row);
    this.plane.put('endpoint', u32(this.device(pod)), encode(abi.canalEndpointCodec, row));
  }

  removeEndpoint(pod: 'a' | 'b'): void {
    this.plane.delete('endpoint', u32(this.device(pod)));
    passTick();
  }

  /** Isolates a pod in one direction but for these rules; the pod's other direction stays. */
  isolate(pod: 'a' | 'b', direction: 'ingress' | 'egress', rules: readonly Rule[]): void {
    const table = ++this.lastId;
    const peers = new Map(rules.flatMap((rule) => (rule.peer ? [[rule.peer.toString('hex'), rule.peer] as const] : [])));
    this.writeRows(table, 0n, rules.filter((rule) => !rule.peer));
    for (const [text, address] of peers) {
      this.writeRows(table, this.classOf(address), rules.filter((rule) => !rule.peer || rule.peer.toString('hex') === text));
    }
    const { ingressTable, egressTable } = this.endpoints.get(pod)!;
    this.setEndpoint(pod, direction === 'ingress' ? { ingressTable: table, egressTable } : { ingressTable, egressTable: table });
  }

  /** Another node's pods are reached through the overlay. */
  routeRemote(kind: number = abi.CanalNexthopKind.NEXTHOP_OVERLAY, vtep: Partial<Pick<abi.CanalNexthop4, 'vtepAddr' | 'vtepMac'>> = {}): void {
    const gateway = this.at.remote;
    const tail = { kind, ifindex: this.device('remote'), vtepAddr: new Uint8Array(4), vtepMac: new Uint8Array(6), ...vtep, prefixlen: this.family === 4 ? 24 : 112 };
    const value = this.family === 4
      ? encode(abi.canalNexthop4Codec, { ...tail, gateway: { word: gateway } })
      : encode(abi.canalNexthop6Codec, { ...tail, gateway: { word: gateway } });
    this.plane.put('route', prefixKey(this.at.remote, this.family === 4 ? 24 : 112), value);
    passTick();
  }

  /** CIDRs have classes like peers. */
  classifyCidr(address: Buffer, bits: number, like: Buffer): void {
    this.plane.put('cidr', prefixKey(address, bits), u64(this.classOf(like)));
  }

  fromPod(pod: 'a' | 'b', frame: Frame, device: Partial<Device> = {}): Outcome {
    return this.run('canal_from_pod', frame, { ifindex: this.device(pod), ingressIfindex: this.device(pod), ...device });
  }

  /** Out of the host stack into a pod; `from`: where it came into the node, `host` for its own processes. */
  toPod(pod: 'a' | 'b', frame: Frame, from: Party): Outcome {
    return this.run('canal_to_pod', frame, { ifindex: this.device(pod), ingressIfindex: from === 'host' ? 0 : this.device(from) });
  }

  /** Whole bytes that come in over the uplink. */
  fromUplink(frame: Buffer): Outcome {
    return this.plane.run('canal_from_upl', frame, { ifindex: this.device('outside'), ingressIfindex: this.device('outside') });
  }

  fromOverlay(frame: Frame): Outcome {
    return this.run('canal_from_ovl', frame, { ifindex: this.device('remote'), ingressIfindex: this.device('remote') });
  }

  /** Out of the node; `from`: where it came into it, `host` for its own processes. */
  toUplink(frame: Frame, from: Party): Outcome {
    return this.run('canal_to_upl', frame, { ifindex: this.device('outside'), ingressIfindex: from === 'host' ? 0 : this.device(from) });
  }

  private run(program: Program, frame: Frame, device: Device): Outcome {
    return this.plane.run(program, frameBytes(frame), device);
  }

  private classOf(address: Buffer): bigint {
    const text = address.toString('hex');
    const known = this.classes.get(text) ?? ++this.lastId;
    this.classes.set(text, known);
    this.plane.put('peer', address, u64(known));
    return known;
  }

  private writeRows(table: bigint, classId: bigint, rules: readonly Rule[]): void {
    const rows = ++this.lastId;
    for (const rule of rules) {
      const key = Buffer.alloc(16);
      key.writeUInt32LE(rule.port !== undefined ? 96 : rule.protocol !== undefined ? 80 : 64);
      key.writeBigUInt64LE(rows, 4);
      key[13] = rule.protocol ?? 0;
      key.writeUInt16BE(rule.port ?? 0, 14);
      this.plane.put('rule', key, encode(abi.canalVerdictCodec, { rule: rule.id, action: rule.allow === false ? 0 : 1, flags: 0 }));
    }
    this.plane.put('table', encode(abi.canalTableKeyCodec, { table, classId }), u64(rows));
  }
}

/** Programs see a change of routes a tick later (bpf/hop.h): 10 ms with the slowest clock there is. */
export const passTick = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 11);

export const podMac = (pod: 'a' | 'b'): Buffer => Buffer.from(`0200000000${pod === 'a' ? '0a' : '0b'}`, 'hex');

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}

function prefixKey(address: Buffer, bits: number): Buffer {
  return Buffer.concat([u32(bits), address]);
}
