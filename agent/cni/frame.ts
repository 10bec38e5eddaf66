/** Framing between plugin and agent (native/cni/README.md). Numbers are in network order. */
const MAGIC = Buffer.from('CNI1');
export const HEADER_BYTES = 12;
export const MAX_ENV_BYTES = 64 << 10;
export const MAX_CONFIG_BYTES = 1 << 20;

export interface RawRequest {
  /** CNI_* variables. */
  readonly env: ReadonlyMap<string, string>;
  /** Standard input as it came; nobody has looked at it. */
  readonly config: Buffer;
}

export interface RawAnswer {
  /** Exit status: 0 or 1. */
  readonly status: 0 | 1;
  readonly output: string;
}

/** Answers one request; never rejects. */
export type CniHandler = (raw: RawRequest, signal: AbortSignal) => Promise<RawAnswer>;

/** Bytes of the whole frame whose first bytes are `header`; a string says why there can be none. */
export function frameBytes(header: Buffer): number | string {
  if (!header.subarray(0, 4).equals(MAGIC)) return 'not a CNI request';
  const env = header.readUInt32BE(4);
  const config = header.readUInt32BE(8);
  if (env > MAX_ENV_BYTES) return `environment of ${env} bytes`;
  if (config > MAX_CONFIG_BYTES) return `configuration of ${config} bytes`;
  return HEADER_BYTES + env + config;
}

/** A whole frame; undefined where it is none. */
export function decodeFrame(frame: Buffer): RawRequest | undefined {
  if (frame.length < HEADER_BYTES || frameBytes(frame) !== frame.length) return undefined;
  const envEnd = HEADER_BYTES + frame.readUInt32BE(4);
  const env = new Map<string, string>();
  for (const variable of frame.subarray(HEADER_BYTES, envEnd).toString('utf8').split('\0')) {
    const equals = variable.indexOf('=');
    if (equals > 0) env.set(variable.slice(0, equals), variable.slice(equals + 1));
  }
  return { env, config: frame.subarray(envEnd) };
}

export function encodeFrame(request: RawRequest): Buffer {
  const env = Buffer.from([...request.env].map(([name, value]) => `${name}=${value}\0`).join(''));
  return Buffer.concat([header(env.length, request.config.length), env, request.config]);
}

export function encodeAnswer(answer: RawAnswer): Buffer {
  const output = Buffer.from(answer.output);
  return Buffer.concat([header(answer.status, output.length), output]);
}

function header(first: number, second: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(first, 4);
  bytes.writeUInt32BE(second, 8);
  return bytes;
}
