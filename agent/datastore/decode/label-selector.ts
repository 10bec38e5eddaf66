import { ALL, type Selector } from '../../model/selector.js';

/** A selector, or the fields that make it none. Paths are relative to the selector. */
export type DecodedSelector =
  | { readonly ok: true; readonly selector: Selector }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** What is wrong, and where below the decoded value (`.matchExpressions[0].operator`). */
export interface Fault {
  readonly field: string;
  readonly message: string;
}

/**
 * metav1.LabelSelector -> Selector. A selector with anything in it that is not
 * understood (an unknown field included, for it might narrow) is refused as a
 * whole: what a caller does without it is for the caller to choose, because
 * "matches nothing" closes in one place and opens in another. `{}` selects all.
 */
export function decodeLabelSelector(raw: unknown): DecodedSelector {
  if (!isObject(raw)) return { ok: false, faults: [{ field: '', message: 'must be an object' }] };
  const faults: Fault[] = unknownFields(raw, ['matchLabels', 'matchExpressions']);
  const parts = [...labels(raw['matchLabels'], faults), ...expressions(raw['matchExpressions'], faults)];
  if (faults.length > 0) return { ok: false, faults };
  if (parts.length === 0) return { ok: true, selector: ALL };
  return { ok: true, selector: parts.length === 1 ? parts[0]! : { op: 'and', of: parts } };
}

export const isObject = (raw: unknown): raw is Readonly<Record<string, unknown>> =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw);

/** JSON null is Go's zero value, so it counts as absent. */
export const isAbsent = (raw: unknown): raw is undefined | null => raw === undefined || raw === null;

/** A fault for every field that a later API might have added and that we would otherwise overlook. */
export function unknownFields(raw: Readonly<Record<string, unknown>>, known: readonly string[]): Fault[] {
  return Object.keys(raw)
    .filter((key) => !known.includes(key) && !isAbsent(raw[key]))
    .map((key) => ({ field: `.${key}`, message: 'unknown field' }));
}

/** Kubernetes' qualified name, loosely: what no label key can be must not reach a selector's canonical text. */
const LABEL_KEY = /^[A-Za-z0-9._/-]{1,317}$/;

function labels(raw: unknown, faults: Fault[]): Selector[] {
  if (isAbsent(raw)) return [];
  if (!isObject(raw)) {
    faults.push({ field: '.matchLabels', message: 'must be an object' });
    return [];
  }
  return Object.entries(raw).flatMap(([key, value]): Selector[] => {
    if (LABEL_KEY.test(key) && typeof value === 'string') return [{ op: 'in', key, values: [value] }];
    faults.push({ field: `.matchLabels[${key}]`, message: 'must map a label key to a string' });
    return [];
  });
}

function expressions(raw: unknown, faults: Fault[]): Selector[] {
  if (isAbsent(raw)) return [];
  if (!Array.isArray(raw)) {
    faults.push({ field: '.matchExpressions', message: 'must be a list' });
    return [];
  }
  return raw.flatMap((item: unknown, i): Selector[] => {
    const field = `.matchExpressions[${i}]`;
    const decoded = expression(item);
    if ('op' in decoded) return [decoded];
    faults.push({ field: field + decoded.field, message: decoded.message });
    return [];
  });
}

function expression(raw: unknown): Selector | Fault {
  if (!isObject(raw)) return { field: '', message: 'must be an object' };
  const unknown = unknownFields(raw, ['key', 'operator', 'values'])[0];
  if (unknown !== undefined) return unknown;
  const { key, operator } = raw;
  if (typeof key !== 'string' || !LABEL_KEY.test(key)) return { field: '.key', message: 'must be a label key' };
  const values: unknown = raw['values'] ?? [];
  if (!Array.isArray(values) || !values.every((v): v is string => typeof v === 'string')) {
    return { field: '.values', message: 'must be a list of strings' };
  }
  const wantsValues = operator === 'In' || operator === 'NotIn';
  if (wantsValues && values.length === 0) return { field: '.values', message: `must not be empty with ${operator}` };
  if (!wantsValues && values.length > 0) return { field: '.values', message: `must be empty with ${String(operator)}` };
  switch (operator) {
    case 'In':
      return { op: 'in', key, values };
    case 'NotIn':
      return { op: 'not', of: { op: 'in', key, values } };
    case 'Exists':
      return { op: 'has', key };
    case 'DoesNotExist':
      return { op: 'not', of: { op: 'has', key } };
    default:
      return { field: '.operator', message: 'must be In, NotIn, Exists or DoesNotExist' };
  }
}
