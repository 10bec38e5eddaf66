import type { IncomingMessage, ServerResponse } from 'node:http';
import { VERSION, aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from '../discovery/discovery.js';
import { noSuchPath } from '../status.js';
import type { ApiContext } from '../verbs/context.js';
import { exchangeOf, send, sendJson, sendStatus, statusOf, type Exchange } from './exchange.js';
import { parseResourcePath } from './resource-path.js';
import { handleResource } from './resource-handler.js';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** Answers one request; never rejects. */
export async function handleRequest(context: ApiContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let exchange: Exchange;
  try {
    exchange = exchangeOf(request, response);
  } catch {
    response.writeHead(400).end();
    return;
  }
  try {
    await route(exchange, context);
  } catch (error) {
    sendStatus(exchange, statusOf(error));
  }
}

async function route(exchange: Exchange, context: ApiContext): Promise<void> {
  const fixed = fixedAnswer(exchange, context);
  if (fixed) return;
  const path = parseResourcePath(context.registry, exchange.pathname);
  if (path === undefined) throw noSuchPath();
  await handleResource(exchange, context, path);
}

/** Everything that is not a resource. @returns false if the path is none of these */
function fixedAnswer(exchange: Exchange, context: ApiContext): boolean {
  const { registry } = context;
  const [root = '', group = '', version = '', more] = exchange.pathname.split('/').filter((segment) => segment !== '');
  const aggregated = exchange.accept.includes('as=APIGroupDiscoveryList') && exchange.accept.includes('v=v2');
  if (['healthz', 'readyz', 'livez'].includes(root)) send(exchange, 200, 'ok', 'text/plain; charset=utf-8');
  else if (root === 'version') sendJson(exchange, 200, VERSION);
  else if (root === 'api' && group === '') aggregated ? sendJson(exchange, 200, aggregatedDiscovery(registry, true), AGGREGATED) : sendJson(exchange, 200, apiVersions(exchange.request.headers.host ?? ''));
  else if (root === 'apis' && group === '') aggregated ? sendJson(exchange, 200, aggregatedDiscovery(registry, false), AGGREGATED) : sendJson(exchange, 200, apiGroupList(registry));
  else if (root === 'apis' && version === '') sendFound(exchange, apiGroup(registry, group));
  else if (root === 'api' && group === 'v1' && version === '') sendFound(exchange, apiResourceList(registry, '', 'v1'));
  else if (root === 'apis' && more === undefined) sendFound(exchange, apiResourceList(registry, group, version));
  else return false;
  return true;
}

function sendFound(exchange: Exchange, body: unknown): void {
  if (body === undefined) throw noSuchPath();
  sendJson(exchange, 200, body);
}
