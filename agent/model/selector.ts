import type { Labels } from './objects.js';

/**
 * One requirement on a label set, in the common language that Kubernetes label
 * selectors and Calico's selectors both compile to.
 */
export type Selector =
  | { readonly op: 'all' }
  | { readonly op: 'has'; readonly key: string }
  | { readonly op: 'in'; readonly key: string; readonly values: readonly string[] }
  | { readonly op: 'startsWith' | 'endsWith' | 'contains'; readonly key: string; readonly value: string }
  | { readonly op: 'not'; readonly of: Selector }
  | { readonly op: 'and' | 'or'; readonly of: readonly Selector[] };

export const ALL: Selector = { op: 'all' };

/** Whether `labels` satisfy `selector`. An absent label fails `in` and passes `not in` (both languages agree). */
export function matches(selector: Selector, labels: Labels): boolean {
  switch (selector.op) {
    case 'all':
      return true;
    case 'has':
      return Object.hasOwn(labels, selector.key);
    case 'in':
      return Object.hasOwn(labels, selector.key) && selector.values.includes(labels[selector.key]!);
    case 'startsWith':
      return Object.hasOwn(labels, selector.key) && labels[selector.key]!.startsWith(selector.value);
    case 'endsWith':
      return Object.hasOwn(labels, selector.key) && labels[selector.key]!.endsWith(selector.value);
    case 'contains':
      return Object.hasOwn(labels, selector.key) && labels[selector.key]!.includes(selector.value);
    case 'not':
      return !matches(selector.of, labels);
    case 'and':
      return selector.of.every((s) => matches(s, labels));
    case 'or':
      return selector.of.some((s) => matches(s, labels));
  }
}

/** Canonical text: equal for selectors that are written differently but alike in structure. Used as an atom's identity. */
export function selectorText(selector: Selector): string {
  switch (selector.op) {
    case 'all':
      return 'all()';
    case 'has':
      return `has(${selector.key})`;
    case 'in':
      return `${selector.key} in {${[...new Set(selector.values)].sort().map((v) => JSON.stringify(v)).join(',')}}`;
    case 'startsWith':
      return `${selector.key} starts with ${JSON.stringify(selector.value)}`;
    case 'endsWith':
      return `${selector.key} ends with ${JSON.stringify(selector.value)}`;
    case 'contains':
      return `${selector.key} contains ${JSON.stringify(selector.value)}`;
    case 'not':
      return `!(${selectorText(selector.of)})`;
    case 'and':
    case 'or': {
      if (selector.of.length === 0) return selector.op === 'and' ? 'all()' : '!(all())'; // not one text for everything and nothing
      const parts = [...new Set(selector.of.map(selectorText))].sort();
      return `(${parts.join(selector.op === 'and' ? ' && ' : ' || ')})`;
    }
  }
}
