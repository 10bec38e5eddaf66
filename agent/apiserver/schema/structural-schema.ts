import type { V1JSONSchemaProps } from '@kubernetes/client-node';
import { isFields, sameJson, type Fields } from '../kube-object.js';
import { fieldError, type FieldError } from '../status.js';
import { modelSchema } from './model-schema.js';
import type { MergeRule, Schema } from './schema.js';

/** The schema of a custom kind: its structural OpenAPI schema with the envelope every object has. */
export function structuralSchema(props: V1JSONSchemaProps, goName: string): Schema {
  const fields = new Map<string, Schema>([...(convert(props).fields ?? [])]);
  fields.set('apiVersion', { type: 'string' });
  fields.set('kind', { type: 'string' });
  fields.set('metadata', modelSchema('V1ObjectMeta'));
  return { type: 'object', fields, goName, ...(preserves(props) ? { open: true } : {}), ...(props.description === undefined ? {} : { description: props.description }) };
}

const extension = (props: V1JSONSchemaProps, name: string): unknown => (props as unknown as Fields)[`x_kubernetes_${name}`] ?? (props as unknown as Fields)[`x-kubernetes-${name.replaceAll('_', '-')}`];

const preserves = (props: V1JSONSchemaProps): boolean => extension(props, 'preserve_unknown_fields') === true;

function convert(props: V1JSONSchemaProps): Schema {
  const schema = convertType(props);
  return props.description === undefined ? schema : { ...schema, description: props.description };
}

function convertType(props: V1JSONSchemaProps): Schema {
  if (extension(props, 'int_or_string') === true) return { type: 'intOrString' };
  switch (props.type) {
    case 'object':
      return convertObject(props);
    case 'array':
      return { type: 'array', items: isFields(props.items) ? convert(props.items as V1JSONSchemaProps) : { type: 'any' }, ...mergeRule(props) };
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
      return { type: props.type };
    default:
      return { type: 'any' };
  }
}

function convertObject(props: V1JSONSchemaProps): Schema {
  const atomic = extension(props, 'map_type') === 'atomic' ? { merge: { atomic: true } } : {};
  if (isFields(props.additionalProperties)) return { type: 'map', items: convert(props.additionalProperties as unknown as V1JSONSchemaProps), ...atomic };
  if (props.additionalProperties === true) return { type: 'any' };
  const fields = new Map(Object.entries(props.properties ?? {}).map(([name, child]) => [name, convert(child)] as const));
  return { type: 'object', fields, ...(preserves(props) ? { open: true } : {}), ...atomic };
}

function mergeRule(props: V1JSONSchemaProps): { merge?: MergeRule } {
  const type = extension(props, 'list_type');
  const keys = extension(props, 'list_map_keys');
  if (type === 'map' && Array.isArray(keys)) return { merge: { listKeys: keys as string[] } };
  return type === 'set' ? { merge: { set: true } } : { merge: { atomic: true } };
}

/** Fills in `default` wherever the schema has one and the object has nothing. */
export function applyStructuralDefaults(value: unknown, props: V1JSONSchemaProps): void {
  if (Array.isArray(value) && isFields(props.items)) for (const item of value as unknown[]) applyStructuralDefaults(item, props.items as V1JSONSchemaProps);
  if (!isFields(value)) return;
  for (const [name, child] of Object.entries(props.properties ?? {})) {
    if (value[name] === undefined && child._default !== undefined) value[name] = structuredClone(child._default) as unknown;
    else if (value[name] === undefined && (child as unknown as Fields)['default'] !== undefined) value[name] = structuredClone((child as unknown as Fields)['default']);
    applyStructuralDefaults(value[name], child);
  }
  if (isFields(props.additionalProperties)) for (const child of Object.values(value)) applyStructuralDefaults(child, props.additionalProperties as unknown as V1JSONSchemaProps);
}

/** The value checks of a structural schema: required, enum, pattern, bounds, lengths. CEL rules are not run. */
export function validateStructural(value: unknown, props: V1JSONSchemaProps, path = ''): FieldError[] {
  if (value === undefined || value === null) return [];
  const errors = scalarErrors(value, props, path);
  if (Array.isArray(value)) errors.push(...arrayErrors(value, props, path));
  if (isFields(value)) errors.push(...objectErrors(value, props, path));
  return errors;
}

function objectErrors(value: Fields, props: V1JSONSchemaProps, path: string): FieldError[] {
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const missing = (props.required ?? []).filter((name) => value[name] === undefined).map((name) => fieldError.required(at(name)));
  const known = Object.entries(props.properties ?? {}).flatMap(([name, child]) => validateStructural(value[name], child, at(name)));
  const others = isFields(props.additionalProperties) ? Object.entries(value).flatMap(([name, child]) => validateStructural(child, props.additionalProperties as unknown as V1JSONSchemaProps, at(name))) : [];
  return [...missing, ...known, ...others];
}

function arrayErrors(value: readonly unknown[], props: V1JSONSchemaProps, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (props.minItems !== undefined && value.length < props.minItems) errors.push(fieldError.invalid(path, value, `${path} in body should have at least ${props.minItems} items`));
  if (props.maxItems !== undefined && value.length > props.maxItems) errors.push(fieldError.invalid(path, value.length, `must have at most ${props.maxItems} items`));
  if (!isFields(props.items)) return errors;
  return [...errors, ...value.flatMap((item, index) => validateStructural(item, props.items as V1JSONSchemaProps, `${path}[${index}]`))];
}

function scalarErrors(value: unknown, props: V1JSONSchemaProps, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (props._enum !== undefined || (props as unknown as Fields)['enum'] !== undefined) {
    const allowed = (props._enum ?? (props as unknown as Fields)['enum']) as unknown[];
    if (!allowed.some((one) => sameJson(one, value))) errors.push(fieldError.notSupported(path, value, allowed.map(String)));
  }
  if (typeof value === 'string') {
    if (props.pattern !== undefined && !patternOf(props.pattern).test(value)) errors.push(fieldError.invalid(path, value, `${path} in body should match '${props.pattern}'`));
    if (props.minLength !== undefined && value.length < props.minLength) errors.push(fieldError.invalid(path, value, `${path} in body should be at least ${props.minLength} chars long`));
    if (props.maxLength !== undefined && value.length > props.maxLength) errors.push(fieldError.tooLong(path, props.maxLength));
  }
  if (typeof value === 'number') {
    if (props.minimum !== undefined && value < props.minimum) errors.push(fieldError.invalid(path, value, `${path} in body should be greater than or equal to ${props.minimum}`));
    if (props.maximum !== undefined && value > props.maximum) errors.push(fieldError.invalid(path, value, `${path} in body should be less than or equal to ${props.maximum}`));
  }
  return errors;
}

const patterns = new Map<string, RegExp>();

/** Go's RE2 patterns of CRDs are, but for inline flags, JavaScript's too. One that is not, refuses nothing. */
function patternOf(pattern: string): RegExp {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    try {
      compiled = new RegExp(pattern);
    } catch {
      compiled = /^/;
    }
    patterns.set(pattern, compiled);
  }
  return compiled;
}
