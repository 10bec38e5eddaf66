import type { V1CustomResourceColumnDefinition, V1CustomResourceDefinition, V1CustomResourceDefinitionSpec, V1CustomResourceDefinitionVersion } from '@kubernetes/client-node';
import { JSONPath } from 'jsonpath-plus';
import { fieldsAt, listAt, textAt, timestamp, type KubeObject } from '../kube-object.js';
import type { Kind, ScalePaths, Strategy } from '../registry/kind.js';
import { applyStructuralDefaults, structuralSchema, validateStructural } from '../schema/structural-schema.js';
import { fieldError, type FieldError } from '../status.js';
import { age, ageColumn, column, nameColumn, type Column } from '../table/column.js';

const specOf = (object: KubeObject): V1CustomResourceDefinitionSpec => (object as unknown as V1CustomResourceDefinition).spec;

function applyDefaults(draft: KubeObject): void {
  const spec = specOf(draft);
  if (spec?.names === undefined) return;
  spec.names.singular ??= (spec.names.kind ?? '').toLowerCase();
  spec.names.listKind ??= `${spec.names.kind}List`;
  spec.conversion ??= { strategy: 'None' };
}

function validate(object: KubeObject): FieldError[] {
  const spec = specOf(object);
  const errors: FieldError[] = [];
  if (!spec?.group) errors.push(fieldError.required('spec.group'));
  if (!spec?.names?.plural) errors.push(fieldError.required('spec.names.plural'));
  if (!spec?.names?.kind) errors.push(fieldError.required('spec.names.kind'));
  if (errors.length > 0) return errors;
  if (!['Cluster', 'Namespaced'].includes(spec.scope)) errors.push(spec.scope ? fieldError.notSupported('spec.scope', spec.scope, ['Cluster', 'Namespaced']) : fieldError.required('spec.scope'));
  const expected = `${spec.names.plural}.${spec.group}`;
  if (object.metadata.name !== expected) errors.push(fieldError.invalid('metadata.name', object.metadata.name, `must be spec.names.plural+"."+spec.group`));
  if ((spec.versions ?? []).filter((version) => version.storage).length !== 1) errors.push(fieldError.invalid('spec.versions', spec.versions ?? [], 'must have exactly one version marked as storage version'));
  for (const [index, version] of (spec.versions ?? []).entries()) {
    if (version.schema?.openAPIV3Schema === undefined) errors.push(fieldError.required(`spec.versions[${index}].schema.openAPIV3Schema`, 'schemas are required'));
  }
  return errors;
}

function prepareCreate(draft: KubeObject): void {
  draft['status'] = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: (specOf(draft)?.versions ?? []).filter((version) => version.storage).map((version) => version.name) };
}

export const isEstablished = (definition: KubeObject): boolean => listAt(definition, 'status', 'conditions').some((one) => textAt(one, 'type') === 'Established');

/** A definition is established as soon as it is stored: this server has no other naming authority to ask. */
export function establish(draft: KubeObject, now: number): void {
  const spec = specOf(draft);
  const since = timestamp(now);
  draft['status'] = {
    ...fieldsAt(draft, 'status'),
    conditions: [
      { type: 'NamesAccepted', status: 'True', lastTransitionTime: since, reason: 'NoConflicts', message: 'no conflicts found' },
      { type: 'Established', status: 'True', lastTransitionTime: since, reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' },
    ],
    acceptedNames: spec?.names,
  };
}

/** Held until the objects of the kind are gone. */
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

function prepareDelete(draft: KubeObject): void {
  delete draft.metadata.deletionGracePeriodSeconds;
  if (draft.metadata.finalizers?.includes(CLEANUP) === true) return;
  draft.metadata.finalizers = [...(draft.metadata.finalizers ?? []), CLEANUP];
  const terminating = { type: 'Terminating', status: 'True', lastTransitionTime: draft.metadata.deletionTimestamp, reason: 'InstanceDeletionPending', message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon' };
  draft['status'] = { ...fieldsAt(draft, 'status'), conditions: [...listAt(draft, 'status', 'conditions'), terminating] };
}

export const customResourceStrategy: Strategy = { prepareCreate, prepareDelete, applyDefaults, validate, needsVersion: true, returnsDeleted: true, statusKeepsMetadata: true };

/** The kinds that a definition serves, one for each served version. */
export function customKinds(definition: KubeObject): Kind[] {
  const spec = specOf(definition);
  return spec.versions.filter((version) => version.served).map((version) => customKind(spec, version));
}

function customKind(spec: V1CustomResourceDefinitionSpec, version: V1CustomResourceDefinitionVersion): Kind {
  const props = (version.schema?.openAPIV3Schema ?? { type: 'object' });
  const { names } = spec;
  return {
    group: spec.group,
    version: version.name,
    kind: names.kind,
    resource: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: spec.scope === 'Namespaced',
    schema: structuralSchema(props, names.kind),
    listKind: names.listKind ?? `${names.kind}List`,
    hasStatus: version.subresources?.status !== undefined,
    hasGeneration: true,
    ...scaleOf(version),
    selectable: {},
    columns: columnsOf(version.additionalPrinterColumns),
    strategy: { applyDefaults: (draft) => applyStructuralDefaults(draft, props), validate: (object) => validateStructural(object, props) },
    custom: true,
  };
}

function scaleOf(version: V1CustomResourceDefinitionVersion): { scale?: ScalePaths } {
  const scale = version.subresources?.scale;
  if (scale === undefined) return {};
  const path = (text: string | undefined): string[] => (text ?? '').split('.').filter((step) => step !== '');
  return { scale: { replicas: path(scale.specReplicasPath), statusReplicas: path(scale.statusReplicasPath), selector: path(scale.labelSelectorPath) } };
}

function columnsOf(definitions: readonly V1CustomResourceColumnDefinition[] | undefined): Column[] {
  if (definitions === undefined || definitions.length === 0) return [nameColumn, ageColumn];
  return [nameColumn, ...definitions.map(printerColumn)];
}

function printerColumn(definition: V1CustomResourceColumnDefinition): Column {
  const path = `$${definition.jsonPath}`;
  const cell = (object: KubeObject, now: number): string | number | boolean | null => {
    const [found]: unknown[] = JSONPath<unknown[]>({ path, json: object, eval: 'safe' });
    if (found === undefined || found === null) return null;
    if (definition.type === 'date') return age(typeof found === 'string' ? found : undefined, now);
    return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean' ? found : JSON.stringify(found);
  };
  const type = definition.type === 'date' ? 'string' : (definition.type as Column['type']);
  return column(definition.name, cell, { type, wide: (definition.priority ?? 0) > 0, description: definition.description ?? `Custom resource definition column (in JSONPath format): ${definition.jsonPath}` });
}
