import type { Labels } from '../../model/objects.js';
import { fields, type Problems } from './field.js';

/**
 * Shares what repeats: namespaces, node and service account names, whole label
 * sets (all pods of a ReplicaSet have the same). Bounded: past `limit` entries
 * it starts over, which costs sharing and nothing else.
 */
export class Interner {
  readonly #limit: number;
  readonly #strings = new Map<string, string>();
  readonly #labels = new Map<string, Labels>();

  constructor(limit = 20_000) {
    this.#limit = limit;
  }

  string(value: string): string {
    return remember(this.#strings, value, value, this.#limit);
  }

  /** The labels in `value`, keys sorted; entries that are no strings are left out and reported under `field`. */
  labels(value: unknown, field: string, problems: Problems): Labels {
    if (value !== undefined && value !== null && (typeof value !== 'object' || Array.isArray(value))) {
      problems.add(field, 'not a map of strings');
    }
    const entries: [string, string][] = [];
    for (const [key, label] of Object.entries(fields(value))) {
      if (typeof label === 'string') entries.push([this.string(key), this.string(label)]);
      else problems.add(`${field}.${key}`, 'not a string');
    }
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    // fromEntries defines its keys, so a label named __proto__ stays a label.
    return remember(this.#labels, JSON.stringify(entries), Object.freeze(Object.fromEntries(entries)), this.#limit);
  }
}

function remember<T>(known: Map<string, T>, key: string, value: T, limit: number): T {
  const old = known.get(key);
  if (old !== undefined) return old;
  if (known.size >= limit) known.clear();
  known.set(key, value);
  return value;
}
