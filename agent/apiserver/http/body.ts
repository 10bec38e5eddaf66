import type { IncomingMessage } from 'node:http';
import { parseDocument } from 'yaml';
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
  /** What came, where it was JSON. */
  readonly text?: string;
  /** Of YAML: keys given twice, in its parser's words. */
  readonly complaints?: readonly string[];
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** Lower case, without parameters; '' for what is no media type. */
export function contentTypeOf({ headers }: IncomingMessage): string {
  const [type = '', ...parameters] = (headers['content-type'] ?? 'application/json').split(';').map((part) => part.trim());
  return parameters.every((one) => one === '' || one.includes('=')) ? type.toLowerCase() : '';
}

/** @throws ApiError 413 over 3 MiB, 415 for a type that is not JSON, YAML or protobuf, 400 for what does not parse */
export async function readBody(request: IncomingMessage, contentType = contentTypeOf(request)): Promise<Body> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return { contentType, value: undefined, duplicates: [] };
  if (contentType === PROTOBUF) return { contentType, value: decodeProtobuf(bytes), duplicates: [] };
  if (!contentType.includes('/json') && !contentType.includes('+json') && !contentType.includes('yaml')) {
    throw new ApiError(415, 'UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, ${PROTOBUF}`);
  }
  const text = bytes.toString('utf8');
  return { contentType, ...(isYaml(contentType) ? decodeYaml(text) : decodeJson(text)) };
}

const isYaml = (contentType: string): boolean => contentType === 'application/yaml' || contentType === 'application/apply-patch+yaml';

function decodeJson(text: string): Pick<Body, 'value' | 'duplicates' | 'text' | 'complaints'> {
  try {
    return { value: JSON.parse(text) as unknown, duplicates: duplicateFields(text), text };
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type APIVersion and Kind): couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : ''}`);
  }
}

function decodeYaml(text: string): Pick<Body, 'value' | 'duplicates' | 'text' | 'complaints'> {
  if (/^\s*[{[]/.test(text)) {
    try {
      return { value: JSON.parse(text) as unknown, duplicates: duplicateFields(text), text };
    } catch {
      // YAML's flow style looks like JSON and is not: let the YAML parser judge.
    }
  }
  const document = parseDocument(text, { uniqueKeys: true });
  const wrong = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY');
  if (wrong !== undefined) throw badRequest(`error decoding YAML: ${wrong.message}`);
  const complaints = document.errors.map(({ linePos, pos }) => `line ${linePos?.[0].line ?? 0}: key ${JSON.stringify(/^[^\s:]*/.exec(text.slice(pos[0]))?.[0] ?? '')} already set in map`);
  return { value: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown, duplicates: [], complaints };
}

const MAX_ALIASES = 100;

/** The body as an object with kind and apiVersion; null is an empty one. */
export function objectBody(body: Body): Fields {
  if (body.value === null) return {};
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
