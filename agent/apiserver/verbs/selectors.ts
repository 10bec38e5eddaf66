import type { KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { labelValue, qualifiedName } from '../registry/name-rules.js';
import { badRequest } from '../status.js';

export type Predicate = (object: KubeObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';
  readonly values: readonly string[];
}

/** Which objects a `labelSelector` and a `fieldSelector` parameter let through; undefined for all. */
export function selectorOf(kind: Kind, labelSelector: string, fieldSelector: string): Predicate | undefined {
  const parts = [labelPredicate(labelSelector), fieldPredicate(kind, fieldSelector)].filter((one) => one !== undefined);
  return parts.length === 0 ? undefined : (object) => parts.every((matches) => matches(object));
}

/** Grammar of apimachinery `labels.Parse`: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. */
export function labelPredicate(text: string): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const requirements = splitTopLevel(text).map(parseRequirement);
  return (object) => requirements.every((requirement) => holds(requirement, object.metadata.labels ?? {}));
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')') depth--;
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function parseRequirement(text: string): Requirement {
  const requirement = matchRequirement(text.trim());
  if (requirement === undefined) throw badRequest(`unable to parse requirement: found '${text.trim()}', expected: identifier`);
  for (const why of qualifiedName(requirement.key)) throw badRequest(`unable to parse requirement: <nil>: Invalid value: "${requirement.key}": ${why}`);
  for (const value of requirement.values) {
    for (const why of labelValue(value)) throw badRequest(`unable to parse requirement: values[0][${requirement.key}]: Invalid value: "${value}": ${why}`);
  }
  const [bound = ''] = requirement.values;
  if ((requirement.operator === 'gt' || requirement.operator === 'lt') && !/^-?\d+$/.test(bound)) {
    throw badRequest(`unable to parse requirement: values[0]: Invalid value: "${bound}": for 'Gt', 'Lt' operators, the value must be an integer`);
  }
  return requirement;
}

function matchRequirement(text: string): Requirement | undefined {
  const set = /^([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set) return { key: set[1] ?? '', operator: set[2] as 'in' | 'notin', values: (set[3] ?? '').split(',').map((value) => value.trim()) };
  const equality = /^([^\s!=<>(),]+)\s*(==|=|!=|>|<)\s*([^\s!=<>(),]*)$/.exec(text);
  if (equality) {
    const operators = { '=': 'in', '==': 'in', '!=': 'notin', '>': 'gt', '<': 'lt' } as const;
    return { key: equality[1] ?? '', operator: operators[equality[2] as keyof typeof operators], values: [equality[3] ?? ''] };
  }
  const existence = /^(!?)\s*([^\s!=<>(),]+)$/.exec(text);
  return existence ? { key: existence[2] ?? '', operator: existence[1] === '!' ? '!' : 'exists', values: [] } : undefined;
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

function fieldPredicate(kind: Kind, text: string): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const terms = text.split(',').map((term) => {
    const match = /^\s*([^=!]+?)\s*(!=|==|=)\s*(.*?)\s*$/.exec(term);
    if (match === null) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    const [, field = '', operator = '=', wanted = ''] = match;
    const read = fieldReader(kind, field);
    return (object: KubeObject): boolean => (read(object) === wanted) === (operator !== '!=');
  });
  return (object) => terms.every((term) => term(object));
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
