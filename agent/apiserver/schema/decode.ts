import { isFields, type Fields } from '../kube-object.js';
import { badRequest } from '../status.js';
import type { Schema } from './schema.js';

/** A decoded value and the fields that its schema does not know (`spec.containers[0].foo`). */
export interface Decoded {
  readonly value: Fields;
  readonly unknownFields: readonly string[];
}

/**
 * Makes untyped JSON fit a schema the way Go's decoder does: nulls and unknown
 * fields disappear (the latter are reported), numbers become quantities.
 * @throws ApiError 400 where a value has the wrong type, worded as Go words it
 */
export function decode(value: Fields, schema: Schema, goPath = ''): Decoded {
  const unknownFields: string[] = [];
  const decoded = decodeValue(value, schema, { path: '', goPath, owner: schema.goName ?? '', unknownFields });
  return { value: decoded as Fields, unknownFields };
}

interface Position {
  readonly path: string;
  /** Without indices, as `json: cannot unmarshal` prints it. */
  readonly goPath: string;
  readonly owner: string;
  readonly unknownFields: string[];
}

function decodeValue(value: unknown, schema: Schema, position: Position): unknown {
  switch (schema.type) {
    case 'any':
      return value;
    case 'object':
      return decodeObject(value, schema, position);
    case 'map':
      return decodeMap(value, schema, position);
    case 'array':
      return decodeArray(value, schema, position);
    default:
      return decodeScalar(value, schema, position);
  }
}

function decodeObject(value: unknown, schema: Schema, position: Position): unknown {
  if (!isFields(value)) throw mismatch(value, schema.goName ?? 'object', position);
  const result: Fields = {};
  for (const [name, child] of Object.entries(value)) {
    const field = schema.fields?.get(name);
    const path = position.path === '' ? name : `${position.path}.${name}`;
    if (field === undefined) {
      if (schema.open === true) result[name] = child;
      else position.unknownFields.push(path);
    } else if (child !== null) {
      result[name] = decodeValue(child, field, step(position, path, name, schema.goName));
    }
  }
  return result;
}

function decodeMap(value: unknown, schema: Schema, position: Position): unknown {
  if (!isFields(value)) throw mismatch(value, `map[string]${goType(schema.items)}`, position);
  const result: Fields = {};
  for (const [name, child] of Object.entries(value)) {
    // Go decodes a null map value to the zero value; for strings that is "".
    const item = child === null && schema.items?.type === 'string' ? '' : child;
    if (item !== null) result[name] = decodeValue(item, schema.items ?? { type: 'any' }, { ...position, path: `${position.path}.${name}` });
  }
  return result;
}

function decodeArray(value: unknown, schema: Schema, position: Position): unknown {
  if (!Array.isArray(value)) throw mismatch(value, `[]${goType(schema.items)}`, position);
  const items = schema.items ?? { type: 'any' };
  return value.map((item: unknown, index) =>
    item === null ? (items.type === 'object' ? {} : '') : decodeValue(item, items, { ...position, path: `${position.path}[${index}]` }),
  );
}

function decodeScalar(value: unknown, schema: Schema, position: Position): unknown {
  switch (schema.type) {
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(value, schema.goName ?? 'int32', position);
      return value;
    case 'number':
      if (typeof value !== 'number') throw mismatch(value, 'float64', position);
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(value, 'bool', position);
      return value;
    case 'intOrString':
      if (typeof value !== 'string' && !(typeof value === 'number' && Number.isInteger(value))) throw mismatch(value, 'int32', position);
      return value;
    case 'quantity':
      return decodeQuantity(value, position);
    case 'bytes':
      if (typeof value !== 'string') throw mismatch(value, '[]uint8', position);
      if (!/^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$/.test(value)) throw badRequest(`illegal base64 data at input byte ${value.search(/[^A-Za-z0-9+/\r\n]/)}`);
      return value;
    case 'time':
      if (typeof value !== 'string') throw mismatch(value, 'Time', position);
      checkTime(value);
      return value;
    default:
      if (typeof value !== 'string') throw mismatch(value, 'string', position);
      return value;
  }
}

/** RFC 3339 by the parts of Go's layout, and what each takes. */
const TIME_PARTS: readonly (readonly [string, RegExp])[] = [['2006', /^\d{4}/], ['-', /^-/], ['01', /^\d\d/], ['-', /^-/], ['02', /^\d\d/], ['T', /^T/], ['15', /^\d\d/], [':', /^:/], ['04', /^\d\d/], [':', /^:/], ['05', /^\d\d(\.\d+)?/], ['Z07:00', /^(Z|[+-]\d\d:\d\d)$/]];

function checkTime(text: string): void {
  let rest = text;
  for (const [part, form] of TIME_PARTS) {
    const found = form.exec(rest)?.[0];
    if (found === undefined) throw badRequest(`parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(part)}`);
    rest = rest.slice(found.length);
  }
}

const QUANTITY = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?$/;

function decodeQuantity(value: unknown, position: Position): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') throw mismatch(value, 'Quantity', position);
  if (!QUANTITY.test(value)) {
    throw badRequest(`quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`);
  }
  return value;
}

function step(position: Position, path: string, name: string, owner: string | undefined): Position {
  return { ...position, path, goPath: position.goPath === '' ? name : `${position.goPath}.${name}`, owner: owner ?? position.owner };
}

function mismatch(value: unknown, wanted: string, position: Position): Error {
  const got = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? (Number.isInteger(value) ? 'number' : `number ${value}`) : typeof value;
  const where = position.goPath === '' ? '' : ` into Go struct field ${position.owner}.${position.goPath}`;
  return badRequest(`json: cannot unmarshal ${got}${where === '' ? ' into Go value' : where} of type ${wanted}`);
}

function goType(schema: Schema | undefined): string {
  if (schema === undefined) return 'interface {}';
  const names: Partial<Record<Schema['type'], string>> = { integer: 'int32', boolean: 'bool', number: 'float64', array: `[]${goType(schema.items)}`, quantity: 'resource.Quantity', any: 'interface {}' };
  return names[schema.type] ?? (schema.goName === undefined ? 'string' : `v1.${schema.goName}`);
}
