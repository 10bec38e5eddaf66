import { at, draftOf, fieldsAt, isFields, listAt, textAt, type Fields, type KubeObject } from '../kube-object.js';
import { finalizeNamespace } from '../collect/collector.js';
import type { Kind } from '../registry/kind.js';
import { applyPatch, APPLY_PATCH } from '../patch/patch.js';
import type { PodRuntime } from '../pod-runtime.js';
import { ApiError, badRequest, conflict, fieldError, invalid, methodNotAllowed, noSuchPath, notFound, notImplemented, unclassified } from '../status.js';
import { servePodLogs } from '../streams/pod-logs.js';
import type { ApiContext } from '../verbs/context.js';
import { existing } from '../verbs/create.js';
import { deleteObject } from '../verbs/delete.js';
import { updateObject, type Proposal } from '../verbs/update.js';
import { objectBody, readBody } from './body.js';
import { checkedDeleteOptions } from './delete-options.js';
import { sendJson, type Exchange } from './exchange.js';
import { writeOptions } from './resource-handler.js';
import type { ResourcePath } from './resource-path.js';

type Handler = (exchange: Exchange, context: ApiContext, path: ResourcePath, runtime: PodRuntime | undefined) => Promise<void>;

/** Subresources other than status, by kind. */
const HANDLERS: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  Pod: { log: servePodLogs, binding: bind, eviction: evict, exec: upgradeOnly, attach: upgradeOnly, portforward: upgradeOnly },
  Namespace: { finalize },
  ServiceAccount: { token: refuseToken },
};

/** @returns undefined where the path is not such a subresource */
export function subresourceHandler(path: ResourcePath): Handler | undefined {
  if (path.name === '' || path.subresource === '' || path.subresource === 'status' || path.rest.length > 0) return undefined;
  if (path.subresource === 'scale' && path.kind.scale !== undefined) return scale;
  return path.kind.custom ? undefined : HANDLERS[path.kind.kind]?.[path.subresource];
}

async function upgradeOnly(_exchange: Exchange, context: ApiContext, path: ResourcePath, runtime: PodRuntime | undefined): Promise<void> {
  existing(context, path.kind, path.namespace, path.name);
  if (runtime === undefined) throw notImplemented(`${path.subresource} needs a pod runtime, and this server runs no pods`);
  throw badRequest('Upgrade request required');
}

const internal = (message: string): ApiError => new ApiError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });

/** autoscaling/v1 Scale of an object. */
function scaleOf(kind: Kind, object: KubeObject): KubeObject {
  const paths = kind.scale;
  if (paths === undefined) throw noSuchPath();
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const metadata = { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }), ...(creationTimestamp === undefined ? {} : { creationTimestamp }) };
  const selector = at(object, ...paths.selector);
  const replicas = Number(at(object, ...paths.replicas) ?? 0);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: Number(at(object, ...paths.statusReplicas) ?? 0), ...(paths.selector.length === 0 ? {} : { selector: typeof selector === 'string' ? selector : selectorText(fieldsAt(object, ...paths.selector)) }) },
  };
}

function selectorText(selector: Fields): string {
  const labels = Object.entries(fieldsAt(selector, 'matchLabels')).map(([key, value]) => `${key}=${String(value)}`);
  const expressions = listAt(selector, 'matchExpressions').map((one) => {
    const [key, operator, values] = [textAt(one, 'key'), textAt(one, 'operator'), listAt(one, 'values').join(',')];
    return operator === 'In' ? `${key} in (${values})` : operator === 'NotIn' ? `${key} notin (${values})` : operator === 'Exists' ? key : `!${key}`;
  });
  return [...labels, ...expressions].join(',');
}

async function scale(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  const { kind, namespace, name } = path;
  if (exchange.method === 'GET') {
    const object = existing(context, kind, namespace, name);
    if (kind.custom && at(object, ...(kind.scale?.replicas ?? [])) === undefined) throw internal(`the spec replicas field ".${kind.scale?.replicas.join('.') ?? ''}" does not exist`);
    return sendJson(exchange, 200, scaleOf(kind, object));
  }
  if (exchange.method !== 'PUT' && exchange.method !== 'PATCH') throw methodNotAllowed();
  const body = await readBody(exchange.request);
  const propose = (current: KubeObject): { object: KubeObject } => {
    const now = scaleOf(kind, current);
    const plain = body.contentType === APPLY_PATCH ? 'application/merge-patch+json' : body.contentType;
    const wanted = exchange.method === 'PUT' ? objectBody(body) : applyPatch({ ...kind, schema: { type: 'any' } }, now, plain, body.value);
    const version = textAt(wanted, 'metadata', 'resourceVersion');
    if (version !== '' && version !== current.metadata.resourceVersion) throw conflict(kind, name, 'the object has been modified; please apply your changes to the latest version and try again');
    const replicas = Number(at(wanted, 'spec', 'replicas') ?? 0);
    if (replicas < 0) throw invalid('autoscaling', 'Scale', name, [fieldError.invalid('spec.replicas', replicas, 'must be greater than or equal to 0')]);
    const draft = draftOf(current);
    set(draft, kind.scale?.replicas ?? [], replicas);
    return { object: draft };
  };
  const updated = updateObject(context, kind, namespace, name, propose, { ...writeOptions(exchange, { subresource: '' }), subresource: 'scale' });
  sendJson(exchange, 200, scaleOf(kind, updated));
}

