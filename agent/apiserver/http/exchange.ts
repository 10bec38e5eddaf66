import type { IncomingMessage, ServerResponse } from 'node:http';
import { stringify } from 'yaml';
import { ApiError, type Status } from '../status.js';
import { prefersYaml } from './media-type.js';

/** One request being answered. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly pathname: string;
  readonly query: URLSearchParams;
  readonly accept: string;
  /** `299 - "..."` headers that go with the answer. */
  readonly warnings: string[];
}

export function exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
  const url = new URL(request.url ?? '/', 'http://server');
  return {
    request,
    response,
    method: request.method ?? 'GET',
    pathname: url.pathname,
    query: url.searchParams,
    accept: request.headers.accept ?? '',
    warnings: [],
  };
}

export function sendJson(exchange: Exchange, code: number, body: unknown, contentType = 'application/json'): void {
  if (contentType === 'application/json' && prefersYaml(exchange.accept)) send(exchange, code, yamlText(body), 'application/yaml');
  else send(exchange, code, JSON.stringify(body), contentType);
}

/** As sigs.k8s.io/yaml writes it: by field names, lists not indented, and quotes where YAML 1.1 needs them. */
function yamlText(body: unknown): string {
  return stringify(body, { sortMapEntries: true, indentSeq: false, lineWidth: 0, version: '1.1', schema: 'yaml-1.1', aliasDuplicateObjects: false });
}

export function send(exchange: Exchange, code: number, text: string | Buffer, contentType: string): void {
  const { response } = exchange;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = typeof text === 'string' ? Buffer.from(text) : text;
  response.writeHead(code, { 'content-type': contentType, 'content-length': body.length, 'cache-control': 'no-cache, private', ...warningHeaders(exchange) });
  response.end(exchange.method === 'HEAD' ? undefined : body);
}

export function sendStatus(exchange: Exchange, status: Status): void {
  const retry = status.details?.retryAfterSeconds;
  if (retry !== undefined && !exchange.response.headersSent) exchange.response.setHeader('retry-after', String(retry));
  sendJson(exchange, status.code ?? 200, status);
}

/** Any error as a Status; what is not an ApiError is the server's own fault. */
export function statusOf(error: unknown): Status {
  if (error instanceof ApiError) return error.status;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] }).status;
}

/** True for `1`, `t`, `true` and a parameter without a value, as Go's ParseBool with apimachinery's conversion. */
export function flagParameter(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && !['false', '0', 'f', 'F', 'FALSE', 'False'].includes(value);
}

function warningHeaders({ warnings }: Exchange): Record<string, string[]> {
  return warnings.length === 0 ? {} : { warning: [...new Set(warnings)].map((text) => `299 - ${JSON.stringify(text)}`) };
}
