import type { Fields, KubeObject } from '../kube-object.js';
import { APPLY_PATCH, checkPatchType } from '../patch/patch.js';
import { applyObject } from '../patch/server-side-apply.js';
import type { Kind } from '../registry/kind.js';
import { ApiError, badRequest, methodNotAllowed, noSuchPath, success, unclassified } from '../status.js';
import { partialMetadata, tableOf, type IncludeObject } from '../table/render.js';
import type { ApiContext, WriteOptions } from '../verbs/context.js';
import { createObject, existing, replaceNothing } from '../verbs/create.js';
import { deleteObject } from '../verbs/delete.js';
import { checkReached, listEnvelope, listObjects, noRevision, revisionOf, type ListOptions } from '../verbs/list.js';
import { selectorOf } from '../verbs/selectors.js';
import { updateObject, type Proposal } from '../verbs/update.js';
import { contentTypeOf, readBody, type Body } from './body.js';
import { deleteOptions } from './delete-options.js';
import { flagParameter, sendJson, type Exchange } from './exchange.js';
import { decodeObject } from './input.js';
import { checkListOptions, checkWatchOptions } from './list-options.js';
import { wantedForm } from './media-type.js';
import { decodeApplied, patched, readPatch } from './patch-input.js';
import type { ResourcePath } from './resource-path.js';
import { streamWatch } from './watch-stream.js';
import { checkWriteOptions, isDryRun } from './write-options.js';

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
      return read(exchange, context, path);
    case 'PUT':
      return put(exchange, context, path);
    case 'PATCH':
      return patch(exchange, context, path);
    case 'DELETE':
      if (path.subresource !== '') throw methodNotAllowed();
      return remove(exchange, context, path);
    default:
      throw methodNotAllowed();
  }
}

async function handleCollection(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  switch (exchange.method) {
    case 'GET':
      return flagParameter(exchange.query, 'watch') ? watch(exchange, context, path) : list(exchange, context, path);
    case 'POST':
      return post(exchange, context, path);
    case 'DELETE':
      return removeCollection(exchange, context, path);
    default:
      throw methodNotAllowed();
  }
}

/** A version that is asked for has to be reached; the object is shown as it is now. */
function read(exchange: Exchange, context: ApiContext, path: ResourcePath): void {
  const version = exchange.query.get('resourceVersion') ?? '';
  const revision = version === '' ? 0 : revisionOf(version);
  if (revision === undefined) throw unclassified(noRevision(version));
  checkReached(context, revision);
  sendObject(exchange, context, path, existing(context, path.kind, path.namespace, path.name));
}

function list(exchange: Exchange, context: ApiContext, path: ResourcePath): void {
  const form = wantedForm(exchange.accept);
  if (form === 'PartialObjectMetadata') throw notAList(form, `the requested object is a list (${goTypeOf(path.kind, 'List')})`);
  const result = listObjects(context, path.kind, path.namespace, listOptions(exchange, path));
  if (form === 'Table') sendJson(exchange, 200, tableOf(path.kind, result.items, context.now(), includeOf(exchange), result.metadata));
  else if (form === 'PartialObjectMetadataList') sendJson(exchange, 200, { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata: result.metadata, items: result.items.map(partialMetadata) });
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
  const form = wantedForm(exchange.accept);
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
  const render = form === 'Table' ? asTable : form === 'Object' ? undefined : partialMetadata;
  await streamWatch(exchange, context, path.kind, path.namespace, options, timeoutMs, render, 'application/json');
}

async function post(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  if (path.kind.namespaced && path.namespace === '') throw methodNotAllowed();
  wantedForm(exchange.accept);
  checkWriteOptions('CreateOptions', exchange.query);
  const object = decodeObject(exchange, context.registry, path.kind, await readBody(exchange.request));
  sendWritten(exchange, context, path, createObject(context, path.kind, path.namespace, object, writeOptions(exchange, path)), 201);
}

function sendWritten(exchange: Exchange, context: ApiContext, path: ResourcePath, object: KubeObject, code = 200): void {
  exchange.warnings.push(...(path.kind.strategy.warnings?.(object) ?? []));
  sendObject(exchange, context, path, object, code);
}

