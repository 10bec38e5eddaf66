import type { Problem } from '../base/errors.js';

/**
 * Where a reflector's objects go. Level-triggered: the calls say what is, not
 * what happened. `put` of an equal value and `gone` of an unknown key may come
 * at any time and mean nothing.
 */
export interface Sink<T> {
  /** `value` is undefined for an object that cannot be used: it counts as absent, and `problems` say why. */
  put(key: string, value: T | undefined, problems: readonly Problem[]): void;
  gone(key: string): void;
  /** A full list has been put, and what it does not hold is gone. Again after each later list. */
  synced(): void;
}
