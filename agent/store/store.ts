import type { Clock } from '../base/clock.js';
import type { Problem } from '../base/errors.js';
import type { Sinks } from '../datastore/datastore.js';
import { DEFAULT_TIER } from '../model/policy.js';
import type { Snapshot } from '../model/snapshot.js';
import { Emitter } from './emitter.js';
import { Table } from './table.js';

export interface StoreOptions {
  readonly clock: Clock;
  /** A burst counts as over when nothing has changed for so long; the first change after that does not wait. Default 5 ms. */
  readonly minGapMs?: number;
  /** A burst that does not end is emitted piecewise, this far apart. Default 100 ms. */
  readonly maxGapMs?: number;
  /** Gets each new snapshot; never called before every kind is synced, nor when nothing changed. */
  readonly onChange: (snapshot: Snapshot) => void;
}

export interface Store {
  /** What `createDatastore` writes to. */
  readonly sinks: Sinks;
  /** The last snapshot emitted; undefined before the first full sync. */
  snapshot(): Snapshot | undefined;
  /** Emits nothing any more. */
  close(): void;
}

/**
 * Objects in, snapshots out. A snapshot is a function of the current objects
 * only, never of the order of events; the iteration order of its maps is no
 * part of it. Objects that did not change keep their identity from snapshot to
 * snapshot, and so do whole maps.
 */
export function createStore(options: StoreOptions): Store {
  const { clock, minGapMs = 5, maxGapMs = 100, onChange } = options;
  let last: Snapshot | undefined;
  const emitter = new Emitter({ clock, minGapMs, maxGapMs, emit: () => emit() });
  const changed = (): void => {
    if (all.every((table) => table.complete)) emitter.changed();
  };
  const sinks = {
    namespaces: new Table<SinkValue<'namespaces'>>(changed),
    nodes: new Table<SinkValue<'nodes'>>(changed),
    pods: new Table<SinkValue<'pods'>>(changed),
    policies: new Table<SinkValue<'policies'>>(changed),
    services: new Table<SinkValue<'services'>>(changed),
    endpointSlices: new Table<SinkValue<'endpointSlices'>>(changed),
  };
  const all: readonly Table<unknown>[] = Object.values(sinks);

  const emit = (): void => {
    const next: Snapshot = {
      namespaces: sinks.namespaces.values(),
      nodes: sinks.nodes.values(),
      pods: sinks.pods.values(),
      policies: sinks.policies.values(),
      services: sinks.services.values(),
      endpointSlices: sinks.endpointSlices.values(),
      tiers: TIERS,
      problems: allProblems(last, all),
    };
    if (last !== undefined && (Object.keys(next) as (keyof Snapshot)[]).every((part) => next[part] === last![part])) return;
    last = next;
    onChange(next);
  };
  return { sinks, snapshot: () => last, close: () => emitter.close() };
}

type SinkValue<K extends keyof Sinks> = NonNullable<Parameters<Sinks[K]['put']>[1]>;

const TIERS = new Map([[DEFAULT_TIER.name, DEFAULT_TIER]]);

/** Of all objects, in the order of their names; the last array itself where it says the same. */
function allProblems(last: Snapshot | undefined, tables: readonly Table<unknown>[]): readonly Problem[] {
  const now = tables.flatMap((table) => table.problems());
  now.sort((a, b) => compare(a.object, b.object) || compare(a.field, b.field) || compare(a.message, b.message));
  const before = last?.problems ?? [];
  const same = now.length === before.length && now.every((p, i) => p.object === before[i]!.object && p.field === before[i]!.field && p.message === before[i]!.message);
  return last !== undefined && same ? before : now;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
