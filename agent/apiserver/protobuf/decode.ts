import type { Fields } from '../kube-object.js';
import { modelSchema } from '../schema/model-schema.js';
import { ANY, type Schema } from '../schema/schema.js';
import { badRequest } from '../status.js';
import { FIELD_NUMBERS } from './field-numbers.js';
import { signed, textOf, wireFields, type WireField } from './wire.js';

const MAGIC = Buffer.from('k8s\0', 'latin1');

/** Kinds whose model is not called `V1` and their name. */
const MODELS: Readonly<Record<string, string>> = { Event: 'CoreV1Event', TokenRequest: 'AuthenticationV1TokenRequest' };

interface FieldRow {
  readonly name: string;
  readonly pointer: boolean;
  /** The embedded struct's model, for fields that JSON has inline. */
  readonly inline: string | undefined;
}

/**
 * A request body of `application/vnd.kubernetes.protobuf` as the JSON object it
 * stands for. kubectl (1.32 and later) and client-go send typed objects so;
 * answers are JSON, which they accept too.
 * @throws ApiError 400
 */
export function decodeProtobuf(body: Buffer): Fields {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  try {
    return decodeEnvelope(body.subarray(4));
  } catch (error) {
    if (error instanceof RangeError) throw badRequest(`unable to decode protobuf: ${error.message}`);
    throw error;
  }
}

function decodeEnvelope(message: Buffer): Fields {
  const envelope = new Map(wireFields(message).map(({ number, value }) => [number, value]));
  const type = new Map(wireFields(bytesOf(envelope.get(1))).map(({ number, value }) => [number, textOf(value)]));
  const [apiVersion, kind] = [type.get(1) ?? '', type.get(2) ?? ''];
  const model = MODELS[kind] ?? `V1${kind}`;
  if (FIELD_NUMBERS[model] === undefined) throw badRequest(`no kind "${kind}" is registered for protobuf in version "${apiVersion}"`);
  return { apiVersion, kind, ...decodeMessage(bytesOf(envelope.get(2)), modelSchema(model), model) };
}

function decodeMessage(message: Buffer, schema: Schema, model: string): Fields {
  const rows = rowsOf(model);
  const result: Fields = {};
  for (const { number, value } of wireFields(message)) {
    const row = rows.get(number);
    if (row === undefined) continue;
    if (row.inline !== undefined) Object.assign(result, decodeMessage(bytesOf(value), schema, row.inline));
    else decodeField(result, row, value, schema.fields?.get(row.name) ?? ANY);
  }
  return result;
}

function decodeField(result: Fields, { name, pointer }: FieldRow, value: WireField['value'], schema: Schema): void {
  if (schema.type === 'array') {
    const list = (result[name] ??= []) as unknown[];
    list.push(decodeValue(value, schema.items ?? ANY));
  } else if (schema.type === 'map') {
    const entry = new Map(wireFields(bytesOf(value)).map((field) => [field.number, field.value]));
    ((result[name] ??= {}) as Fields)[textOf(entry.get(1))] = decodeValue(entry.get(2) ?? Buffer.alloc(0), schema.items ?? ANY);
  } else {
    const decoded = decodeValue(value, schema);
    if (pointer || !isZero(decoded)) result[name] = decoded;
  }
}

function decodeValue(value: WireField['value'], schema: Schema): unknown {
  switch (schema.type) {
    case 'object':
      return decodeMessage(bytesOf(value), schema, schema.model ?? '');
    case 'string':
      return textOf(value);
    case 'bytes':
      return bytesOf(value).toString('base64');
    case 'integer':
    case 'number':
      return signed(value);
    case 'boolean':
      return value !== 0n;
    case 'time':
      return decodeTime(bytesOf(value));
    case 'quantity':
      return textOf(wireFields(bytesOf(value)).find(({ number }) => number === 1)?.value);
    case 'intOrString':
      return decodeIntOrString(bytesOf(value));
    case 'array':
      return wireFields(bytesOf(value)).map((field) => decodeValue(field.value, schema.items ?? ANY));
    default:
      return decodeRaw(bytesOf(value));
  }
}

/** `Timestamp`: seconds and nanoseconds; nothing for the zero time. */
function decodeTime(message: Buffer): string | undefined {
  const parts = new Map(wireFields(message).map(({ number, value }) => [number, signed(value)]));
  const seconds = parts.get(1);
  if (seconds === undefined || seconds === 0) return undefined;
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const nanos = parts.get(2) ?? 0;
  return nanos === 0 ? `${whole}Z` : `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

function decodeIntOrString(message: Buffer): number | string {
  const parts = new Map(wireFields(message).map(({ number, value }) => [number, value]));
  return parts.get(1) === 1n ? textOf(parts.get(3)) : signed(parts.get(2));
}

/** RawExtension and FieldsV1: JSON text in field 1. */
function decodeRaw(message: Buffer): unknown {
  const raw = textOf(wireFields(message).find(({ number }) => number === 1)?.value);
  if (raw === '') return undefined;
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    throw new RangeError('embedded JSON does not parse');
  }
}

const cache = new Map<string, ReadonlyMap<number, FieldRow>>();

function rowsOf(model: string): ReadonlyMap<number, FieldRow> {
  let rows = cache.get(model);
  if (rows === undefined) {
    rows = new Map((FIELD_NUMBERS[model] ?? '').split(' ').filter((text) => text !== '').map(parseRow));
    cache.set(model, rows);
  }
  return rows;
}

function parseRow(text: string): [number, FieldRow] {
  const [left = '', number = '0'] = text.split('=');
  const inline = left.startsWith('+') ? left.slice(1) : undefined;
  return [Number(number), { name: left.replace('*', ''), pointer: left.endsWith('*'), inline }];
}

const isZero = (value: unknown): boolean => value === undefined || value === '' || value === 0 || value === false;
const bytesOf = (value: bigint | Buffer | undefined): Buffer => (Buffer.isBuffer(value) ? value : Buffer.alloc(0));
