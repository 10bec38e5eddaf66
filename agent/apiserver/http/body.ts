import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { isFields, type Fields } from '../kube-object.js';
import { ApiError, badRequest } from '../status.js';
import { decodeProtobuf } from '../protobuf/decode.js';
import { duplicateFields } from '../schema/duplicate-fields.js';

/** The real server's limit of a request body. */
const MAX_BYTES = 3 << 20;

export interface Body {
  readonly contentType: string;
  readonly value: unknown;
  /** Fields given twice in one JSON object. */
  readonly duplicates: readonly string[];
}

/** @throws ApiError 413 over 3 MiB, 415 for a type that is not JSON, YAML or protobuf, 400 for what does not parse */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const bytes = await readBytes(request);
  const contentType = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  if (bytes.length === 0) return { contentType, value: undefined, duplicates: [] };
  if (contentType === PROTOBUF) return { contentType, value: decodeProtobuf(bytes), duplicates: [] };
  if (!contentType.includes('json') && !contentType.includes('yaml')) {
    throw new ApiError(415, 'UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, ${PROTOBUF}`);
  }
  const text = bytes.toString('utf8');
  return { contentType, ...(isYaml(contentType) ? decodeYaml(text) : decodeJson(text)) };
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const isYaml = (contentType: string): boolean => contentType === 'application/yaml' || contentType === 'application/apply-patch+yaml';

function decodeJson(text: string): Pick<Body, 'value' | 'duplicates'> {
  try {
    return { value: JSON.parse(text) as unknown, duplicates: duplicateFields(text) };
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type APIVersion and Kind): couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : ''}`);
  }
}

function decodeYaml(text: string): Pick<Body, 'value' | 'duplicates'> {
  if (/^\s*[{[]/.test(text)) {
    try {
      return { value: JSON.parse(text) as unknown, duplicates: duplicateFields(text) };
    } catch {
      // YAML's flow style looks like JSON and is not: let the YAML parser judge.
    }
  }
  try {
    return { value: parseYaml(text, { maxAliasCount: 100, uniqueKeys: true }) as unknown, duplicates: [] };
  } catch (error) {
    throw badRequest(`error decoding YAML: ${error instanceof Error ? error.message : ''}`);
  }
}

/** The body as an object with kind and apiVersion. */
export function objectBody(body: Body): Fields {
  if (!isFields(body.value)) throw badRequest('the body of the request must be an object');
  return body.value;
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BYTES}`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
