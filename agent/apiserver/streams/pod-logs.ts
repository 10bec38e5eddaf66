import { pipeline } from 'node:stream/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { flagParameter, type Exchange } from '../http/exchange.js';
import type { ResourcePath } from '../http/resource-path.js';
import { PodRuntimeError, type PodRuntime } from '../pod-runtime.js';
import { ApiError, badRequest, notImplemented } from '../status.js';
import type { ApiContext } from '../verbs/context.js';
import { existing } from '../verbs/create.js';
import { containerOf } from './pod-container.js';

/** GET pods/NAME/log: the runtime's stream as plain text. */
export async function servePodLogs(exchange: Exchange, context: ApiContext, path: ResourcePath, runtime: PodRuntime | undefined): Promise<void> {
  const pod = existing(context, path.kind, path.namespace, path.name) as unknown as V1Pod;
  if (runtime === undefined) throw notImplemented('log needs a pod runtime, and this server runs no pods');
  const { query, response } = exchange;
  const container = containerOf(pod, query.get('container') ?? '');
  if (!pod.spec?.nodeName) throw badRequest(`container "${container}" in pod "${path.name}" is waiting to start: pod is not scheduled`);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const logs = await runtimeLogs(runtime, {
    namespace: path.namespace,
    pod: path.name,
    uid: pod.metadata?.uid ?? '',
    nodeName: pod.spec.nodeName,
    container,
    follow: flagParameter(query, 'follow'),
    previous: flagParameter(query, 'previous'),
    timestamps: flagParameter(query, 'timestamps'),
    tailLines: count(query, 'tailLines'),
    sinceSeconds: count(query, 'sinceSeconds'),
    sinceTime: query.get('sinceTime') ?? undefined,
    limitBytes: count(query, 'limitBytes'),
    signal: gone.signal,
  });
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  await pipeline(logs, response).catch(() => response.destroy());
}

async function runtimeLogs(runtime: PodRuntime, request: Parameters<PodRuntime['logs']>[0]): ReturnType<PodRuntime['logs']> {
  try {
    return await runtime.logs(request);
  } catch (error) {
    if (!(error instanceof PodRuntimeError)) throw error;
    throw new ApiError(error.status, error.status === 404 ? 'NotFound' : error.status < 500 ? 'BadRequest' : 'InternalError', error.message);
  }
}

function count(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw badRequest(`${name}: invalid value "${text}"`);
  return value;
}
