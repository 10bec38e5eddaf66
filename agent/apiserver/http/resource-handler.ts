import type { Fields, KubeObject } from '../kube-object.js';
import { apiVersionOf, isFields, textAt } from '../kube-object.js';
import { APPLY_PATCH, applyPatch } from '../patch/patch.js';
import { applyObject } from '../patch/server-side-apply.js';
import { badRequest, fieldError, invalid, methodNotAllowed, noSuchPath, success } from '../status.js';
import { partialMetadata, tableOf, type IncludeObject } from '../table/render.js';
import type { ApiContext, WriteOptions } from '../verbs/context.js';
import { createObject, existing } from '../verbs/create.js';
import { deleteObject, type DeleteOptions } from '../verbs/delete.js';
import { listEnvelope, listObjects, type ListOptions } from '../verbs/list.js';
import { selectorOf } from '../verbs/selectors.js';
import { updateObject } from '../verbs/update.js';
import { checkDeleteOptions, checkListOptions, checkWatchOptions } from './list-options.js';
import { objectBody, readBody, type Body } from './body.js';
import { flagParameter, sendJson, type Exchange } from './exchange.js';
import { decodeAs, decodeObject } from './input.js';
import { wantedForm } from './media-type.js';
import type { ResourcePath } from './resource-path.js';
import { streamWatch } from './watch-stream.js';

/** A watch without `timeoutSeconds` ends after half an hour to an hour, as a real server's does. */
const DEFAULT_WATCH_MS = 1_800_000;
/** What a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** The verbs on objects and collections, and the `status` subresource. */
export async function handleResource(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  if (path.subresource !== '' && !(path.subresource === 'status' && path.kind.hasStatus)) throw noSuchPath();
  if (path.kind.strategy.warning !== undefined) exchange.warnings.push(path.kind.strategy.warning);
  if (path.name === '') return handleCollection(exchange, context, path);
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return sendObject(exchange, context, path, existing(context, path.kind, path.namespace, path.name));
    case 'PUT':
      return put(exchange, context, path);
    case 'PATCH':
      return patch(exchange, context, path);
    case 'DELETE':
      return remove(exchange, context, path);
    default:
      throw methodNotAllowed();
  }
}

async function handleCollection(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return flagParameter(exchange.query, 'watch') ? watch(exchange, context, path) : list(exchange, context, path);
    case 'POST':
      return post(exchange, context, path);
    case 'DELETE':
      return removeCollection(exchange, context, path);
    default:
      throw methodNotAllowed();
  }
}

function list(exchange: Exchange, context: ApiContext, path: ResourcePath): void {
  const { form } = wantedForm(exchange.accept);
  const result = listObjects(context, path.kind, path.namespace, listOptions(exchange, path));
  if (form === 'Table') sendJson(exchange, 200, tableOf(path.kind, result.items, context.now(), includeOf(exchange), result.metadata));
  else if (form === 'PartialObjectMetadata') sendJson(exchange, 200, { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata: result.metadata, items: result.items.map(partialMetadata) });
  else sendJson(exchange, 200, listEnvelope(path.kind, result));
}

function listOptions({ query }: Exchange, path: ResourcePath): ListOptions {
  checkListOptions(query);
  return {
    selects: selectorOf(path.kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? ''),
    limit: Math.max(0, Number(query.get('limit') ?? 0)),
    continueToken: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
  };
}

async function watch(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const { query } = exchange;
  const { form } = wantedForm(exchange.accept);
  const bookmarks = flagParameter(query, 'allowWatchBookmarks');
  checkWatchOptions(query);
  const initial = query.has('sendInitialEvents') ? { sendInitialEvents: flagParameter(query, 'sendInitialEvents') } : {};
  const selects = selectorOf(path.kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? '');
  const options = { selects, resourceVersion: query.get('resourceVersion') ?? '', bookmarks, ...initial };
  const seconds = Number(query.get('timeoutSeconds') ?? 0);
  const timeoutMs = seconds > 0 ? Math.min(seconds * 1000, LONGEST_MS) : DEFAULT_WATCH_MS * (1 + Math.random());
  let first = true;
  const asTable = (object: KubeObject): Fields => {
    const table = tableOf(path.kind, [object], context.now(), includeOf(exchange), { resourceVersion: object.metadata.resourceVersion }, first);
    first = false;
    return table;
  };
  const render = form === 'Table' ? asTable : form === 'PartialObjectMetadata' ? partialMetadata : undefined;
  await streamWatch(exchange, context, path.kind, path.namespace, options, timeoutMs, render, 'application/json');
}

async function post(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const object = decodeObject(exchange, path.kind, await readBody(exchange.request));
  if (path.kind.namespaced && path.namespace === '') throw methodNotAllowed();
  sendWritten(exchange, context, path, createObject(context, path.kind, path.namespace, object, writeOptions(exchange, path)), 201);
}

function sendWritten(exchange: Exchange, context: ApiContext, path: ResourcePath, object: KubeObject, code = 200): void {
  exchange.warnings.push(...(path.kind.strategy.warnings?.(object) ?? []));
  sendObject(exchange, context, path, object, code);
}

async function put(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const object = decodeObject(exchange, path.kind, await readBody(exchange.request));
  const { name = '' } = object.metadata;
  if (name === '') throw badRequest(`the name of the object (${path.name} based on URL) was undeterminable: name must be provided`);
  if (name !== path.name) throw badRequest(`the name of the object (${name}) does not match the name on the URL (${path.name})`);
  sendWritten(exchange, context, path, updateObject(context, path.kind, path.namespace, path.name, () => ({ object }), writeOptions(exchange, path)));
}

