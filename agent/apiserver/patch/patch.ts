import jsonPatch from 'fast-json-patch';
import { draftOf, isFields, type Fields, type KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { ApiError, badRequest } from '../status.js';
import { strategicMerge } from './strategic-merge.js';

export const JSON_PATCH = 'application/json-patch+json';
export const MERGE_PATCH = 'application/merge-patch+json';
export const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json';
export const APPLY_PATCH = 'application/apply-patch+yaml';

const MAX_JSON_PATCH_OPERATIONS = 10_000;

/** Applies one of the three plain patches; the result is not decoded yet. @throws ApiError 400, 415, 422 */
export function applyPatch(kind: Kind, current: KubeObject, contentType: string, patch: unknown): Fields {
  switch (contentType) {
    case JSON_PATCH:
      return applyJsonPatch(current, patch);
    case MERGE_PATCH:
      return mergePatch(current, objectPatch(patch));
    case STRATEGIC_MERGE_PATCH:
      if (kind.custom) throw unsupported(kind.custom);
      return strategicMerge(current, objectPatch(patch), kind.schema);
    default:
      throw unsupported(kind.custom);
  }
}

function unsupported(custom: boolean): ApiError {
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(custom ? [] : [STRATEGIC_MERGE_PATCH]), APPLY_PATCH];
  return new ApiError(415, 'UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`, ...(custom ? [] : [{}]));
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
  if (!Array.isArray(patch)) throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (patch.length > MAX_JSON_PATCH_OPERATIONS) {
    throw new ApiError(413, 'RequestEntityTooLarge', `The allowed maximum operations in a JSON patch is ${MAX_JSON_PATCH_OPERATIONS}, got ${patch.length}`);
  }
  try {
    return jsonPatch.applyPatch(draftOf(current) as Fields, patch as jsonPatch.Operation[], true, true).newDocument;
  } catch (error) {
    if (!(error instanceof jsonPatch.JsonPatchError)) throw error;
    throw new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
  }
}

function objectPatch(patch: unknown): Fields {
  if (!isFields(patch)) throw badRequest(`json: cannot unmarshal ${Array.isArray(patch) ? 'array' : patch === 'boolean' ? 'bool' : typeof patch} into Go value of type map[string]interface {}`);
  return patch;
}
