import { join } from 'node:path';
import type { Family } from '../../agent/base/address.js';
import * as abi from '../../agent/kernel/abi.generated.js';
import { BpfObject } from '../../agent/kernel/bpf-object.js';
import { mapInfo } from '../../agent/kernel/pins.js';
import { decode, encode, enumName } from '../../agent/kernel/codec.js';
import { native, nativeResult } from '../../agent/kernel/library.js';
import type { MapSource } from '../../agent/kernel/map-source.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';

const OBJECTS = join(import.meta.dirname, '..', '..', 'build', 'bpf');
const VERDICTS = new Map([[0, 'pass'], [2, 'drop'], [7, 'redirect'], [0xffffffff, 'next']] as const);
const WRITTEN = ['endpoint', 'local', 'peer', 'cidr', 'table', 'rule', 'route', 'ct', 'ctnew', 'frag', 'rulestat', 'front', 'back', 'live', 'affin', 'nat', 'sock', 'range', 'nomasq', 'outside', 'edge'] as const;
const FAMILY_MAPS = new Set(['local', 'peer', 'cidr', 'route', 'ct', 'ctnew', 'frag', 'front', 'back', 'live', 'affin', 'nat', 'sock', 'range', 'nomasq', 'edge', 'closed']);

export type Program = 'canal_from_pod' | 'canal_to_pod' | 'canal_from_ovl' | 'canal_from_upl' | 'canal_to_upl';

export interface Outcome {
  readonly verdict: 'pass' | 'drop' | 'redirect' | 'next';
  /** Drop reasons counted, each as often as it was. */
  readonly reasons: readonly string[];
  readonly bytes: Buffer;
}

export interface Device {
  readonly ifindex: number;
  /** Where it entered the node; 0: sent by the node's own processes. */
  readonly ingressIfindex?: number;
  readonly gsoSize?: number;
}

/** The real programs with maps of their own, run packet by packet. */
export class Dataplane {
  private constructor(
    readonly family: Family,
    private readonly object: BpfObject,
    private readonly ring: number,
  ) {}

  static open(family: Family, mapSizes: Readonly<Record<string, number>> = {}): Dataplane {
    const object = BpfObject.load({ path: join(OBJECTS, `canal${family}.o`), mapSizes });
    return new Dataplane(family, object, native('canal_ring_open', 'canal_events', object.map('canal_events')));
  }

  close(): void {
    nativeResult('canal_ring_close', this.ring);
    this.object.close();
  }

  /** For the agent's own tables. */
  source(): MapSource {
    return { objects: new Map([[this.family, this.object]]), writes: new WriteCounter() };
  }

  /** Descriptor of a program of the object, to attach it for real. */
  programFd(name: string): number {
    return this.object.program(name).fd;
  }

  put(map: string, key: Buffer, value: Buffer): void {
    native('canal_map_update', map, this.fd(map), key, value, 1, 0, Buffer.alloc(4));
  }

  /** Many rows in one go. */
  putAll(map: string, rows: readonly { readonly key: Buffer; readonly value: Buffer }[]): void {
    native('canal_map_update', map, this.fd(map), Buffer.concat(rows.map(({ key }) => key)), Buffer.concat(rows.map(({ value }) => value)), rows.length, 0, Buffer.alloc(4));
  }

  delete(map: string, key: Buffer): void {
    native('canal_map_delete', map, this.fd(map), key, 1, Buffer.alloc(4));
  }

  /** Rows of a map, values of all CPUs one after another. */
  rows(map: string): { readonly key: Buffer; readonly value: Buffer }[] {
    const info = mapInfo(this.fd(map));
    const stride = info.type === 5 || info.type === 6 ? ((info.valueSize + 7) & ~7) * native('canal_cpus', map) : info.valueSize;
    const capacity = info.maxEntries + 256; // the kernel wants room for a whole bucket more
    const keys = Buffer.alloc(capacity * info.keySize);
    const values = Buffer.alloc(capacity * stride);
    const count = native('canal_map_dump', map, this.fd(map), keys, values, capacity, Buffer.alloc(4));
    return Array.from({ length: count }, (_, i) => ({
      key: keys.subarray(i * info.keySize, (i + 1) * info.keySize),
      value: values.subarray(i * stride, (i + 1) * stride),
    }));
  }

  /** Empties every map that cases write. Load with small sizes: rows() has room for all. */
  reset(): void {
    for (const map of WRITTEN) for (const row of this.rows(map)) this.delete(map, row.key);
    this.forgetClosed();
    this.events();
  }

  /** No connection has ended: with another secret what canal_closed holds is of none. */
  private forgetClosed(): void {
    const globals = this.object.map('.bss');
    native('canal_map_update', '.bss', globals, Buffer.alloc(4), Buffer.alloc(mapInfo(globals).valueSize), 1, 0, Buffer.alloc(4));
  }

