import type { KubeObject } from '../kube-object.js';
import type { Schema } from '../schema/schema.js';
import type { FieldError } from '../status.js';
import type { Column } from '../table/column.js';

/** `resource.group`, or the bare resource for core: how the store, in-process callers and messages name a kind. */
export type ResourceId = string;

/** One row of the table of kinds: everything the server knows of a resource. */
export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Plural, lower case: the path segment. */
  readonly resource: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly schema: Schema;
  readonly listKind: string;
  /** Has a `status` subresource: writes of the object leave status alone, writes of the subresource everything else. */
  readonly hasStatus: boolean;
  /** metadata.generation counts changes of everything but metadata and status. */
  readonly hasGeneration: boolean;
  readonly scale?: ScalePaths;
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly selectable: Readonly<Record<string, (object: KubeObject) => string>>;
  readonly columns: readonly Column[];
  readonly strategy: Strategy;
  /** Made from a CustomResourceDefinition: no strategic merge. */
  readonly custom: boolean;
}

/** Where Scale finds its numbers in a kind (JSON paths as lists of fields). */
export interface ScalePaths {
  readonly replicas: readonly string[];
  readonly statusReplicas: readonly string[];
  readonly selector: readonly string[];
}

/** What a kind adds to the common handling of writes. All are pure but for the given draft. */
export interface Strategy {
  /** Sets what the server decides at creation (status, generated fields). Runs before {@link applyDefaults}. */
  readonly prepareCreate?: (draft: KubeObject) => void;
  /** Keeps what an update may not touch. */
  readonly prepareUpdate?: (draft: KubeObject, previous: KubeObject) => void;
  readonly applyDefaults?: (draft: KubeObject) => void;
  /** Name rule, by default a DNS subdomain. */
  readonly validateName?: (name: string) => readonly string[];
  readonly validate?: (object: KubeObject) => readonly FieldError[];
  readonly validateUpdate?: (object: KubeObject, previous: KubeObject) => readonly FieldError[];
  /** Parts of metadata that count as intent, so that a change of them takes a new generation. */
  readonly generationFields?: readonly ('labels' | 'annotations')[];
  /** An update of what is not there makes it. */
  readonly createsOnUpdate?: boolean;
  /** A replacement has to say which version it replaces. */
  readonly needsVersion?: boolean;
  /** A write of status leaves labels and annotations alone. */
  readonly statusKeepsMetadata?: boolean;
  /** What the server did not write of the status of such an object. */
  readonly validateStatus?: (object: KubeObject) => readonly FieldError[];
  /** A deletion is answered with the object instead of a Status. */
  readonly returnsDeleted?: boolean;
  /** Completes the mark of a deletion; a finalizer set here makes it wait. */
  readonly prepareDelete?: (draft: KubeObject) => void;
  /** There is no deletion of a collection. */
  readonly goesAlone?: boolean;
  /** Dependents stay when the deletion does not say. */
  readonly orphansByDefault?: boolean;
  /** A `Warning` header of every answer. */
  readonly warning?: string;
  /** `Warning` headers of the answer to a write of such an object. */
  readonly warnings?: (object: KubeObject) => readonly string[];
  /** Seconds that a deletion waits for somebody to finish the object; 0 or undefined removes it at once. */
  readonly graceSeconds?: (object: KubeObject) => number | undefined;
}

export function resourceIdOf(kind: Pick<Kind, 'group' | 'resource'>): ResourceId {
  return kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
}

/** Key of an object in the store: `namespace/name`, or `name` for cluster-wide kinds. */
export function keyOf(kind: Pick<Kind, 'namespaced'>, namespace: string, name: string): string {
  return kind.namespaced ? `${namespace}/${name}` : name;
}
