import type { IncomingMessage, ServerResponse } from 'node:http';
import { VERSION, aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from '../discovery/discovery.js';
import { openApiIndex, openApiV2, openApiV3 } from '../discovery/openapi.js';
import { openApiProtobuf } from '../discovery/openapi-protobuf.js';
import type { Fields } from '../kube-object.js';
import { ApiError, methodNotAllowed, noSuchPath } from '../status.js';
import type { ApiContext } from '../verbs/context.js';
import { exchangeOf, send, sendJson, sendStatus, statusOf, type Exchange } from './exchange.js';
import { firstAccepted } from './media-type.js';
import { parseResourcePath } from './resource-path.js';
import type { PodRuntime } from '../pod-runtime.js';
import { handleResource } from './resource-handler.js';
import { serveReview, subresourceHandler } from './subresources.js';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const JSON_TYPE = 'application/json';
const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
/** What kubectl calls it, though `@` may not stand in a media type. */
const OPENAPI_V2_PROTOBUF_OLD = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/** Answers one request; never rejects. */
export async function handleRequest(context: ApiContext, runtime: PodRuntime | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let exchange: Exchange;
  try {
    exchange = exchangeOf(request, response);
  } catch {
    response.writeHead(400).end();
    return;
  }
  try {
    await route(exchange, context, runtime);
  } catch (error) {
    sendStatus(exchange, statusOf(error));
  }
}

async function route(exchange: Exchange, context: ApiContext, runtime: PodRuntime | undefined): Promise<void> {
  if ((await serveReview(exchange)) || fixedAnswer(exchange, context)) return;
  const path = parseResourcePath(context.registry, exchange.pathname);
  if (path === undefined) throw noSuchPath();
  const handler = subresourceHandler(path);
  if (handler !== undefined) await handler(exchange, context, path, runtime);
  else await handleResource(exchange, context, path);
}

/** Outside of its API and of groups that it knows, the real server has no handler at all. */
function isUnknownPlace({ pathname }: Exchange, { registry }: ApiContext): boolean {
  const [root = '', group = ''] = segmentsOf(pathname);
  return (root === 'apis' && group !== '' && registry.versions(group).length === 0 && group !== 'authorization.k8s.io') || !['api', 'apis', 'version', 'openapi'].includes(root);
}

const segmentsOf = (pathname: string): string[] => pathname.split('/').filter((segment) => segment !== '');
const HEALTH = ['healthz', 'readyz', 'livez'];
const CHECKS = [undefined, 'ping', 'etcd', 'log'];

/** Everything that is not a resource. @returns false if the path is none of these */
function fixedAnswer(exchange: Exchange, context: ApiContext): boolean {
  const { registry } = context;
  const [root = '', group = '', version = '', more] = segmentsOf(exchange.pathname);
  const aggregated = exchange.accept.includes('as=APIGroupDiscoveryList') && exchange.accept.includes('v=v2');
  const isDiscovery = (root === 'api' && version === '') || (root === 'apis' && more === undefined);
  if (exchange.method !== 'GET' && ((root === 'version' && group === '') || isDiscovery)) throw methodNotAllowed();
  if (HEALTH.includes(root) && CHECKS.includes(group || undefined)) send(exchange, 200, 'ok', 'text/plain; charset=utf-8');
  else if (root === 'version' && group === '') sendJson(exchange, 200, VERSION);
  else if (root === 'openapi') sendOpenApi(exchange, context);
  else if (root === 'api' && group === '') sendDiscovery(exchange, aggregated ? aggregatedDiscovery(registry, true) : apiVersions(exchange.request.headers.host ?? ''), aggregated);
  else if (root === 'apis' && group === '') sendDiscovery(exchange, aggregated ? aggregatedDiscovery(registry, false) : apiGroupList(registry), aggregated);
  else if (isUnknownPlace(exchange, context)) sendNoPage(exchange);
  else if (root === 'apis' && version === '') sendFound(exchange, apiGroup(registry, group));
  else if (root === 'api' && group === 'v1' && version === '') sendFound(exchange, apiResourceList(registry, '', 'v1'));
  else if (root === 'apis' && more === undefined) sendFound(exchange, apiResourceList(registry, group, version));
  else return false;
  return true;
}

const sendNoPage = (exchange: Exchange): void => send(exchange, 404, '404 page not found\n', 'text/plain; charset=utf-8');

function sendDiscovery(exchange: Exchange, body: unknown, aggregated: boolean): void {
  sendJson(exchange, 200, body, aggregated ? AGGREGATED : 'application/json');
}

function sendFound(exchange: Exchange, body: unknown): void {
  if (body === undefined) throw noSuchPath();
  sendJson(exchange, 200, body);
}

function sendOpenApi(exchange: Exchange, { registry }: ApiContext): void {
  const [, format, root, ...rest] = exchange.pathname.split('/').filter((segment) => segment !== '');
  if (format === 'v2' && root === undefined) {
    sendOpenApiV2(exchange, openApiV2(registry));
  } else if (format === 'v3' && root === undefined) {
    sendJson(exchange, 200, openApiIndex(registry));
  } else if (format === 'v3') {
    const document = root === 'api' ? openApiV3(registry, '', rest[0] ?? '') : openApiV3(registry, rest[0] ?? '', rest[1] ?? '');
    if (document === undefined) send(exchange, 404, '', 'text/plain; charset=utf-8');
    else sendJson(exchange, 200, document);
  } else {
    sendNoPage(exchange);
  }
}

function sendOpenApiV2(exchange: Exchange, document: Fields): void {
  const type = firstAccepted(exchange.accept, [JSON_TYPE, OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_OLD]);
  if (type === undefined) throw new ApiError(406, 'NotAcceptable', `only the following media types are accepted: ${JSON_TYPE}, ${OPENAPI_V2_PROTOBUF}`);
  if (type === JSON_TYPE) sendJson(exchange, 200, document);
  else send(exchange, 200, openApiProtobuf(document), OPENAPI_V2_PROTOBUF);
}