  /** Ages what is kept of connections that have ended. */
  ageClosed(seconds: number): void {
    for (const { key, value } of this.rows('closed')) {
      const word = value.readBigUInt64LE();
      if (word === 0n) continue;
      value.writeBigUInt64LE((word & ~0xfffffn) | ((word - BigInt(seconds)) & 0xfffffn));
      this.put('closed', key, value);
    }
  }

  /** Flows of a map, `ct` or `ctnew`. */
  flows(map: 'ct' | 'ctnew'): abi.CanalFlow[] {
    return this.rows(map).map((row) => decode(abi.canalFlowCodec, row.value));
  }

  /** Rewrites the only flow there is, wherever it is. */
  changeFlow(change: Partial<abi.CanalFlow>): void {
    for (const map of ['ct', 'ctnew'] as const) {
      for (const { key, value } of this.rows(map)) this.put(map, key, encode(abi.canalFlowCodec, { ...decode(abi.canalFlowCodec, value), ...change }));
    }
  }

  /** Packets of each per-CPU counter, by index. */
  counters(map: 'drop' | 'full'): number[] {
    const size = map === 'drop' ? 16 : 8;
    return this.rows(map).map(({ value }) => {
      let sum = 0n;
      for (let at = 0; at < value.length; at += size) sum += value.readBigUInt64LE(at);
      return Number(sum);
    });
  }

  /** Events since the last call. */
  events(): (abi.CanalEvent4 | abi.CanalEvent6)[] {
    const buffer = Buffer.alloc(1 << 20);
    const bytes = native('canal_ring_drain', 'canal_events', this.ring, buffer, buffer.length);
    const events: (abi.CanalEvent4 | abi.CanalEvent6)[] = [];
    for (let at = 0; at < bytes; ) {
      const length = buffer.readUInt32LE(at);
      const body = buffer.subarray(at + 8, at + 8 + length);
      events.push(this.family === 4 ? decode(abi.canalEvent4Codec, body) : decode(abi.canalEvent6Codec, body));
      at += 8 + ((length + 7) & ~7);
    }
    return events;
  }

  run(program: Program, frame: Buffer, device: Device): Outcome {
    const before = this.counters('drop');
    const { verdict, bytes } = this.execute(program, frame, device, 1);
    const reasons = this.counters('drop').flatMap((count, reason) =>
      Array.from({ length: count - before[reason]! }, () => enumName(abi.CanalDropReason, reason)),
    );
    return { verdict: VERDICTS.get(verdict as 0) ?? 'drop', reasons, bytes };
  }

  /** The same for many packets whose outcome does not matter. */
  feed(program: Program, frames: readonly Buffer[], device: Device): void {
    for (const frame of frames) this.execute(program, frame, device, 1);
  }

  /** Nanoseconds a packet, over `repeat` runs. */
  time(program: Program, frame: Buffer, device: Device, repeat: number): number {
    return this.execute(program, frame, device, repeat).ns;
  }

  private execute(program: Program, frame: Buffer, device: Device, repeat: number): { verdict: number; bytes: Buffer; ns: number } {
    const context = Buffer.alloc(192); // struct __sk_buff
    context.writeUInt32LE(device.ingressIfindex ?? 0, 36);
    context.writeUInt32LE(device.ifindex, 40);
    context.writeUInt32LE(device.gsoSize ?? 0, 176);
    const out = Buffer.alloc(frame.length + 256);
    const [size, verdict, ns] = [Buffer.alloc(4), Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32LE(out.length);
    const { fd } = this.object.program(program);
    native('canal_test_run', program, fd, frame, frame.length, out, size, context, context.length, repeat, verdict, ns);
    return { verdict: verdict.readUInt32LE(), bytes: out.subarray(0, size.readUInt32LE()), ns: ns.readUInt32LE() };
  }

  private fd(map: string): number {
    return this.object.map(`canal_${map}${FAMILY_MAPS.has(map) ? this.family : ''}`);
  }
}

/** Sizes that keep reset() quick. */
export function smallMaps(family: Family): Record<string, number> {
  const shared = { canal_endpoint: 64, canal_table: 256, canal_rule: 256, canal_rulestat: 64 };
  const own = { canal_local: 64, canal_peer: 64, canal_cidr: 64, canal_route: 16, canal_ct: 4096, canal_ctnew: 4096, canal_frag: 4096 };
  const services = { canal_front: 64, canal_back: 64, canal_live: 64, canal_affin: 4096, canal_nat: 4096, canal_sock: 4096, canal_range: 64, canal_nomasq: 64, canal_edge: 4096 };
  return { ...shared, ...Object.fromEntries(Object.entries({ ...own, ...services }).map(([map, size]) => [`${map}${family}`, size])) };
}
