import { apiVersionOf, isFields, textAt, type Fields, type KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import type { Registry } from '../registry/registry.js';
import { decode } from '../schema/decode.js';
import { placesOf } from '../schema/duplicate-fields.js';
import { ApiError, badRequest } from '../status.js';
import type { Body } from './body.js';
import { objectBody } from './body.js';
import type { Exchange } from './exchange.js';

/** What of a body does not show in its value. */
type Doubts = Pick<Body, 'duplicates' | 'text' | 'complaints'>;

type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** The `fieldValidation` parameter, which was checked; Warn is the default of a real server. */
function fieldValidationOf({ query }: Exchange): FieldValidation {
  const given = query.get('fieldValidation') ?? '';
  return given === 'Strict' || given === 'Ignore' ? given : 'Warn';
}

/** The body as an object of `kind`: right kind, right types, unknown fields refused, warned of or dropped. */
export function decodeObject(exchange: Exchange, registry: Registry, kind: Kind, body: Body): KubeObject {
  const given = objectBody(body);
  const apiVersion = apiVersionOf(kind.group, kind.version);
  checkKind(given, registry, kind, apiVersion);
  return decodeAs(exchange, kind, { ...given, apiVersion, kind: kind.kind }, body);
}

/** Decodes what a patch has made of an object, or a body. @param body whose duplicate fields count too */
export function decodeAs(exchange: Exchange, kind: Kind, value: Fields, body: Doubts = { duplicates: [] }): KubeObject {
  const context = `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: `;
  const { value: decoded, unknownFields } = inContext(context, () => decode(value, kind.schema));
  report(exchange, problemsIn(unknownFields, body), context);
  return { ...decoded, metadata: isFields(decoded['metadata']) ? decoded['metadata'] : {} } as KubeObject;
}

/** In the order of the body. */
function problemsIn(unknown: readonly string[], { duplicates, text = '', complaints = [] }: Doubts): string[] {
  const places = unknown.length > 0 && duplicates.length > 0 ? placesOf(text) : new Map<string, number>();
  const problems = [...unknown.map((field) => ({ place: places.get(field) ?? 0, text: `unknown field "${field}"` })), ...duplicates.map((field) => ({ place: places.get(`again ${field}`) ?? 0, text: `duplicate field "${field}"` }))];
  return [...complaints, ...problems.toSorted((a, b) => a.place - b.place).map((one) => one.text)];
}

function report(exchange: Exchange, problems: readonly string[], context: string): void {
  if (problems.length === 0) return;
  switch (fieldValidationOf(exchange)) {
    case 'Strict':
      throw badRequest(`${context}strict decoding error: ${problems.join(', ')}`);
    case 'Warn':
      exchange.warnings.push(...problems);
      break;
    case 'Ignore':
      break;
  }
}

function inContext<T>(context: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ApiError && error.code === 400) throw badRequest(`${context}${error.message}`);
    throw error;
  }
}

function checkKind(given: Fields, registry: Registry, kind: Kind, apiVersion: string): void {
  const givenKind = textAt(given, 'kind') || kind.kind;
  const givenVersion = textAt(given, 'apiVersion') || apiVersion;
  if (givenKind === kind.kind && givenVersion === apiVersion) return;
  if (kind.custom && givenKind === kind.kind) throw badRequest(`the API version in the data (${givenVersion}) does not match the expected API version (${apiVersion})`);
  const version = givenVersion.slice(givenVersion.indexOf('/') + 1);
  const known = givenKind === 'List' || registry.byApiVersionKind(givenVersion, givenKind.replace(/List$/, '')) !== undefined;
  const why = known && !kind.custom ? `converting (${version}.${givenKind}) to (${kind.group.split('.')[0] || 'core'}.${kind.kind}): unknown conversion` : `no kind "${givenKind}" is registered for version "${givenVersion}" in scheme "pkg/${kind.custom ? 'api/legacyscheme/scheme.go:30' : 'runtime/scheme.go:110'}"`;
  throw badRequest(`${givenKind} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`);
}
