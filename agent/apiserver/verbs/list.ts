import { apiVersionOf, type Fields, type KubeObject } from '../kube-object.js';
import { resourceIdOf, type Kind } from '../registry/kind.js';
import { badRequest, expired, timedOut, unclassified } from '../status.js';
import type { ApiContext } from './context.js';
import type { Predicate } from './selectors.js';

export interface ListOptions {
  readonly selects: Predicate | undefined;
  /** 0: everything at once. */
  readonly limit: number;
  readonly continueToken: string;
  /** '' for now; with `Exact`, that revision and no other. */
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
}

export interface ListResult {
  readonly metadata: Fields;
  readonly items: readonly KubeObject[];
}

/** Where a list goes on: the revision of its first page and the last key that was sent. */
interface Continue {
  /** -1: whatever is there when the rest is asked for. */
  readonly rv: number;
  readonly start: string;
}

const FORGOTTEN = 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/**
 * All pages of a list show the same revision: later ones are computed by
 * undoing newer changes, and end with 410 once the changes are forgotten. That
 * answer has a token for the rest as it is now.
 */
export function listObjects(context: ApiContext, kind: Kind, namespace: string, options: ListOptions): ListResult {
  const from = options.continueToken === '' ? undefined : parseContinue(options.continueToken);
  if (from !== undefined && options.resourceVersion !== '' && options.resourceVersion !== '0') throw badRequest('specifying resource version is not allowed when using continue');
  const asked = from?.rv === -1 ? undefined : from?.rv;
  const revision = asked ?? exactRevision(context, options) ?? context.store.revision;
  const prefix = kind.namespaced && namespace !== '' ? `${namespace}/` : '';
  const all = context.store.listAt(resourceIdOf(kind), prefix, revision);
  if (all === undefined) throw from === undefined ? expired('The resourceVersion for the provided list is too old.') : expired(FORGOTTEN, tokenOf({ ...from, rv: -1 }));
  // Go leaves an empty token out of its typed lists, but not out of those of custom kinds.
  const ended = kind.custom ? { continue: '' } : {};
  const selected = all.filter((object) => (from === undefined || keyText(kind, object) > from.start) && (options.selects?.(object) ?? true));
  if (options.limit === 0 || selected.length <= options.limit) return { metadata: { ...ended, resourceVersion: String(revision) }, items: selected };
  const page = selected.slice(0, options.limit);
  const last = page.at(-1);
  const token: Continue = { rv: revision, start: last === undefined ? '' : keyText(kind, last) };
  const remaining = options.selects === undefined ? { remainingItemCount: selected.length - page.length } : {};
  return { metadata: { resourceVersion: String(revision), continue: tokenOf(token), ...remaining }, items: page };
}

export function listEnvelope(kind: Kind, result: ListResult): Fields {
  // The items of Go's typed lists do not say what they are; those of custom kinds do.
  const items = kind.custom ? result.items : result.items.map(({ kind: _kind, apiVersion: _version, ...rest }) => rest);
  return { kind: kind.listKind, apiVersion: apiVersionOf(kind.group, kind.version), metadata: result.metadata, items };
}

const keyText = (kind: Kind, object: KubeObject): string => (kind.namespaced ? `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}` : (object.metadata.name ?? ''));

/** As a real server's tokens are made, which nobody should rely on and tools show. */
const TOKEN_VERSION = 'meta.k8s.io/v1';

const tokenOf = (from: Continue): string => Buffer.from(JSON.stringify({ v: TOKEN_VERSION, ...from })).toString('base64url');

function parseContinue(token: string): Continue {
  const illegal = token.search(/[^\w-]/);
  if (illegal >= 0) throw badContinue(`illegal base64 data at input byte ${illegal}`);
  const { v = '', rv, start } = readToken(token);
  if (v !== TOKEN_VERSION) throw badContinue(`server does not recognize this encoded version ${v}`);
  if (typeof rv !== 'number' || rv === 0) throw badContinue(`incorrect encoded start resourceVersion (version ${TOKEN_VERSION})`);
  if (typeof start !== 'string' || start === '') throw badContinue(`empty encoded start key (version ${TOKEN_VERSION})`);
  return { rv, start };
}

function readToken(token: string): Partial<Continue> & { v?: string } {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Partial<Continue> & { v?: string };
  } catch (error) {
    throw badContinue(error instanceof Error ? error.message : '');
  }
}

const badContinue = (why: string): Error => badRequest(`invalid continue token: continue key is not valid: ${why}`);

function exactRevision(context: ApiContext, options: ListOptions): number | undefined {
  if (options.resourceVersion === '' || options.resourceVersion === '0') return undefined;
  const revision = revisionOf(options.resourceVersion);
  if (revision === undefined) throw badRequest(`invalid resource version: ${noRevision(options.resourceVersion)}`);
  const exact = options.resourceVersionMatch === 'Exact';
  if (exact && revision > context.store.revision) throw unclassified('etcdserver: mvcc: required revision is a future revision');
  checkReached(context, revision);
  return exact ? revision : undefined;
}

/** A real server waits three seconds for such a version; here nobody else writes. @throws ApiError 504 */
export function checkReached({ store }: ApiContext, revision: number): void {
  if (revision > store.revision) throw timedOut(`Too large resource version: ${revision}, current: ${store.revision}`, { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 });
}

/** The number of a resourceVersion, or undefined for what is none. */
export function revisionOf(text: string): number | undefined {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

export const noRevision = (text: string): string => `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`;
