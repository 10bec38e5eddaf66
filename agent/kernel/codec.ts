/**
 * How a C struct (or a plain integer) lies in memory. Those of structs are
 * generated (abi.generated.ts); integers of map keys and values are below.
 */
export interface Codec<T> {
  /** C name: `canal_config`, `u64`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Name, offset and size of each member, padding included; empty for integers. */
  readonly members: readonly (readonly [name: string, offset: number, size: number])[];
  read(view: DataView, at: number): T;
  /** Writes all `size` bytes. Throws RangeError where a string or byte array does not fit. */
  write(view: DataView, at: number, value: T): void;
}

export const u32Codec: Codec<number> = {
  name: 'u32',
  size: 4,
  members: [],
  read: (view, at) => view.getUint32(at, true),
  write: (view, at, value) => view.setUint32(at, value, true),
};

export const u64Codec: Codec<bigint> = {
  name: 'u64',
  size: 8,
  members: [],
  read: (view, at) => view.getBigUint64(at, true),
  write: (view, at, value) => view.setBigUint64(at, value, true),
};

/** A view over the same bytes as `buffer`. */
export const viewOf = (buffer: Uint8Array): DataView => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

/** One value as a Buffer of its own. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const buffer = Buffer.allocUnsafe(codec.size);
  codec.write(viewOf(buffer), 0, value);
  return buffer;
}

export function decode<T>(codec: Codec<T>, buffer: Uint8Array, at = 0): T {
  return codec.read(viewOf(buffer), at);
}

/** Values back to back, as an array in C. */
export function encodeAll<T>(codec: Codec<T>, values: readonly T[]): Buffer {
  const buffer = Buffer.allocUnsafe(values.length * codec.size);
  const view = viewOf(buffer);
  values.forEach((value, i) => codec.write(view, i * codec.size, value));
  return buffer;
}

export function decodeAll<T>(codec: Codec<T>, buffer: Uint8Array, count: number): T[] {
  const view = viewOf(buffer);
  return Array.from({ length: count }, (_, i) => codec.read(view, i * codec.size));
}

/** The name of a value in one of the generated enums, or its number. */
export function enumName(values: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(values).find((name) => values[name] === value) ?? String(value);
}

// ---- what the generated codecs are made of

export function getBytes(view: DataView, at: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = view.getUint8(at + i);
  return bytes;
}

export function putBytes(view: DataView, at: number, size: number, bytes: Uint8Array): void {
  if (bytes.length !== size) throw new RangeError(`${bytes.length} bytes where ${size} belong`);
  for (let i = 0; i < size; i++) view.setUint8(at + i, bytes[i]!);
}

export function putZeros(view: DataView, at: number, size: number): void {
  for (let i = 0; i < size; i++) view.setUint8(at + i, 0);
}

export function getText(view: DataView, at: number, size: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + at, size);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? size : end);
}

export function putText(view: DataView, at: number, size: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length >= size) throw new RangeError(`"${text}" is longer than ${size - 1} bytes`);
  putZeros(view, at, size);
  for (let i = 0; i < bytes.length; i++) view.setUint8(at + i, bytes[i]!);
}
