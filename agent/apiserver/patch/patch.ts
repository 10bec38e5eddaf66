import jsonPatch from 'fast-json-patch';
import { draftOf, isFields, type Fields, type KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { ApiError, badRequest } from '../status.js';
import { strategicMerge } from './strategic-merge.js';

export const JSON_PATCH = 'application/json-patch+json';
export const MERGE_PATCH = 'application/merge-patch+json';
export const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json';
export const APPLY_PATCH = 'application/apply-patch+yaml';
const PATCH_TYPES: readonly string[] = [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH];

const MAX_JSON_PATCH_OPERATIONS = 10_000;

/** Applies one of the three plain patches; the result is not decoded yet. @throws ApiError 400, 415, 422 */
export function applyPatch(kind: Kind, current: KubeObject, contentType: string, patch: unknown): Fields {
  checkPatchType(kind, contentType);
  switch (contentType) {
    case JSON_PATCH:
      return applyJsonPatch(current, patch);
    case MERGE_PATCH:
      return mergePatch(current, objectPatch(patch));
    default:
      return strategicMerge(current, objectPatch(patch, ''), kind.schema);
  }
}

/** @throws ApiError 415 */
export function checkPatchType(kind: Kind, type: string): void {
  if (!PATCH_TYPES.includes(type)) throw new ApiError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  if (kind.custom && type === STRATEGIC_MERGE_PATCH) throw new ApiError(415, 'UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: ${PATCH_TYPES.filter((one) => one !== STRATEGIC_MERGE_PATCH).join(', ')}`);
}

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): Fields {
  return mergeValue(target, patch) as Fields;
}

function mergeValue(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const result: Fields = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergeValue(result[name], value);
  }
  return result;
}

function applyJsonPatch(current: KubeObject, patch: unknown): Fields {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp');
  if (patch.length > MAX_JSON_PATCH_OPERATIONS) {
    throw new ApiError(413, 'RequestEntityTooLarge', `The allowed maximum operations in a JSON patch is ${MAX_JSON_PATCH_OPERATIONS}, got ${patch.length}`);
  }
  try {
    let document = draftOf(current) as Fields;
    for (const operation of patch as jsonPatch.Operation[]) document = jsonPatch.applyPatch(document, [asDone(document, operation)], true, true).newDocument;
    return document;
  } catch (error) {
    if (!(error instanceof jsonPatch.JsonPatchError)) throw error;
    throw new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
  }
}

/** A real server adds the field whose replacement is asked for and that is not there, against RFC 6902. */
function asDone(document: Fields, operation: jsonPatch.Operation): jsonPatch.Operation {
  if (!isFields(operation) || operation.op !== 'replace' || typeof operation.path !== 'string') return operation;
  const parent: unknown = jsonPatch.getValueByPointer(document, operation.path.replace(/\/[^/]*$/, ''));
  return isFields(parent) ? { ...operation, op: 'add' } : operation;
}

function objectPatch(patch: unknown, decoding = 'error decoding patch: '): Fields {
  if (patch === null && decoding !== '') throw badRequest('Invalid JSON Patch');
  if (!isFields(patch)) throw badRequest(`${decoding}json: cannot unmarshal ${Array.isArray(patch) ? 'array' : typeof patch === 'boolean' ? 'bool' : typeof patch} into Go value of type map[string]interface {}`);
  return patch;
}
