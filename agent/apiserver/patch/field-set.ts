import { isFields, type Fields } from '../kube-object.js';
import { ANY, type Schema } from '../schema/schema.js';

/**
 * Sets of fields as managedFields has them (sigs.k8s.io/structured-merge-diff):
 * a path is a list of steps `f:name`, `k:{"name":"x"}` or `v:"value"`, here
 * joined by a separator that no name holds.
 */
export type FieldPath = string;

const SEPARATOR = '\u0001';
const SELF = '.';

/** Fields of metadata that nobody owns. */
const UNOWNED = new Set(['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields', 'selfLink'].map((name) => pathOf('f:metadata', `f:${name}`)));

function pathOf(...steps: string[]): FieldPath {
  return steps.join(SEPARATOR);
}

export function stepsOf(path: FieldPath): string[] {
  return path.split(SEPARATOR);
}

/**
 * What Go's types always hold, whatever was written (it is no pointer, and
 * not left out when empty), so nobody can own its presence where what holds it is there too.
 */
const ALWAYS_THERE = new Set(['containers', 'podSelector', 'metadata', 'spec', 'status', 'template', 'strategy', 'updateStrategy', 'jobTemplate', 'resources', 'loadBalancer', 'names', 'acceptedNames', 'daemonEndpoints', 'kubeletEndpoint', 'nodeInfo', 'source', 'port']);

/** Every leaf of an object with its value; items of keyed lists are members themselves. Identity fields are left out. */
export function leavesOf(object: Fields, schema: Schema): Map<FieldPath, unknown> {
  return walkObject(object, schema, new Leaves(false));
}

/** The same with a member `.` for each map, list and optional struct: what a plain write owns (an apply owns leaves). */
export function leavesAndHolders(object: Fields, schema: Schema): Map<FieldPath, unknown> {
  return walkObject(object, schema, new Leaves(true));
}

class Leaves extends Map<FieldPath, unknown> {
  constructor(readonly withHolders: boolean) {
    super();
  }

  addHolder(path: FieldPath): void {
    if (this.withHolders) this.set(pathOf(path, SELF), true);
  }
}

function walkObject(object: Fields, schema: Schema, leaves: Leaves): Map<FieldPath, unknown> {
  for (const [name, value] of Object.entries(object)) {
    if (name !== 'apiVersion' && name !== 'kind') walk(value, fieldSchema(schema, name), `f:${name}`, leaves, name === 'metadata' || holds(schema, name, value));
  }
  for (const path of leaves.keys()) if (UNOWNED.has(stepsOf(path).slice(0, 2).join(SEPARATOR))) leaves.delete(path);
  leaves.delete('f:metadata');
  return leaves;
}

/** Whether every object of the parent's type has this field, and with this value if it is a scalar. */
const holds = (parent: Schema, name: string, value: unknown): boolean => parent.model !== undefined && (value === '' || ALWAYS_THERE.has(name));

function walk(value: unknown, schema: Schema, path: FieldPath, leaves: Leaves, alwaysThere: boolean): void {
  const { merge } = schema;
  if (isFields(value) && merge?.atomic !== true && Object.keys(value).length > 0) {
    if (!alwaysThere) leaves.addHolder(path);
    for (const [name, child] of Object.entries(value)) walk(child, fieldSchema(schema, name), pathOf(path, `f:${name}`), leaves, alwaysThere && holds(schema, name, child));
  } else if (Array.isArray(value) && merge?.atomic !== true && merge?.listKeys !== undefined) {
    if (!alwaysThere) leaves.addHolder(path);
    for (const item of value as unknown[]) walkItem(item, schema, pathOf(path, itemStep(item, schema)), leaves);
  } else if (Array.isArray(value) && merge?.set === true) {
    leaves.addHolder(path);
    for (const item of value as unknown[]) leaves.set(pathOf(path, `v:${JSON.stringify(item)}`), item);
  } else if (value !== null && !(alwaysThere && leaves.withHolders && isZero(value))) { // null: a template's creationTimestamp
    leaves.set(path, value);
  }
}

const isZero = (value: unknown): boolean => value === '' || (isFields(value) && Object.keys(value).length === 0);

function walkItem(item: unknown, schema: Schema, path: FieldPath, leaves: Leaves): void {
  leaves.set(pathOf(path, SELF), true);
  if (isFields(item) && schema.items?.merge?.atomic !== true) {
    for (const [name, child] of Object.entries(item)) walk(child, fieldSchema(schema.items ?? ANY, name), pathOf(path, `f:${name}`), leaves, false);
  }
}

/** `k:{"port":80,"protocol":"TCP"}` of an item of a keyed list. */
function itemStep(item: unknown, { merge }: Schema): string {
  const key: Fields = {};
  for (const name of (merge?.listKeys ?? []).toSorted()) key[name] = (isFields(item) ? item[name] : undefined) ?? merge?.keyDefaults?.[name] ?? null;
  return `k:${JSON.stringify(key)}`;
}

