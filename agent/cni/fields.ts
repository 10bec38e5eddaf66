import { Cidr, IpAddress } from '../base/address.js';
import { CniCode, CniError } from './cni-error.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Readers of JSON members that came from outside. Absent is undefined; the wrong type throws
 * code 7 with the member's full path first.
 */
export function invalid(path: string, what: string): CniError {
  return new CniError(CniCode.INVALID_CONFIG, `${path}: ${what}`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

export function objectAt(from: JsonObject, key: string, path = ''): JsonObject | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw invalid(join(path, key), 'not an object');
  return value;
}

/** Elements that must all be objects, each with its path. */
export function objectsAt(from: JsonObject, key: string, path = ''): readonly { readonly value: JsonObject; readonly path: string }[] | undefined {
  return listAt(from, key, path)?.map((value, i) => {
    const at = `${join(path, key)}[${i}]`;
    if (!isObject(value)) throw invalid(at, 'not an object');
    return { value, path: at };
  });
}

export function listAt(from: JsonObject, key: string, path = ''): readonly unknown[] | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid(join(path, key), 'not a list');
  return value as readonly unknown[];
}

export function stringAt(from: JsonObject, key: string, path = ''): string | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalid(join(path, key), 'not a string');
  return value;
}

export function stringsAt(from: JsonObject, key: string, path = ''): readonly string[] | undefined {
  return listAt(from, key, path)?.map((value, i) => {
    if (typeof value !== 'string') throw invalid(`${join(path, key)}[${i}]`, 'not a string');
    return value;
  });
}

export function booleanAt(from: JsonObject, key: string, path = ''): boolean | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw invalid(join(path, key), 'not true or false');
  return value;
}

export function integerAt(from: JsonObject, key: string, min: number, max: number, path = ''): number | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalid(join(path, key), 'not an integer');
  if (value < min || value > max) throw invalid(join(path, key), `${value} is not between ${min} and ${max}`);
  return value;
}

export function addressAt(from: JsonObject, key: string, path = ''): IpAddress | undefined {
  const text = stringAt(from, key, path);
  if (text === undefined || text === '') return undefined;
  const address = IpAddress.parse(text);
  if (address === undefined) throw invalid(join(path, key), `${JSON.stringify(text)} is no address`);
  return address;
}

export function cidrAt(from: JsonObject, key: string, path = ''): Cidr | undefined {
  const text = stringAt(from, key, path);
  if (text === undefined || text === '') return undefined;
  const cidr = text.includes('/') ? Cidr.parse(text) : undefined;
  if (cidr === undefined) throw invalid(join(path, key), `${JSON.stringify(text)} is no CIDR`);
  return cidr;
}
