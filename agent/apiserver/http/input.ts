import { apiVersionOf, isFields, textAt, type Fields, type KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { decode } from '../schema/decode.js';
import { ApiError, badRequest } from '../status.js';
import type { Body } from './body.js';
import { objectBody } from './body.js';
import type { Exchange } from './exchange.js';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** The `fieldValidation` parameter; Warn is the default of a real server. */
export function fieldValidationOf({ query }: Exchange): FieldValidation {
  const given = query.get('fieldValidation') ?? '';
  if (given === '') return 'Warn';
  if (given === 'Strict' || given === 'Warn' || given === 'Ignore') return given;
  throw new ApiError(422, 'Invalid', `CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "${given}": supported values: "", "Ignore", "Strict", "Warn"`);
}

/** The body as an object of `kind`: right kind, right types, unknown fields refused, warned of or dropped. */
export function decodeObject(exchange: Exchange, kind: Kind, body: Body): KubeObject {
  const given = objectBody(body);
  const apiVersion = apiVersionOf(kind.group, kind.version);
  checkKind(given, kind, apiVersion);
  return decodeAs(exchange, kind, { ...given, apiVersion, kind: kind.kind }, body.duplicates);
}

/** Decodes what a patch has made of an object. */
export function decodeAs(exchange: Exchange, kind: Kind, value: Fields, duplicates: readonly string[] = []): KubeObject {
  const context = `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: `;
  const { value: decoded, unknownFields } = inContext(context, () => decode(value, kind.schema));
  const problems = [...unknownFields.map((field) => `unknown field "${field}"`), ...duplicates.map((field) => `duplicate field "${field}"`)];
  report(exchange, problems, context);
  return { ...decoded, metadata: isFields(decoded['metadata']) ? decoded['metadata'] : {} } as KubeObject;
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

function checkKind(given: Fields, kind: Kind, apiVersion: string): void {
  const givenKind = textAt(given, 'kind') || kind.kind;
  const givenVersion = textAt(given, 'apiVersion') || apiVersion;
  if (givenKind === kind.kind && givenVersion === apiVersion) return;
  if (givenKind !== kind.kind) {
    throw badRequest(`${givenKind} in version "${lastPart(givenVersion)}" cannot be handled as a ${kind.kind}: no kind "${givenKind}" is registered for version "${givenVersion}" in scheme "pkg/api/legacyscheme/scheme.go:30"`);
  }
  throw badRequest(`the API version in the data (${givenVersion}) does not match the expected API version (${apiVersion})`);
}

const lastPart = (apiVersion: string): string => apiVersion.slice(apiVersion.indexOf('/') + 1);