function set(target: Fields, path: readonly string[], value: unknown): void {
  const [step, ...rest] = path;
  if (step === undefined) return;
  if (rest.length === 0) target[step] = value;
  else set((isFields(target[step]) ? target[step] : (target[step] = {})), rest, value);
}

/** The scheduler's write: a pod gets its node, once. */
async function bind(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  if (exchange.method !== 'POST') throw methodNotAllowed();
  const body = objectBody(await readBody(exchange.request));
  checkNameInUrl(path, body, 'Binding');
  const [target, node] = [textAt(body, 'target', 'kind'), textAt(body, 'target', 'name')];
  if (target !== '' && target !== 'Node') throw unclassified(`target.kind: Unsupported value: ${JSON.stringify(target)}: supported values: "Node", "<empty>"`);
  if (node === '') throw unclassified('target.name: Required value');
  bindPod(context, path.kind, path.namespace, path.name, node);
  sendJson(exchange, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}

/** @throws ApiError 404, 409 when it has a node already */
export function bindPod(context: ApiContext, kind: Kind, namespace: string, name: string, node: string): KubeObject {
  const since = new Date(context.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const propose = (current: KubeObject): Proposal => {
    if (textAt(current, 'spec', 'nodeName') !== '') throw conflict({ group: '', resource: 'pods/binding' }, name, `pod ${name} is already assigned to node "${textAt(current, 'spec', 'nodeName')}"`);
    const draft = draftOf(current);
    draft['spec'] = { ...fieldsAt(current, 'spec'), nodeName: node };
    return { object: draft, bound: true };
  };
  updateObject(context, kind, namespace, name, propose, { fieldManager: 'kube-scheduler' });
  const scheduled = (current: KubeObject): { object: KubeObject } => {
    const draft = draftOf(current);
    const others = listAt(current, 'status', 'conditions').filter((one) => textAt(one, 'type') !== 'PodScheduled');
    draft['status'] = { ...fieldsAt(current, 'status'), conditions: [...others, { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: since }] };
    return { object: draft };
  };
  return updateObject(context, kind, namespace, name, scheduled, { fieldManager: 'kube-scheduler', subresource: 'status' });
}

function checkNameInUrl({ name }: ResourcePath, body: Fields, kind: string): void {
  if (textAt(body, 'metadata', 'name') !== name) throw badRequest(`name in URL does not match name in ${kind} object`);
}

/** An eviction is a deletion: disruption budgets are stored, not enforced. */
async function evict(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  if (exchange.method !== 'POST') throw methodNotAllowed();
  const body = objectBody(await readBody(exchange.request));
  checkNameInUrl(path, body, 'Eviction');
  deleteObject(context, path.kind, path.namespace, path.name, checkedDeleteOptions(fieldsAt(body, 'deleteOptions'), exchange.query));
  sendJson(exchange, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}

async function finalize(exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  if (exchange.method !== 'PUT') throw methodNotAllowed();
  const finalizers = listAt(objectBody(await readBody(exchange.request)), 'spec', 'finalizers');
  const object = finalizeNamespace(context, path.kind, path.name, finalizers);
  if (object === undefined) throw notFound(path.kind, path.name);
  sendJson(exchange, 200, object);
}

/** There is nobody here who could sign or check a token, and a false one would only fail later. */
async function refuseToken(_exchange: Exchange, context: ApiContext, path: ResourcePath): Promise<void> {
  existing(context, path.kind, path.namespace, path.name);
  throw new ApiError(501, 'NotImplemented', 'this server has no authentication and issues no service account tokens');
}

/** Reviews of `kubectl auth can-i` and `whoami`: everybody may do everything. */
export async function serveReview(exchange: Exchange): Promise<boolean> {
  const review = /^\/apis\/(authorization|authentication)\.k8s\.io\/v1\/(?:namespaces\/[^/]+\/)?(selfsubjectaccessreviews|subjectaccessreviews|localsubjectaccessreviews|selfsubjectrulesreviews|selfsubjectreviews)$/.exec(exchange.pathname);
  if (review === null) return false;
  const body = exchange.method === 'POST' ? objectBody(await readBody(exchange.request)) : {};
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
  const status =
    review[2] === 'selfsubjectreviews'
      ? { userInfo: { username: 'system:admin', groups: ['system:masters', 'system:authenticated'] } }
      : review[2] === 'selfsubjectrulesreviews'
        ? { resourceRules: [everything], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }], incomplete: false }
        : { allowed: true, reason: 'this server has no authorization' };
  sendJson(exchange, 201, { ...body, metadata: { creationTimestamp: null }, status });
  return true;
}
