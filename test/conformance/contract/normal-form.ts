import { isFields, type Fields } from '../../../agent/apiserver/kube-object.js';

/** What a run chose by itself and no other run repeats, as text that every run has. */
export interface Normal {
  /** A value of an answer. */
  value(value: unknown): unknown;
  text(text: string): string;
}

/** A server lists owners by the second in which they wrote: two runs of a case do not cross seconds at the same places. */
export function ownersInOrder(entries: readonly Fields[]): Fields[] {
  const key = ({ operation, manager, subresource, apiVersion }: Fields): string => [operation, manager, subresource ?? '', apiVersion].join(' ');
  return entries.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** @param token the random part of all names of this run */
export function normalForm(token: string): Normal {
  const text = (given: string): string =>
    given
      .replaceAll(`-${token}`, '')
      .replaceAll(token, '')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME')
      .replace(/10\.43\.\d+\.\d+/g, 'CLUSTER-IP')
      .replace(/resource version: \d+( \(\d+\)|, current: \d+)?/g, 'resource version: N')
      .replace(/ResourceVersion in object meta: \d+/g, 'ResourceVersion in object meta: N')
      .replace(/ResourceVersion in record \(\d+\)/g, 'ResourceVersion in record (N)')
      .replace(/^( *resourceVersion): "\d+"$/gm, '$1: "VERSION"')
      .replace(/\(0x[0-9a-f]+\)/g, '(POINTER)')
      .replaceAll('\u00a0', ' ') // go-cmp prints either, by chance, so that nobody relies on its text
      .replace(/\bmade-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, 'made-XXXXX')
      .replace(/kube-api-access-\w{5}/g, 'kube-api-access-XXXXX');
  const value = (given: unknown): unknown => {
    if (typeof given === 'string') return text(given);
    if (Array.isArray(given)) return given.map(value);
    if (!isFields(given)) return given;
    return Object.fromEntries(
      Object.keys(given)
        .sort()
        .map((name) => [text(name), named(name, given[name], given)]),
    );
  };
  /** Fields whose value means nothing by itself. */
  const named = (name: string, given: unknown, owner: Fields): unknown => {
    if (name === 'resourceVersion' && typeof given === 'string' && given !== '') return 'VERSION';
    if (name === 'cells' && Array.isArray(given)) return given.map((cell) => (typeof cell === 'string' ? text(cell).replace(/^(\d+[smhd])+$/, 'AGE') : cell));
    if (name === 'columnDefinitions' && Array.isArray(given)) return given.map((column: Fields) => value({ ...column, description: 'DESCRIPTION' }));
    if (name === 'kubernetes.io/initial-events-list-blueprint' && typeof given === 'string') return text(Buffer.from(given, 'base64').toString());
    if (name === 'managedFields' && Array.isArray(given)) return ownersInOrder(given as Fields[]).map(value);
    if (name === 'continue' && given !== '') return 'TOKEN';
    if ((name === 'nodePort' || name === 'healthCheckNodePort') && typeof given === 'number' && given >= 30_000) return 'NODE-PORT';
    if (name === 'name' && typeof given === 'string' && typeof owner['generateName'] === 'string') return text(given).replace(/[bcdfghjklmnpqrstvwxz2456789]{5}$/, 'XXXXX');
    return value(given);
  };
  return { value, text };
}
