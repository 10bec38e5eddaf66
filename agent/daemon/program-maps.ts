import { isGrowing } from './map-plan.js';
import type { Series } from '../observe/metrics.js';
import { CanalFull, canalAffin4Codec, canalAffinKey4Codec, canalCounterCodec, canalEdge4Codec, canalEdgeKey4Codec, canalFlowCodec, canalFlowKey4Codec, canalNat4Codec, canalNatKey4Codec, canalSock4Codec, canalSockKey4Codec, type CanalCounter, type CanalEdge4, type CanalEdgeKey4, type CanalFlow, type CanalFlowKey4, type CanalNat4, type CanalNatKey4 } from '../kernel/abi.generated.js';
import { BpfMap } from '../kernel/bpf-map.js';
import type { BpfObject } from '../kernel/bpf-object.js';
import { mapInfo, mapMemory } from '../kernel/pins.js';
import { enumName, u32Codec, u64Codec } from '../kernel/codec.js';
import { descriptorOf } from '../kernel/map-source.js';
import type { WriteCounter } from '../kernel/write-counter.js';
import { reasonName } from '../flows/flow-event.js';

export interface Counter {
  readonly packets: number;
  readonly bytes: number;
}

export interface ProgramTranslations {
  readonly nat: readonly { readonly key: CanalNatKey4; readonly value: CanalNat4 }[];
  readonly edge: readonly { readonly key: CanalEdgeKey4; readonly value: CanalEdge4 }[];
}

/** Maps that the programs write and the agent reads. */
export class ProgramMaps {
  readonly #drops: BpfMap<number, CanalCounter>;
  readonly #full: BpfMap<number, bigint>;
  readonly #rules: BpfMap<bigint, CanalCounter>;
  readonly #flows: readonly BpfMap<CanalFlowKey4, CanalFlow>[];
  readonly #nat: BpfMap<CanalNatKey4, CanalNat4>;
  readonly #edge: BpfMap<CanalEdgeKey4, CanalEdge4>;
  /** Of which nobody but the programs needs more than their number. */
  readonly #counted: readonly { readonly name: string; count(): number }[];
  #sizes: MapCapacities | undefined;

  /** @param object may be loaded later: until then there are no maps */
  constructor(private readonly object: BpfObject, writes: WriteCounter) {
    const at = (name: string): (() => number | undefined) => descriptorOf(object, name);
    this.#drops = new BpfMap('canal_drop', at('canal_drop'), u32Codec, canalCounterCodec, writes);
    this.#full = new BpfMap('canal_full', at('canal_full'), u32Codec, u64Codec, writes);
    this.#rules = new BpfMap('canal_rulestat', at('canal_rulestat'), u64Codec, canalCounterCodec, writes);
    this.#flows = ['canal_ct4', 'canal_ctnew4'].map((name) => new BpfMap(name, at(name), canalFlowKey4Codec, canalFlowCodec, writes));
    this.#nat = new BpfMap('canal_nat4', at('canal_nat4'), canalNatKey4Codec, canalNat4Codec, writes);
    this.#edge = new BpfMap('canal_edge4', at('canal_edge4'), canalEdgeKey4Codec, canalEdge4Codec, writes);
    this.#counted = [
      new BpfMap('canal_sock4', at('canal_sock4'), canalSockKey4Codec, canalSock4Codec, writes),
      new BpfMap('canal_affin4', at('canal_affin4'), canalAffinKey4Codec, canalAffin4Codec, writes),
    ];
  }

  /** By reason; reasons that never happened have 0. */
  drops(): ReadonlyMap<string, Counter> {
    return new Map(this.#drops.perCpuRows().filter(({ key }) => key !== 0).map(({ key, values }) => [reasonName(key), sum(values)]));
  }

  /** How often the programs found a map full, by map. */
  full(): ReadonlyMap<string, number> {
    return new Map(this.#full.perCpuRows().map(({ key, values }) => [enumName(CanalFull, key).replace(/^FULL_/, '').toLowerCase(), Number(values.reduce((a, b) => a + b, 0n))]));
  }

  /** What each rule has judged, by rule id. */
  rules(): ReadonlyMap<bigint, Counter> {
    return new Map(this.#rules.perCpuRows().map(({ key, values }) => [key, sum(values)]));
  }

  /** Answered flows, then unanswered ones. */
  flows(): { readonly key: CanalFlowKey4; readonly value: CanalFlow }[] {
    return this.#flows.flatMap((map) => map.list());
  }

  /** What packets' ends have become: at pods, and at the uplink. */
  translations(): ProgramTranslations {
    return { nat: this.#nat.list(), edge: this.#edge.list() };
  }

  /** Rows by map, of those that programs fill; listing them costs a dump. */
  rows(): ReadonlyMap<string, number> {
    const maps = [...this.#flows, this.#rules, this.#nat, this.#edge, ...this.#counted];
    return new Map(maps.map((map) => [map.name, map.count()]));
  }

  /** Bytes by map, as the kernel accounts them. */
  memory(): ReadonlyMap<string, number> {
    return new Map([...this.capacities.keys()].map((name) => [name, mapMemory(this.object.map(name))]));
  }

  /** Rows that each map has room for. */
  get capacities(): ReadonlyMap<string, number> {
    return this.#made().all;
  }

  /** The same of those that the agent fills, and makes larger. */
  get growing(): ReadonlyMap<string, number> {
    return this.#made().growing;
  }

  #made(): MapCapacities {
    const { object } = this;
    if (!object.loaded) return NONE;
    this.#sizes ??= capacitiesOf(object);
    return this.#sizes;
  }
}

interface MapCapacities {
  readonly all: ReadonlyMap<string, number>;
  readonly growing: ReadonlyMap<string, number>;
}

const NONE: MapCapacities = { all: new Map(), growing: new Map() };

function capacitiesOf(object: BpfObject): MapCapacities {
  const declared = object.maps();
  const all = new Map(declared.map(({ name }) => [name, mapInfo(object.map(name)).maxEntries]));
  return { all, growing: new Map(declared.filter(({ type }) => isGrowing(type)).map(({ name }) => [name, all.get(name)!])) };
}

const sum = (values: readonly CanalCounter[]): Counter => ({
  packets: Number(values.reduce((n, v) => n + v.packets, 0n)),
  bytes: Number(values.reduce((n, v) => n + v.bytes, 0n)),
});

/** For metrics. */
export const series = (label: string, values: ReadonlyMap<string, number>): Series => [...values].map(([name, value]) => [{ [label]: name }, value]);
