import { isFields, type Fields } from '../kube-object.js';

/**
 * How JSON becomes a message: by message name, one word a field.
 * `name=1` text or texts, `name=1:flag` a boolean, `name=1:json` any value as
 * its JSON text, `name=1:Message` a message; a list is a repeated field.
 * `name=8.1.2` has each value in messages of their own around it (field 1, in
 * that field 2): wrappers that JSON does not have, as of a `oneof`.
 * `x-*=9` is every other key that starts with `x-`, `*=9` every other key: pairs
 * of a name (field 1) and a value (field 2), and what follows the dot is around the value.
 */
export type MessageTable = Readonly<Record<string, string>>;

interface Row {
  readonly number: number;
  readonly wrappers: readonly number[];
  readonly form: string;
}

/** Encodes JSON as the named message of a table; what the table does not name is left out. */
export function messageEncoder(table: MessageTable): (value: Fields, message: string) => Buffer {
  const messages = new Map(Object.entries(table).map(([name, text]) => [name, new Map(text.split(' ').map(parseRow))]));

  function encode(value: Fields, message: string): Buffer {
    const rows = messages.get(message);
    if (rows === undefined) throw new RangeError(`no message ${message}`);
    return Buffer.concat(Object.entries(value).flatMap(([name, child]) => encodeField(rows, name, child)));
  }

  function encodeField(rows: ReadonlyMap<string, Row>, name: string, value: unknown): Buffer[] {
    const row = rows.get(name);
    if (row !== undefined) return (Array.isArray(value) && row.form !== 'json' ? (value as unknown[]) : [value]).map((one) => field(row.number, wrapped(row, one)));
    const pair = (name.startsWith('x-') ? rows.get('x-*') : undefined) ?? rows.get('*');
    return pair === undefined ? [] : [field(pair.number, Buffer.concat([field(1, Buffer.from(name)), field(2, wrapped(pair, value))]))];
  }

  function wrapped({ wrappers, form }: Row, value: unknown): Buffer | boolean {
    return wrappers.reduceRight<Buffer | boolean>((inner, number) => field(number, inner), encodeValue(form, value));
  }

  function encodeValue(form: string, value: unknown): Buffer | boolean {
    if (form === 'flag') return value === true;
    if (form === 'json') return Buffer.from(JSON.stringify(value));
    if (form === 'text') return Buffer.from(String(value));
    return encode(isFields(value) ? value : {}, form);
  }

  return encode;
}

function parseRow(text: string): [string, Row] {
  const [, name = '', numbers = '', form = 'text'] = /^(.+)=([\d.]+)(?::(\w+))?$/.exec(text) ?? [];
  const [number = 0, ...wrappers] = numbers.split('.').map(Number);
  return [name, { number, wrappers, form }];
}

function field(number: number, value: Buffer | boolean): Buffer {
  if (typeof value === 'boolean') return Buffer.concat([varint(number * 8), varint(value ? 1 : 0)]);
  return Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