export function fieldSchema(schema: Schema, name: string): Schema {
  if (schema.type === 'map') return schema.items ?? ANY;
  return schema.fields?.get(name) ?? ANY;
}

/** The nested form that is stored: `{"f:spec":{"f:replicas":{}}}`. */
export function toFieldsV1(paths: Iterable<FieldPath>): Fields {
  const root: Fields = {};
  for (const path of [...paths].sort()) {
    let node = root;
    for (const step of stepsOf(path)) node = (node[step] ??= {}) as Fields;
  }
  return root;
}

export function fromFieldsV1(tree: unknown, prefix: readonly string[] = []): Set<FieldPath> {
  const paths = new Set<FieldPath>();
  if (!isFields(tree)) return paths;
  for (const [step, child] of Object.entries(tree)) {
    const steps = [...prefix, step];
    if (!isFields(child) || Object.keys(child).length === 0) paths.add(steps.join(SEPARATOR));
    else for (const path of fromFieldsV1(child, steps)) paths.add(path);
  }
  return paths;
}

/** A path as conflicts show it: `.spec.containers[name="web"].image`. */
export function shownPath(path: FieldPath): string {
  return stepsOf(path)
    .filter((step) => step !== SELF)
    .map((step) => {
      const body = step.slice(2);
      if (step.startsWith('f:')) return `.${body}`;
      if (step.startsWith('v:')) return `[=${body}]`;
      return `[${Object.entries(JSON.parse(body) as Fields)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    })
    .join('');
}

/** Merges an applied configuration into the live object: what it does not mention stays. */
export function mergeApplied(live: unknown, config: unknown, schema: Schema): unknown {
  const { merge } = schema;
  if (live === undefined || merge?.atomic === true) return config;
  if (isFields(config) && isFields(live)) {
    const result: Fields = { ...live };
    for (const [name, value] of Object.entries(config)) result[name] = mergeApplied(live[name], value, fieldSchema(schema, name));
    return result;
  }
  if (!Array.isArray(config) || !Array.isArray(live)) return config;
  if (merge?.set === true) return interleaved(live, config, (item) => JSON.stringify(item), (item) => item);
  if (merge?.listKeys === undefined) return config;
  return mergeKeyed(live, config, schema);
}

function mergeKeyed(live: readonly unknown[], config: readonly unknown[], schema: Schema): unknown[] {
  const keyOf = (item: unknown): string => itemStep(item, schema);
  const byKey = new Map(live.map((item) => [keyOf(item), item]));
  return interleaved(live, config, keyOf, (item) => mergeApplied(byKey.get(keyOf(item)), item, { ...(schema.items ?? ANY) }));
}

/** The configured items in their order; what only the live list has stays before what followed it there. */
function interleaved(live: readonly unknown[], config: readonly unknown[], keyOf: (item: unknown) => string, merge: (item: unknown) => unknown): unknown[] {
  const configured = new Set(config.map(keyOf));
  const result: unknown[] = [];
  let next = 0;
  const passLiveOnly = (): void => {
    for (let item = live[next]; next < live.length && !configured.has(keyOf(item)); item = live[next]) {
      result.push(item);
      next++;
    }
  };
  for (const item of config) {
    passLiveOnly();
    result.push(merge(item));
    if (next < live.length && keyOf(live[next]) === keyOf(item)) next++;
  }
  return [...result, ...live.slice(next).filter((item) => !configured.has(keyOf(item)))];
}

/** Takes a path out of an object (changed in place); what is not there is not missed. */
export function removePath(value: unknown, schema: Schema, steps: readonly string[]): void {
  const [step, ...rest] = steps;
  if (step === undefined) return;
  if (isFields(value) && step.startsWith('f:')) {
    const name = step.slice(2);
    const child = value[name];
    if (rest.length === 0) delete value[name];
    else if (Array.isArray(child)) value[name] = removeFromList(child, fieldSchema(schema, name), rest);
    else removePath(child, fieldSchema(schema, name), rest);
  }
}

function removeFromList(list: readonly unknown[], schema: Schema, [step = '', ...rest]: readonly string[]): unknown[] {
  const is = (item: unknown): boolean => (step.startsWith('v:') ? `v:${JSON.stringify(item)}` === step : itemStep(item, schema) === step);
  if (rest.length === 0 || rest[0] === SELF) return list.filter((item) => !is(item));
  for (const item of list) if (is(item)) removePath(item, schema.items ?? ANY, rest);
  return [...list];
}

/** True if the path is the membership of a list item, of which some field is in `paths`. */
export function isItemOwnedBy(path: FieldPath, paths: ReadonlySet<FieldPath>): boolean {
  if (!path.endsWith(`${SEPARATOR}${SELF}`)) return false;
  const prefix = path.slice(0, -1);
  return [...paths].some((other) => other.startsWith(prefix));
}
