import type { KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { badRequest } from '../status.js';
import { parseLabelSelector, type Requirement } from './label-selector.js';

export type Predicate = (object: KubeObject) => boolean;

/** Which objects a `labelSelector` and a `fieldSelector` parameter let through; undefined for all. */
export function selectorOf(kind: Kind, labelSelector: string, fieldSelector: string): Predicate | undefined {
  const parts = [labelPredicate(labelSelector), fieldPredicate(kind, fieldSelector)].filter((one) => one !== undefined);
  return parts.length === 0 ? undefined : (object) => parts.every((matches) => matches(object));
}

/** @throws ApiError 400 for what is no selector */
export function labelPredicate(text: string): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const requirements = parseLabelSelector(text);
  return (object) => requirements.every((requirement) => holds(requirement, object.metadata.labels ?? {}));
}

function holds({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'lt':
      return value !== undefined && Number(value) < Number(values[0]);
  }
}

/** Grammar of apimachinery `fields.ParseSelector`: nothing is trimmed, and a backslash stands before a comma, an equals sign or itself in a value. */
function fieldPredicate(kind: Kind, text: string): Predicate | undefined {
  const terms = (text.match(/(?:[^\\,]|\\[^]?)+/g) ?? []).flatMap((term) => {
    const match = /^([^]*?)(!=|==|=)([^]*)$/.exec(term);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field = '', operator = '=', escaped = ''] = match;
    const wanted = unescaped(escaped);
    if (field === '' && wanted === '') return [];
    const read = fieldReader(kind, field);
    return [(object: KubeObject): boolean => (read(object) === wanted) === (operator !== '!=')];
  });
  return terms.length === 0 ? undefined : (object) => terms.every((term) => term(object));
}

function unescaped(value: string): string {
  return value.replace(/\\([^]?)|=/g, (given: string, escaped: string | undefined) => {
    if (given === '=') throw badRequest('invalid field selector: unescaped character in value: 61');
    if (escaped !== '\\' && escaped !== ',' && escaped !== '=') throw badRequest(`invalid field selector: invalid escape sequence: ${given}`);
    return escaped;
  });
}

function fieldReader(kind: Kind, field: string): (object: KubeObject) => string {
  if (field === 'metadata.name') return (object) => object.metadata.name ?? '';
  if (field === 'metadata.namespace') return (object) => object.metadata.namespace ?? '';
  const read = kind.selectable[field];
  if (read === undefined) {
    const known = Object.keys(kind.selectable).length > 0;
    if (kind.group === 'batch' && known) throw badRequest(`field label ${JSON.stringify(field)} not supported for ${kind.kind}`);
    throw badRequest(known || kind.custom ? `field label not supported: ${field}` : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
  }
  return read;
}
