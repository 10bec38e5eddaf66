import type { Kind } from '../registry/kind.js';
import type { Registry } from '../registry/registry.js';

/** What a path under /api or /apis means. */
export interface ResourcePath {
  readonly kind: Kind;
  /** '' for cluster-wide kinds and for a namespaced kind across namespaces. */
  readonly namespace: string;
  /** '' for a collection. */
  readonly name: string;
  readonly subresource: string;
  /** What follows a subresource, as in `.../proxy/PATH`. */
  readonly rest: readonly string[];
}

/** @returns undefined for a path that names no served resource */
export function parseResourcePath(registry: Registry, pathname: string): ResourcePath | undefined {
  const segments = pathname.split('/').filter((segment) => segment !== '').map(decodeSegment);
  if (segments.includes(undefined)) return undefined;
  const [root, ...tail] = segments as string[];
  if (root === 'api' && tail[0] === 'v1') return inVersion(registry, '', 'v1', tail.slice(1));
  if (root === 'apis' && tail.length > 2) return inVersion(registry, tail[0] ?? '', tail[1] ?? '', tail.slice(2));
  return undefined;
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function inVersion(registry: Registry, group: string, version: string, segments: readonly string[]): ResourcePath | undefined {
  const [first = '', second = '', third = '', ...others] = segments;
  if (first === 'namespaces' && third !== '') {
    const kind = registry.find(group, version, third);
    if (kind?.namespaced === true) {
      const [name = '', subresource = '', ...rest] = others;
      return { kind, namespace: second, name, subresource, rest };
    }
  }
  const kind = registry.find(group, version, first);
  if (kind === undefined) return undefined;
  if (kind.namespaced && second !== '') return undefined;
  return { kind, namespace: '', name: second, subresource: third, rest: others };
}
