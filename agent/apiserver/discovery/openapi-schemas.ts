import type { Fields } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { modelDocs } from '../schema/model-docs.js';
import type { MergeRule, Schema } from '../schema/schema.js';

/** Definitions of kinds and everything that they refer to, as OpenAPI 2 or 3 has them. */
export function schemaDefinitions(kinds: readonly Kind[], version: 2 | 3): Fields {
  const definitions: Fields = {};
  for (const kind of kinds) {
    const name = definitionName(kind);
    const writer = new DefinitionWriter(definitions, version, name.slice(0, name.lastIndexOf('.')));
    const gvk = [{ group: kind.group, version: kind.version, kind: kind.kind }];
    if (kind.schema.model !== undefined) writer.define(kind.schema, name);
    else definitions[name] = writer.inline(kind.schema);
    definitions[name] = { ...(definitions[name] as Fields), 'x-kubernetes-group-version-kind': gvk };
  }
  return definitions;
}

/** `io.k8s.api.apps.v1.Deployment`, and for custom kinds the group reversed. */
export function definitionName(kind: Pick<Kind, 'group' | 'version' | 'kind' | 'custom'>): string {
  if (kind.custom) return `${kind.group.split('.').toReversed().join('.')}.${kind.version}.${kind.kind}`;
  return `io.k8s.api.${kind.group === '' ? 'core' : (kind.group.split('.')[0] ?? '')}.${kind.version}.${kind.kind}`;
}

const META = new Set(['V1ObjectMeta', 'V1ListMeta', 'V1LabelSelector', 'V1LabelSelectorRequirement', 'V1OwnerReference', 'V1ManagedFieldsEntry', 'V1Condition']);

class DefinitionWriter {
  constructor(
    private readonly definitions: Fields,
    private readonly version: 2 | 3,
    private readonly home: string,
  ) {}

  define(schema: Schema, name: string): void {
    if (this.definitions[name] !== undefined) return;
    this.definitions[name] = {}; // holds the place: schemas are recursive
    this.definitions[name] = this.inline(schema);
  }

  inline(schema: Schema): Fields {
    return { ...described(schema.description), ...this.form(schema) };
  }

  private form(schema: Schema): Fields {
    switch (schema.type) {
      case 'object':
        return this.object(schema);
      case 'map':
        return { type: 'object', additionalProperties: this.reference(schema.items ?? { type: 'any' }) };
      case 'array':
        return { type: 'array', items: this.reference(schema.items ?? { type: 'any' }) };
      default:
        return SCALARS[schema.type] ?? {};
    }
  }

  private object(schema: Schema): Fields {
    const docs = schema.model === undefined ? undefined : modelDocs(schema.model);
    const properties: Fields = {};
    for (const [name, field] of schema.fields ?? []) {
      properties[name] = { ...described(docs?.fields.get(name)?.description), ...this.property(field), ...mergeExtensions(field) };
    }
    const required = [...(docs?.fields ?? [])].filter(([, field]) => field.required).map(([name]) => name);
    return {
      ...described(docs?.description),
      type: 'object',
      ...(Object.keys(properties).length > 0 ? { properties } : {}),
      ...(required.length > 0 ? { required } : {}),
      ...(schema.open === true ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
    };
  }

  /**
   * In OpenAPI 3 a $ref stands in allOf, so that a description may stand beside it;
   * in version 2 beside it, where kubectl's reader does not look into allOf.
   */
  private property(schema: Schema): Fields {
    const reference = this.reference(schema);
    return reference['$ref'] === undefined || this.version === 2 ? reference : { allOf: [reference], default: {} };
  }

  private reference(schema: Schema): Fields {
    if (schema.model === undefined || schema.type !== 'object') return this.inline(schema);
    const home = META.has(schema.model) ? 'io.k8s.apimachinery.pkg.apis.meta.v1' : this.home;
    const name = `${home}.${schema.goName ?? schema.model}`;
    this.define(schema, name);
    return { $ref: `${this.version === 2 ? '#/definitions/' : '#/components/schemas/'}${name}` };
  }
}

const SCALARS: Partial<Record<Schema['type'], Fields>> = {
  string: { type: 'string' },
  bytes: { type: 'string', format: 'byte' },
  integer: { type: 'integer', format: 'int32' },
  number: { type: 'number', format: 'double' },
  boolean: { type: 'boolean' },
  time: { type: 'string', format: 'date-time' },
  quantity: { type: 'string' },
  intOrString: { type: 'string', format: 'int-or-string' },
};

const described = (description: string | undefined): Fields => (description === undefined || description === '' ? {} : { description });

function mergeExtensions({ merge, type }: Schema): Fields {
  if (merge === undefined) return {};
  return { ...patchExtensions(merge), ...(type === 'array' ? listExtensions(merge) : merge.atomic === true ? { 'x-kubernetes-map-type': 'atomic' } : {}) };
}

function patchExtensions({ patchKey, retainKeys }: MergeRule): Fields {
  const strategy = [...(retainKeys === true ? ['retainKeys'] : []), ...(patchKey !== undefined ? ['merge'] : [])].reverse().join(',');
  return { ...(strategy === '' ? {} : { 'x-kubernetes-patch-strategy': strategy }), ...(patchKey ? { 'x-kubernetes-patch-merge-key': patchKey } : {}) };
}

function listExtensions({ listKeys, set, atomic }: MergeRule): Fields {
  if (listKeys !== undefined && atomic !== true) return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': listKeys };
  return set === true ? { 'x-kubernetes-list-type': 'set' } : atomic === true ? { 'x-kubernetes-list-type': 'atomic' } : {};
}
