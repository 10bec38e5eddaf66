import { CanalError } from '../base/errors.js';

/** What is known of a request that the API server refused or did not answer. */
export interface ApiErrorDetail {
  /** HTTP status, or a Status object's `code`; undefined where no answer came. */
  readonly status?: number;
  /** Status `reason`: `Expired`, `Conflict`, `NotFound`, …; empty where none was given. */
  readonly reason?: string;
  /** Retry-After, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly subject?: string;
  readonly cause?: unknown;
}

/** A CanalError of code DATASTORE that keeps the server's answer. */
export class ApiError extends CanalError {
  readonly status: number | undefined;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, detail: ApiErrorDetail = {}) {
    super('DATASTORE', message, {
      ...(detail.subject === undefined ? {} : { subject: detail.subject }),
      ...(detail.cause === undefined ? {} : { cause: detail.cause }),
    });
    this.name = 'ApiError';
    this.status = detail.status;
    this.reason = detail.reason ?? '';
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** The error in a `Status` object: an answer's body, or an ERROR event's object. Anything else gives what `fallback` says. */
export function fromStatus(body: unknown, fallback: ApiErrorDetail & { readonly message: string }): ApiError {
  const status = isRecord(body) && body['kind'] === 'Status' ? body : {};
  const details = isRecord(status['details']) ? status['details'] : {};
  const seconds = details['retryAfterSeconds'];
  const retryAfterMs = fallback.retryAfterMs ?? (typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined);
  const code = typeof status['code'] === 'number' ? status['code'] : fallback.status;
  return new ApiError(typeof status['message'] === 'string' ? status['message'] : fallback.message, {
    ...(fallback.subject === undefined ? {} : { subject: fallback.subject }),
    ...(code === undefined ? {} : { status: code }),
    reason: typeof status['reason'] === 'string' ? status['reason'] : '',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Retry-After as the header gives it: seconds or an HTTP date. Undefined where it says nothing. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

const hasStatus = (status: number) => (error: unknown): boolean => error instanceof ApiError && error.status === status;

export const isUnauthorized = hasStatus(401);
export const isMissing = hasStatus(404);
export const isConflict = hasStatus(409);
/** The resource version or continue token is older than the server remembers. */
export const isExpired = hasStatus(410);

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