async function patch(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const body = await readBody(exchange.request);
  if (body.contentType === APPLY_PATCH) return apply(exchange, context, path, body);
  if (flagParameter(exchange.query, 'force')) throw invalid('meta.k8s.io', 'PatchOptions', '', [fieldError.forbidden('force', 'may not be specified for non-apply patch')]);
  const options = writeOptions(exchange, path);
  const propose = (current: KubeObject): { object: KubeObject } => ({ object: decodeAs(exchange, path.kind, applyPatch(path.kind, current, body.contentType, body.value)) });
  sendWritten(exchange, context, path, updateObject(context, path.kind, path.namespace, path.name, propose, options));
}

function apply(exchange: Exchange, context: ApiContext, path: ResourcePath, body: Body): void {
  checkAppliedKind(path, body);
  const config = decodeObject(exchange, path.kind, body);
  const manager = exchange.query.get('fieldManager') ?? '';
  if (manager === '') throw invalid('meta.k8s.io', 'PatchOptions', '', [{ type: 'Required', field: 'fieldManager', message: 'Required value: is required for apply patch' }]);
  const force = flagParameter(exchange.query, 'force');
  const { object, created } = applyObject(context, path.kind, path.namespace, path.name, config, { ...writeOptions(exchange, path), fieldManager: manager, force });
  sendObject(exchange, context, path, object, created ? 201 : 200);
}

/** An applied configuration has to say what it is, where other bodies may leave it out. */
function checkAppliedKind({ kind, name: pathName }: ResourcePath, body: Body): void {
  const given = objectBody(body);
  const [apiVersion, name] = [textAt(given, 'apiVersion'), textAt(given, 'kind')];
  if (apiVersion !== apiVersionOf(kind.group, kind.version) || name !== kind.kind) throw badRequest(`invalid object type: ${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${name}`);
  const called = textAt(given, 'metadata', 'name');
  if (called !== '' && called !== pathName) throw badRequest(`the name of the object (${called}) does not match the name on the URL (${pathName})`);
}

async function remove(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const options = await deleteOptions(exchange);
  if (path.kind.strategy.orphansByDefault === true && options.propagationPolicy === undefined) exchange.warnings.push(ORPHANS);
  const { object, gone } = deleteObject(context, path.kind, path.namespace, path.name, options);
  const { metadata } = object;
  if (gone && path.kind.strategy.graceSeconds === undefined && path.kind.strategy.returnsDeleted !== true) {
    const group = path.kind.group === '' ? {} : { group: path.kind.group };
    sendJson(exchange, 200, success({ name: metadata.name ?? '', ...group, kind: path.kind.resource, uid: metadata.uid ?? '' }));
  } else {
    sendObject(exchange, context, path, object);
  }
}

const ORPHANS = 'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';

async function removeCollection(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  if (path.kind.strategy.goesAlone === true) throw methodNotAllowed();
  const options = await deleteOptions(exchange);
  const result = listObjects(context, path.kind, path.namespace, { ...listOptions(exchange, path), continueToken: '' });
  for (const object of result.items) deleteObject(context, path.kind, object.metadata.namespace ?? '', object.metadata.name ?? '', options);
  sendJson(exchange, 200, listEnvelope(path.kind, result));
}

async function deleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  const { value } = await readBody(exchange.request);
  const { query } = exchange;
  const given: Fields = isFields(value) ? value : {};
  checkDeleteOptions(given, query);
  const grace = given['gracePeriodSeconds'] ?? (query.has('gracePeriodSeconds') ? Number(query.get('gracePeriodSeconds')) : undefined);
  const policy = given['propagationPolicy'] ?? query.get('propagationPolicy') ?? (given['orphanDependents'] === true ? 'Orphan' : undefined);
  return {
    ...(typeof grace === 'number' ? { gracePeriodSeconds: grace < 0 ? 1 : grace } : {}),
    ...(typeof policy === 'string' ? { propagationPolicy: policy } : {}),
    ...(isFields(given['preconditions']) ? { preconditions: given['preconditions'] } : {}),
    dryRun: isDryRun(exchange, given),
  };
}

export function writeOptions(exchange: Exchange, path: Pick<ResourcePath, 'subresource'>): WriteOptions {
  const agent = exchange.request.headers['user-agent']?.split('/')[0];
  const fieldManager = exchange.query.get('fieldManager') ?? agent;
  return {
    dryRun: isDryRun(exchange),
    ...(fieldManager === undefined ? {} : { fieldManager }),
    ...(path.subresource === 'status' ? { subresource: 'status' as const } : {}),
  };
}

function isDryRun({ query }: Exchange, options: Fields = {}): boolean {
  const given = [...query.getAll('dryRun'), ...(Array.isArray(options['dryRun']) ? (options['dryRun'] as unknown[]) : [])].filter((one) => one !== '');
  if (given.some((one) => one !== 'All')) {
    throw invalid('meta.k8s.io', 'CreateOptions', '', [{ type: 'NotSupported', field: 'dryRun', message: `Unsupported value: []string{${given.map((one) => JSON.stringify(one)).join(', ')}}: supported values: "All"` }]);
  }
  return given.length > 0;
}

function sendObject(exchange: Exchange, context: ApiContext, path: ResourcePath, object: KubeObject, code = 200): void {
  const { form } = wantedForm(exchange.accept);
  if (form === 'Table') sendJson(exchange, code, tableOf(path.kind, [object], context.now(), includeOf(exchange), { resourceVersion: object.metadata.resourceVersion }));
  else if (form === 'PartialObjectMetadata') sendJson(exchange, code, partialMetadata(object));
  else sendJson(exchange, code, object);
}

function includeOf({ query }: Exchange): IncludeObject {
  const include = query.get('includeObject');
  return include === 'Object' || include === 'None' ? include : 'Metadata';
}
