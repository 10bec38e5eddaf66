import type { V1LabelSelector } from '@kubernetes/client-node';
import { labelErrors } from '../registry/metadata-rules.js';
import { labelValue, qualifiedName } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';

/** Rules of a metav1.LabelSelector (apimachinery `meta/v1/validation`). */
export function validateLabelSelector(selector: V1LabelSelector | undefined, path: string): FieldError[] {
  if (selector === undefined) return [];
  const expressions = (selector.matchExpressions ?? []).flatMap((requirement, index) => {
    const at = `${path}.matchExpressions[${index}]`;
    const values = requirement.values ?? [];
    return [
      ...operatorErrors(requirement.operator, values, at),
      ...qualifiedName(requirement.key ?? '').map((why) => fieldError.invalid(`${at}.key`, requirement.key ?? '', why)),
      ...values.flatMap((value, i) => labelValue(value).map((why) => fieldError.invalid(`${at}.values[${i}]`, value, why))),
    ];
  });
  return [...labelErrors(selector.matchLabels ?? {}, `${path}.matchLabels`), ...expressions];
}

function operatorErrors(operator: string, values: readonly string[], at: string): FieldError[] {
  switch (operator) {
    case 'In':
    case 'NotIn':
      return values.length > 0 ? [] : [fieldError.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
    case 'Exists':
    case 'DoesNotExist':
      return values.length === 0 ? [] : [fieldError.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")];
    default:
      return [fieldError.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator')];
  }
}

export function isEmptySelector(selector: V1LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

/** Whether a selector selects these labels; the selector is valid. */
export function selectorMatches(selector: V1LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return (
    exact &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'In') return value !== undefined && values.includes(value);
      if (operator === 'NotIn') return value === undefined || !values.includes(value);
      return operator === 'Exists' ? value !== undefined : value === undefined;
    })
  );
}
