import { isFields, sameJson, type Fields } from '../kube-object.js';
import { ANY, type MergeRule, type Schema } from '../schema/schema.js';
import { badRequest, unclassified } from '../status.js';
import { goMap } from '../go-text.js';

const DIRECTIVE = '$patch';
const RETAIN = '$retainKeys';
const ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/**
 * Strategic merge patch (apimachinery `strategicpatch`): objects merge, null
 * deletes, lists with a merge key merge item by item, and the `$` directives
 * delete, replace, reorder or keep. Neither argument is changed.
 * @throws ApiError 400 for a directive that makes no sense
 */
export function strategicMerge(original: Fields, patch: Fields, schema: Schema): Fields {
  return mergeObject(original, patch, schema, undefined);
}

function mergeObject(original: Fields, patch: Fields, schema: Schema, rule: MergeRule | undefined): Fields {
  const directive = patch[DIRECTIVE];
  if (directive === 'replace') return withoutDirectives(patch) as Fields;
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw unclassified(`unknown patch type: ${goMap(directive)} in map: ${goMap(patch)}`);
  const result = rule?.retainKeys === true || patch[RETAIN] !== undefined ? retained(original, patch) : { ...original };
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    const field = fieldSchema(schema, name);
    if (value === null) delete result[name];
    else if (isFields(value)) mergeInto(result, name, value, field);
    else if (Array.isArray(value)) result[name] = mergeList(listOf(result[name]), value, field, orderOf(patch, name));
    else result[name] = value;
  }
  applyListDirectives(result, patch, schema);
  return result;
}

function mergeInto(result: Fields, name: string, value: Fields, field: Schema): void {
  const current = result[name];
  if (value[DIRECTIVE] === 'delete') delete result[name];
  else result[name] = mergeObject(isFields(current) ? current : {}, value, field, field.merge);
}

function retained(original: Fields, patch: Fields): Fields {
  const keep = patch[RETAIN];
  if (!Array.isArray(keep)) return { ...original };
  return Object.fromEntries(Object.entries(original).filter(([name]) => keep.includes(name)));
}

/** Directives about lists of which the patch itself carries no items. */
function applyListDirectives(result: Fields, patch: Fields, schema: Schema): void {
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith(DELETE_PRIMITIVES)) {
      const list = name.slice(DELETE_PRIMITIVES.length);
      const gone = listOf(value);
      if (Array.isArray(result[list])) result[list] = listOf(result[list]).filter((item) => !gone.some((one) => sameJson(one, item)));
    } else if (name.startsWith(ORDER)) {
      const list = name.slice(ORDER.length);
      if (Array.isArray(result[list]) && patch[list] === undefined) {
        result[list] = ordered(listOf(result[list]), listOf(result[list]), listOf(value), fieldSchema(schema, list).merge?.patchKey ?? '');
      }
    }
  }
}

function mergeList(original: readonly unknown[], patch: readonly unknown[], schema: Schema, order: readonly unknown[] | undefined): unknown[] {
  const key = schema.merge?.patchKey;
  if (key === undefined) return patch.map(withoutDirectives);
  if (key === '' || !patch.some(isFields)) return mergePrimitives(original, patch, order);
  return mergeItems(original, patch, key, schema, order);
}

function mergePrimitives(original: readonly unknown[], patch: readonly unknown[], order: readonly unknown[] | undefined): unknown[] {
  const merged = [...original, ...patch.filter((item) => !original.some((one) => sameJson(one, item)))];
  return ordered(merged, original, order ?? patch, '');
}

function mergeItems(original: readonly unknown[], patch: readonly unknown[], key: string, schema: Schema, order: readonly unknown[] | undefined): unknown[] {
  const items = schema.items ?? ANY;
  let result = [...original];
  if (patch.some((item) => isFields(item) && item[DIRECTIVE] === 'replace')) {
    return patch.filter((item) => !(isFields(item) && item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1)).map(withoutDirectives);
  }
  for (const item of patch) {
    if (!isFields(item)) throw badRequest('delete/merge directives need map items in a list with a merge key');
    const id = item[key];
    if (id === undefined) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const at = result.findIndex((one) => isFields(one) && sameJson(one[key], id));
    if (item[DIRECTIVE] === 'delete') {
      result = result.filter((one) => !(isFields(one) && sameJson(one[key], id)));
    } else if (at < 0) {
      result.push(mergeObject({}, item, items, undefined));
    } else {
      result[at] = mergeObject(result[at] as Fields, item, items, schema.merge?.retainKeys === true ? schema.merge : undefined);
    }
  }
  return ordered(result, original, order ?? patch, key);
}

/**
 * Items named by the order list (the patch itself, where it has none) come in that order; the others, which only the
 * server knows, keep their place relative to their neighbours in the original.
 */
function ordered(items: readonly unknown[], original: readonly unknown[], order: readonly unknown[], key: string): unknown[] {
  const idOf = (item: unknown): unknown => (key !== '' && isFields(item) ? item[key] : item);
  const rank = (item: unknown): number => order.findIndex((one) => sameJson(idOf(one), idOf(item)));
  const place = (item: unknown): number => original.findIndex((one) => sameJson(idOf(one), idOf(item)));
  const named = items.filter((item) => rank(item) >= 0).toSorted((a, b) => rank(a) - rank(b));
  const serverOnly = items.filter((item) => rank(item) < 0).toSorted((a, b) => place(a) - place(b));
  const result: unknown[] = [];
  while (named.length > 0 || serverOnly.length > 0) {
    const [next, other] = [named[0], serverOnly[0]];
    const otherFirst = named.length === 0 || (serverOnly.length > 0 && place(other) >= 0 && place(next) >= 0 && place(other) < place(next));
    result.push(otherFirst ? serverOnly.shift() : named.shift());
  }
  return result;
}

function orderOf(patch: Fields, name: string): readonly unknown[] | undefined {
  const order = patch[`${ORDER}${name}`];
  return Array.isArray(order) ? order : undefined;
}

function fieldSchema(schema: Schema, name: string): Schema {
  if (schema.type === 'map') return schema.items ?? ANY;
  return schema.fields?.get(name) ?? ANY;
}

/** New content must not store `$patch` and its like, nor nulls. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isFields(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, child]) => !name.startsWith('$') && child !== null)
      .map(([name, child]) => [name, withoutDirectives(child)]),
  );
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
