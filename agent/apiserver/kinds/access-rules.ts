import type { RbacV1Subject, V1PolicyRule, V1RoleRef } from '@kubernetes/client-node';
import { goStrings } from '../go-text.js';
import type { KubeObject } from '../kube-object.js';
import { fieldError, type FieldError } from '../status.js';

/** pkg/apis/rbac/validation of roles. */
export function validateRole(object: KubeObject): FieldError[] {
  const namespaced = object.kind === 'Role';
  return ((object['rules'] as V1PolicyRule[] | undefined) ?? []).flatMap((rule, index) => ruleErrors(rule, namespaced, `rules[${index}]`));
}

function ruleErrors({ verbs = [], apiGroups = [], resources = [], nonResourceURLs = [] }: V1PolicyRule, namespaced: boolean, path: string): FieldError[] {
  const errors = verbs.length === 0 ? [fieldError.required(`${path}.verbs`, 'verbs must contain at least one value')] : [];
  if (nonResourceURLs.length > 0) return namespaced ? [...errors, fieldError.invalid(`${path}.nonResourceURLs`, goStrings(nonResourceURLs), 'namespaced rules cannot apply to non-resource URLs')] : errors;
  if (apiGroups.length === 0) errors.push(fieldError.required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  if (resources.length === 0) errors.push(fieldError.required(`${path}.resources`, 'resource rules must supply at least one resource'));
  return errors;
}

const SUBJECTS = ['ServiceAccount', 'User', 'Group'];

/** And of their bindings. */
export function validateRoleBinding(object: KubeObject): FieldError[] {
  const { kind = '', name = '' } = (object['roleRef'] ?? {}) as Partial<V1RoleRef>;
  const kinds = object.kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  const subjects = (object['subjects'] as RbacV1Subject[] | undefined) ?? [];
  return [
    ...(kinds.includes(kind) ? [] : [fieldError.notSupported('roleRef.kind', kind, kinds)]),
    ...(name === '' ? [fieldError.required('roleRef.name')] : []),
    ...subjects.flatMap((subject, index) => [
      ...(subject.name ? [] : [fieldError.required(`subjects[${index}].name`)]),
      ...(SUBJECTS.includes(subject.kind) ? [] : [fieldError.notSupported(`subjects[${index}].kind`, subject.kind, SUBJECTS)]),
    ]),
  ];
}
