import * as client from '@kubernetes/client-node';
import { MERGE_RULES } from './merge-rules.js';
import type { MergeRule, Schema } from './schema.js';

interface Attribute {
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

const cache = new Map<string, Schema>();

/** Maps whose values are resource.Quantity; the models only say string. */
const QUANTITY_FIELDS = new Set(['limits', 'requests', 'hard', 'used', 'capacity', 'allocatable', 'overhead', 'default', 'defaultRequest', 'max', 'min', 'maxLimitRequestRatio', 'allocatedResources', 'sizeLimit', 'divisor']);

/** Models whose `max`, `min` and the like are not quantities do not occur among the kinds served. */
const PRIMITIVES: Readonly<Record<string, Schema>> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  Date: { type: 'time' },
  V1MicroTime: { type: 'time' },
  IntOrString: { type: 'intOrString' },
  any: { type: 'any' },
  object: { type: 'any' },
};

/**
 * The schema of a model of `@kubernetes/client-node`, by its class name
 * (`V1Pod`). The models are generated from Kubernetes' OpenAPI, so they are
 * the field tables of every kind without a copy of our own.
 */
export function modelSchema(model: string): Schema {
  const known = cache.get(model);
  if (known !== undefined) return known;
  const attributes = attributesOf(model);
  const fields = new Map<string, Schema>();
  const schema: Schema = { type: 'object', fields, goName: goNameOf(model), model, ...mergeOf(model) };
  cache.set(model, schema);
  for (const attribute of attributes) fields.set(attribute.baseName, fieldSchema(model, attribute));
  return schema;
}

function fieldSchema(model: string, attribute: Attribute): Schema {
  const schema = typeSchema(attribute.type, attribute);
  const rule = MERGE_RULES[`${model}.${attribute.baseName}`];
  return rule === undefined ? schema : { ...schema, merge: rule };
}

function typeSchema(type: string, attribute: Attribute): Schema {
  const list = /^Array<(.+)>$/.exec(type);
  if (list?.[1] !== undefined) return { type: 'array', items: typeSchema(list[1], attribute) };
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type);
  if (map?.[1] !== undefined) return { type: 'map', items: typeSchema(map[1], attribute) };
  if (type === 'string' && QUANTITY_FIELDS.has(attribute.baseName)) return { type: 'quantity' };
  if (type === 'string' && attribute.format === 'byte') return { type: 'bytes' };
  if (type === 'string' && attribute.format === 'int-or-string') return { type: 'intOrString' };
  if (type === 'number') return attribute.format.startsWith('int') ? { type: 'integer', goName: attribute.format } : { type: 'number' };
  return PRIMITIVES[type] ?? modelSchema(type);
}

function attributesOf(model: string): readonly Attribute[] {
  const found = (client as unknown as Record<string, { getAttributeTypeMap?: () => readonly Attribute[] }>)[model];
  return found?.getAttributeTypeMap?.() ?? [];
}

const mergeOf = (model: string): { merge?: MergeRule } => {
  const rule = MERGE_RULES[model];
  return rule === undefined ? {} : { merge: rule };
};

/** `V1ContainerPort` → `ContainerPort`, `CoreV1Event` → `Event`. */
export function goNameOf(model: string): string {
  return model.replace(/^[A-Z]?[a-z]*V\d+((alpha|beta)\d+)?/, '');
}
