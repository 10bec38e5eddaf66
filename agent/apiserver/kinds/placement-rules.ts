import type { V1PodSpec, V1Toleration } from '@kubernetes/client-node';
import { labelErrors } from '../registry/metadata-rules.js';
import { dnsSubdomain, labelValue, qualifiedName } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Of a pod spec what says where it runs (pkg/apis/core/validation). */
export function placementErrors(spec: V1PodSpec, path: string): FieldError[] {
  return [
    ...labelErrors(spec.nodeSelector ?? {}, `${path}.nodeSelector`),
    ...(spec.nodeName === undefined || spec.nodeName === '' ? [] : dnsSubdomain(spec.nodeName).map((why) => fieldError.invalid(`${path}.nodeName`, spec.nodeName, why))),
    ...(spec.tolerations ?? []).flatMap((toleration, index) => tolerationErrors(toleration, `${path}.tolerations[${index}]`)),
  ];
}

function tolerationErrors({ key = '', operator = '', value = '', effect = '', tolerationSeconds }: V1Toleration, path: string): FieldError[] {
  const errors = key === '' ? [] : qualifiedName(key).map((why) => fieldError.invalid(`${path}.key`, key, why));
  if (key === '' && operator !== 'Exists') errors.push(fieldError.invalid(`${path}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'));
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') errors.push(fieldError.invalid(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
  if (operator === 'Equal' || operator === '') errors.push(...labelValue(value).map((why) => fieldError.invalid(`${path}.operator`, value, why)));
  else if (operator === 'Exists') errors.push(...(value === '' ? [] : [fieldError.invalid(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'")]));
  else errors.push(fieldError.notSupported(`${path}.operator`, operator, ['Equal', 'Exists']));
  if (effect !== '' && !EFFECTS.includes(effect)) errors.push(fieldError.notSupported(`${path}.effect`, effect, EFFECTS));
  return errors;
}
