import type { KubeObject } from '../kube-object.js';

/** One column of `kubectl get` as the server prints it (meta.k8s.io/v1 Table). */
export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'number' | 'boolean';
  readonly format: string;
  readonly description: string;
  /** 0: always shown; 1: with `-o wide`. */
  readonly priority: number;
  readonly cell: (object: KubeObject, now: number) => string | number | boolean | null;
}

interface Detail {
  readonly wide?: boolean;
  readonly type?: Column['type'];
  readonly description?: string;
}

export function column(name: string, cell: Column['cell'], detail: Detail = {}): Column {
  return { name, type: detail.type ?? 'string', format: name === 'Name' ? 'name' : '', description: detail.description ?? name, priority: detail.wide === true ? 1 : 0, cell };
}

export const nameColumn: Column = column('Name', (object) => object.metadata.name ?? '', {
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically.',
});

export const ageColumn: Column = column('Age', (object, now) => age(object.metadata.creationTimestamp, now), {
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
});

/** What a kind without columns of its own shows, and every custom resource without printer columns. */
export const plainColumns: readonly Column[] = [nameColumn, column('Created At', (object) => object.metadata.creationTimestamp ?? null, { type: 'date' })];

/** Time since a timestamp as `duration.HumanDuration` shortens it; `<unknown>` without one. */
export function age(since: string | undefined, now: number): string {
  if (since === undefined || since === '') return '<unknown>';
  return humanDuration(now - Date.parse(since));
}

export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 24 * 8) return withRest(Math.floor(hours / 24), 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24)}d`;
  if (hours < 24 * 365 * 8) return withRest(Math.floor(hours / 24 / 365), 'y', Math.floor(hours / 24) % 365, 'd');
  return `${Math.floor(hours / 24 / 365)}y`;
}

const withRest = (big: number, unit: string, rest: number, restUnit: string): string => (rest === 0 ? `${big}${unit}` : `${big}${unit}${rest}${restUnit}`);
