import { GoText, goQuoted } from './go-text.js';

/**
 * Errors as Kubernetes says them: `metav1.Status` with code, reason, message
 * and details (apimachinery pkg/api/errors, pkg/util/validation/field).
 */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, unknown>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface StatusCause {
  reason?: string;
  message: string;
  field?: string;
}

/** A refused request; the HTTP layer sends {@link status} with its code. */
export class ApiError extends Error {
  readonly status: Status;

  /** @param reason '' for none */
  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'ApiError';
    this.status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, ...(reason === '' ? {} : { reason }), ...(details ? { details } : {}), code };
  }

  get code(): number {
    return this.status.code ?? 500;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }
}

/** What an error is about: plural resource (or kind, for Invalid) and group. */
export interface Subject {
  readonly group: string;
  readonly resource: string;
}

const qualified = (subject: Subject): string => (subject.group === '' ? subject.resource : `${subject.resource}.${subject.group}`);

function detailsOf(subject: Subject, name: string): StatusDetails {
  return { ...(name === '' ? {} : { name }), ...(subject.group === '' ? {} : { group: subject.group }), kind: subject.resource };
}

export function notFound(subject: Subject, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(subject)} "${name}" not found`, detailsOf(subject, name));
}

export function alreadyExists(subject: Subject, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${qualified(subject)} "${name}" already exists`, detailsOf(subject, name));
}

export function conflict(subject: Subject, name: string, why: string): ApiError {
  return new ApiError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`, detailsOf(subject, name));
}

export const STALE = 'the object has been modified; please apply your changes to the latest version and try again';

export function forbidden(subject: Subject, name: string, why: string, causes?: StatusCause[]): ApiError {
  return new ApiError(403, 'Forbidden', `${qualified(subject)} "${name}" is forbidden: ${why}`, { ...detailsOf(subject, name), ...(causes ? { causes } : {}) });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

/** @param rest the token with which a list goes on */
export function expired(message: string, rest?: string): ApiError {
  const error = new ApiError(410, 'Expired', message);
  if (rest !== undefined) error.status.metadata['continue'] = rest;
  return error;
}

/** What a real server did not foresee, or did not care to word: 500 without a reason. */
export function unclassified(message: string): ApiError {
  return new ApiError(500, '', message);
}

export function timedOut(message: string, details: StatusDetails): ApiError {
  return new ApiError(504, 'Timeout', `Timeout: ${message}`, details);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function noSuchPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function notImplemented(message: string): ApiError {
  return new ApiError(501, 'NotImplemented', message);
}

export function success(details: StatusDetails): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

/** One failed rule about one field. `type` as in apimachinery's field.ErrorType. */
export interface FieldError {
  readonly type: 'Required' | 'Invalid' | 'NotSupported' | 'Forbidden' | 'Duplicate' | 'TooLong' | 'TooMany' | 'NotFound' | 'TypeInvalid';
  readonly field: string;
  readonly message: string;
}

const REASONS: Record<FieldError['type'], string> = {
  Required: 'FieldValueRequired',
  Invalid: 'FieldValueInvalid',
  NotSupported: 'FieldValueNotSupported',
  Forbidden: 'FieldValueForbidden',
  Duplicate: 'FieldValueDuplicate',
  TooLong: 'FieldValueTooLong',
  TooMany: 'FieldValueTooMany',
  NotFound: 'FieldValueNotFound',
  TypeInvalid: 'FieldValueTypeInvalid',
};

/** 422 with one cause a field, worded as the real server words it. */
export function invalid(group: string, kind: string, name: string, errors: readonly FieldError[]): ApiError {
  const list = errors.map((error) => `${error.field}: ${error.message}`);
  const unique = [...new Set(list)];
  const text = unique.length === 1 ? (unique[0] ?? '') : `[${unique.join(', ')}]`;
  const subject = group === '' ? kind : `${kind}.${group}`;
  return new ApiError(422, 'Invalid', `${subject} "${name}" is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(kind === '' ? {} : { kind }),
    causes: errors.map((error) => ({ reason: REASONS[error.type], message: error.message, field: error.field })),
  });
}

/** Constructors that word the message as `field.Error.ErrorBody` does. */
export const fieldError = {
  required: (field: string, detail = ''): FieldError => ({ type: 'Required', field, message: `Required value${suffix(detail)}` }),
  invalid: (field: string, value: unknown, detail: string): FieldError => ({ type: 'Invalid', field, message: `Invalid value: ${shown(value)}${suffix(detail)}` }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): FieldError => ({
    type: 'NotSupported',
    field,
    message: `Unsupported value: ${shown(value)}${supported.length > 0 ? `: supported values: ${supported.map((one) => JSON.stringify(one)).join(', ')}` : ''}`,
  }),
  forbidden: (field: string, detail: string): FieldError => ({ type: 'Forbidden', field, message: `Forbidden${suffix(detail)}` }),
  duplicate: (field: string, value: unknown): FieldError => ({ type: 'Duplicate', field, message: `Duplicate value: ${shown(value)}` }),
  tooLong: (field: string, max: number): FieldError => ({ type: 'TooLong', field, message: `Too long: may not be more than ${max} bytes` }),
  notFound: (field: string, value: unknown): FieldError => ({ type: 'NotFound', field, message: `Not found: ${shown(value)}` }),
};

const suffix = (detail: string): string => (detail === '' ? '' : `: ${detail}`);

function shown(value: unknown): string {
  if (value instanceof GoText) return value.text;
  if (typeof value === 'string') return goQuoted(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value === undefined || value === null ? 'null' : JSON.stringify(value);
}
