import { apiVersionOf, type Fields, type KubeObject } from '../kube-object.js';
import { resourceIdOf, type Kind } from '../registry/kind.js';
import { badRequest, expired } from '../status.js';
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

const tokenOf = (from: Continue): string => Buffer.from(JSON.stringify(from)).toString('base64url');

function parseContinue(token: string): Continue {
  try {
    const parsed = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Partial<Continue>;
    if (typeof parsed.rv === 'number' && typeof parsed.start === 'string') return { rv: parsed.rv, start: parsed.start };
  } catch {
    // Falls through: every malformed token gets the same answer.
  }
  throw badRequest('continue key is not valid: illegal continue token');
}

function exactRevision(context: ApiContext, options: ListOptions): number | undefined {
  if (options.resourceVersion === '' || options.resourceVersion === '0') return undefined;
  const revision = Number(options.resourceVersion);
  if (!Number.isSafeInteger(revision) || revision < 0) throw badRequest(`invalid resource version: resourceVersion: Invalid value: "${options.resourceVersion}": strconv.ParseUint: parsing "${options.resourceVersion}": invalid syntax`);
  if (revision > context.store.revision) throw badRequest(`Too large resource version: ${revision}, current: ${context.store.revision}`);
  return options.resourceVersionMatch === 'Exact' ? revision : undefined;
}
