/**
 * The form of a JSON value, as decoding, field validation, patching and
 * server-side apply need it. Built-in kinds take it from the models of
 * `@kubernetes/client-node` ({@link modelSchema}), custom ones from their CRD.
 */
export interface Schema {
  readonly type: SchemaType;
  /** Of an object with known fields. Read lazily: schemas are recursive. */
  readonly fields?: ReadonlyMap<string, Schema>;
  /** Of an array's items or a map's values. */
  readonly items?: Schema;
  /** Go's name of the type, for messages: `ContainerPort`, `int64`. */
  readonly goName?: string;
  /** Name of the client model, for OpenAPI. */
  readonly model?: string;
  /** Of custom kinds, for OpenAPI; those of models are in their own place. */
  readonly description?: string;
  readonly merge?: MergeRule;
  /** Keeps fields it does not know (x-kubernetes-preserve-unknown-fields). */
  readonly open?: boolean;
}

export type SchemaType = 'object' | 'map' | 'array' | 'string' | 'bytes' | 'integer' | 'number' | 'boolean' | 'time' | 'quantity' | 'intOrString' | 'any';

/** How two versions of a list, map or struct are joined. */
export interface MergeRule {
  /** Strategic merge: the key that identifies an item of an object list; '' for a list of primitives that are merged as a set. */
  readonly patchKey?: string;
  /** Strategic merge: only the keys that the patch names survive (volumes' sources, deployment strategy). */
  readonly retainKeys?: boolean;
  /** Server-side apply: the keys that together identify an item (listType=map). */
  readonly listKeys?: readonly string[];
  /** Server-side apply: the list is a set of primitives. */
  readonly set?: boolean;
  /** Server-side apply: owned and replaced as one value. */
  readonly atomic?: boolean;
  /** Values of list keys that an item may leave out. */
  readonly keyDefaults?: Readonly<Record<string, unknown>>;
}

export const ANY: Schema = { type: 'any' };