async function put(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  wantedForm(exchange.accept);
  checkWriteOptions('UpdateOptions', exchange.query);
  const object = decodeObject(exchange, context.registry, path.kind, await readBody(exchange.request));
  const { name = '' } = object.metadata;
  if (name === '') throw badRequest(`the name of the object (${path.name} based on URL) was undeterminable: name must be provided`);
  if (name !== path.name) throw badRequest(`the name of the object (${name}) does not match the name on the URL (${path.name})`);
  const made = path.subresource === '' ? replaceNothing(context, path.kind, path.namespace, object, writeOptions(exchange, path)) : undefined;
  if (made !== undefined) return sendWritten(exchange, context, path, made, 201);
  sendWritten(exchange, context, path, updateObject(context, path.kind, path.namespace, path.name, () => ({ object }), writeOptions(exchange, path)));
}

async function patch(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const type = contentTypeOf(exchange.request);
  checkPatchType(path.kind, type);
  wantedForm(exchange.accept);
  checkWriteOptions('PatchOptions', exchange.query, type === APPLY_PATCH);
  const body = await readPatch(exchange.request, type);
  if (type === APPLY_PATCH) return apply(exchange, context, path, body);
  const options = writeOptions(exchange, path);
  const propose = (current: KubeObject): Proposal => ({ object: patched(exchange, path.kind, current, body), patched: true });
  sendWritten(exchange, context, path, updateObject(context, path.kind, path.namespace, path.name, propose, options));
}

function apply(exchange: Exchange, context: ApiContext, path: ResourcePath, body: Body): void {
  exchange.warnings.push(...(body.complaints ?? []));
  const config = decodeApplied(path, body);
  const manager = exchange.query.get('fieldManager') ?? '';
  const force = flagParameter(exchange.query, 'force');
  const { object, created } = applyObject(context, path.kind, path.namespace, path.name, config, { ...writeOptions(exchange, path), fieldManager: manager, force });
  sendObject(exchange, context, path, object, created ? 201 : 200);
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
  if (path.kind.strategy.goesAlone === true || (path.kind.namespaced && path.namespace === '')) throw methodNotAllowed();
  const options = await deleteOptions(exchange);
  const result = listObjects(context, path.kind, path.namespace, { ...listOptions(exchange, path), continueToken: '' });
  for (const object of result.items) deleteObject(context, path.kind, object.metadata.namespace ?? '', object.metadata.name ?? '', options);
  sendJson(exchange, 200, listEnvelope(path.kind, result));
}

export function writeOptions(exchange: Exchange, path: Pick<ResourcePath, 'subresource'>): WriteOptions {
  const agent = exchange.request.headers['user-agent']?.split('/')[0];
  const fieldManager = exchange.query.get('fieldManager') ?? agent;
  return {
    dryRun: isDryRun(exchange.query),
    ...(fieldManager === undefined ? {} : { fieldManager }),
    ...(path.subresource === 'status' ? { subresource: 'status' as const } : {}),
  };
}

function sendObject(exchange: Exchange, context: ApiContext, path: ResourcePath, object: KubeObject, code = 200): void {
  const form = wantedForm(exchange.accept);
  if (form === 'PartialObjectMetadataList') throw notAList(form, `the requested object is not a list (${goTypeOf(path.kind)})`);
  if (form === 'Table') sendJson(exchange, code, tableOf(path.kind, [object], context.now(), includeOf(exchange), { resourceVersion: object.metadata.resourceVersion }));
  else if (form === 'PartialObjectMetadata') sendJson(exchange, code, partialMetadata(object));
  else sendJson(exchange, code, object);
}

const notAList = (form: string, why: string): ApiError => new ApiError(406, 'NotAcceptable', `you requested ${form}, but ${why}`);

/** How a real server's messages call the type of an object. */
const goTypeOf = (kind: Kind, suffix = ''): string => (kind.custom ? `*unstructured.Unstructured${suffix}` : `*${kind.group.split('.')[0] || 'core'}.${kind.kind}${suffix}`);

function includeOf({ query }: Exchange): IncludeObject {
  const include = query.get('includeObject') ?? '';
  if (include === 'Object' || include === 'None' || include === 'Metadata') return include;
  if (include === '') return 'Metadata';
  throw badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`);
}
