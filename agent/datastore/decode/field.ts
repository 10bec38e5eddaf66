import type { Problem } from '../../base/errors.js';

/** A JSON object; anything else reads as the empty one. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a decoder makes of an object, and what was wrong with its input. */
export interface Decoded<T> {
  /** Undefined: the object is of no use and counts as absent. */
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/** Turns an API object into a model value. Never throws, whatever it is given. */
export type Decoder<T> = (raw: unknown) => Decoded<T>;

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Collects what is wrong with one object. */
export class Problems {
  readonly found: Problem[] = [];
  readonly #object: string;

  /** `object` as a user would write it: `Pod shop/api-0`. */
  constructor(object: string) {
    this.#object = object;
  }

  add(field: string, message: string): void {
    this.found.push({ object: this.#object, field, message });
  }
}
