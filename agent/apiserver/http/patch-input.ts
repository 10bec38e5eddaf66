import type { IncomingMessage } from 'node:http';
import { apiVersionOf, at, isFields, textAt, type Fields, type KubeObject } from '../kube-object.js';
import { goMap } from '../go-text.js';
import { applyPatch, JSON_PATCH, STRATEGIC_MERGE_PATCH } from '../patch/patch.js';
import type { Kind } from '../registry/kind.js';
import { decode, type Decoded } from '../schema/decode.js';
import type { Schema } from '../schema/schema.js';
import { ApiError, badRequest, fieldError, invalid, unclassified } from '../status.js';
import { objectBody, readBody, type Body } from './body.js';
import type { Exchange } from './exchange.js';
import { decodeAs } from './input.js';
import type { ResourcePath } from './resource-path.js';

/** @throws ApiError 400 for what does not parse */
export async function readPatch(request: IncomingMessage, type: string): Promise<Body> {
  try {
    const body = await readBody(request, type);
    if (body.value === undefined) throw badRequest('unexpected end of JSON input');
    return body;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 400 || type.endsWith('yaml')) throw error;
    const why = error.message.replace(/^.*json parse error: /, '').replace('Unexpected end', 'unexpected end');
    throw badRequest(type === STRATEGIC_MERGE_PATCH ? why : `error decoding patch: ${why}`);
  }
}

/** What a patch makes of an object. @throws ApiError 422 where that is no such object, 400 */
export function patched(exchange: Exchange, kind: Kind, current: KubeObject, body: Body): KubeObject {
  const result = applyPatch(kind, current, body.contentType, body.value);
  const shown = body.contentType === STRATEGIC_MERGE_PATCH && isFields(body.value) ? goMap(body.value) : JSON.stringify(result);
  const why = body.contentType === STRATEGIC_MERGE_PATCH ? conversionError : (text: string): string => text;
  const object = inPatch(shown, why, () => {
    checkSameKind(result, kind);
    return decodeAs(exchange, kind, result, body.contentType === JSON_PATCH ? undefined : body);
  });
  const { name = '' } = object.metadata;
  if (name === '') throw badRequest(`the name of the object (${current.metadata.name ?? ''} based on URL) was undeterminable: name must be provided`);
  return object;
}

function checkSameKind(result: Fields, kind: Kind): void {
  const [apiVersion, name] = [textAt(result, 'apiVersion'), textAt(result, 'kind')];
  if ((apiVersion === '' && name === '') || (apiVersion === apiVersionOf(kind.group, kind.version) && name === kind.kind)) return;
  throw badRequest(`no kind "${name}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:110"`);
}

/** What is wrong with the outcome is the patch's fault. */
function inPatch<T>(shown: string, why: (text: string) => string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 400) throw error;
    throw invalid('', '', '', [fieldError.invalid('patch', shown, why(error.message.replace(/^.* cannot be handled as a \w+: /, '')))]);
  }
}

const GO_KINDS: Readonly<Record<string, string>> = { number: 'int64', array: 'slice', object: 'map' };

/** A strategic merge's outcome is converted, not decoded, which words a wrong type in another way. */
function conversionError(text: string): string {
  const [, given = '', wanted = ''] = /^json: cannot unmarshal (\w+).* of type (.+)$/.exec(text) ?? [];
  if (wanted === '') return text;
  const source = GO_KINDS[given] ?? given;
  if (wanted.startsWith('[]')) return `cannot restore slice from ${source}`;
  if (wanted.startsWith('map[')) return `cannot restore map from ${source}`;
  return /^[a-z]/.test(wanted) ? `cannot convert ${source} to ${wanted}` : `cannot restore struct from: ${source}`;
}

/** An applied configuration: it has to say what it is, where other bodies may leave it out, and to fit its schema. @throws ApiError 400, and 500 without a reason, as the real server */
export function decodeApplied({ kind, ...path }: ResourcePath, body: Body): KubeObject {
  const given = objectBody(body);
  const apiVersion = checkApplied({ kind, ...path }, given);
  const untyped = (why: string): ApiError => unclassified(`failed to create typed patch object (${textAt(given, 'metadata', 'namespace')}/${textAt(given, 'metadata', 'name')}; ${apiVersion}, Kind=${kind.kind}): ${why}`);
  const { value, unknownFields } = decoded(given, kind, untyped);
  const unknown = unknownFields.map((field) => `.${keyed(field, given, kind.schema)}: field not declared in schema`);
  if (unknown.length > 0) throw untyped(unknown.length === 1 ? (unknown[0] ?? '') : ['errors:', ...unknown.map((one) => `  ${one}`)].join('\n'));
  return { ...value, metadata: isFields(value['metadata']) ? value['metadata'] : {} } as KubeObject;
}

function decoded(given: Fields, kind: Kind, untyped: (why: string) => ApiError): Decoded {
  try {
    return decode(given, kind.schema);
  } catch (error) {
    throw error instanceof ApiError && error.code === 400 ? untyped(error.message) : error;
  }
}

/** `containers[0].x` as `containers[name="a"].x`, where the list has keys. */
function keyed(path: string, value: unknown, schema: Schema | undefined): string {
  const [step = '', name, index] = /^\.?([^.[]+)|^\[(\d+)\]/.exec(path) ?? [];
  const rest = path.slice(step.length);
  if (step === '') return path;
  if (index === undefined) return `${step}${keyed(rest, at(value, name ?? ''), schema?.fields?.get(name ?? '') ?? schema?.items)}`;
  const item = Array.isArray(value) ? (value[Number(index)] as unknown) : undefined;
  const keys = (schema?.merge?.listKeys ?? []).map((key) => `${key}=${JSON.stringify(at(item, key) ?? schema?.merge?.keyDefaults?.[key])}`);
  return `${keys.length === 0 ? step : `[${keys.join(',')}]`}${keyed(rest, item, schema?.items)}`;
}

function checkApplied({ kind, name: pathName }: ResourcePath, given: Fields): string {
  const [apiVersion, name] = [textAt(given, 'apiVersion'), textAt(given, 'kind')];
  const shown = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  if (apiVersion !== apiVersionOf(kind.group, kind.version) || name !== kind.kind) throw badRequest(`invalid object type: ${shown}, Kind=${name}`);
  const called = textAt(given, 'metadata', 'name');
  if (called !== '' && called !== pathName) throw badRequest(`the name of the object (${called}) does not match the name on the URL (${pathName})`);
  return shown;
}
