import type { V1LimitRange, V1LimitRangeItem, V1ResourceQuota } from '@kubernetes/client-node';
import { GoText, goQuantity } from '../go-text.js';
import type { KubeObject } from '../kube-object.js';
import { quantity } from '../quantity.js';
import { qualifiedName } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';

/** What a quota may be of; anything else has a domain, as `count/pods` or `requests.example.com/gpu`. */
const QUOTA_RESOURCES = new Set(['', 'requests.', 'limits.'].flatMap((prefix) => ['cpu', 'memory', 'ephemeral-storage'].map((name) => prefix + name)).concat('requests.storage', 'pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets', 'persistentvolumeclaims', 'configmaps', 'services.nodeports', 'services.loadbalancers'));

/** pkg/apis/core/validation: amounts that nothing here enforces, but that a real cluster would not take. */
export function validateResourceQuota(object: KubeObject): FieldError[] {
  const { hard = {} } = (object as unknown as V1ResourceQuota).spec ?? {};
  return Object.entries(hard).flatMap(([name, amount]) => {
    const at = `spec.hard[${name}]`;
    return [
      ...qualifiedName(name).map((why) => fieldError.invalid(at, new GoText(name), why)),
      ...(name.includes('/') || QUOTA_RESOURCES.has(name) || name.startsWith('hugepages-') || name.startsWith('requests.hugepages-') ? [] : [fieldError.invalid(at, new GoText(name), 'must be a standard resource for quota')]),
      ...((quantity(amount) ?? 0) < 0 ? [fieldError.invalid(at, amount, 'must be greater than or equal to 0')] : []),
    ];
  });
}

export function validateLimitRange(object: KubeObject): FieldError[] {
  const { limits = [] } = (object as unknown as V1LimitRange).spec ?? {};
  return limits.flatMap((limit, index) => limitErrors(limit, `spec.limits[${index}]`));
}

type Bound = 'min' | 'max' | '_default' | 'defaultRequest';
const FIELDS: Readonly<Record<Bound, string>> = { min: 'min', max: 'max', _default: 'default', defaultRequest: 'defaultRequest' };
const CALLED: Readonly<Record<Bound, string>> = { min: 'min value', max: 'max value', _default: 'default value', defaultRequest: 'default request value' };

/** What must not be greater than what, the field that is told of and whose amount is shown there. */
const ORDERED: readonly (readonly [lower: Bound, upper: Bound, told: Bound, shown: Bound])[] = [
  ['min', 'max', 'min', 'min'],
  ['min', 'defaultRequest', 'defaultRequest', 'defaultRequest'],
  ['defaultRequest', 'max', 'defaultRequest', 'defaultRequest'],
  ['defaultRequest', '_default', 'defaultRequest', 'defaultRequest'],
  ['min', '_default', '_default', 'min'],
  ['_default', 'max', '_default', 'max'],
];

function limitErrors(limit: V1LimitRangeItem, path: string): FieldError[] {
  const amountOf = (bound: Bound, name: string): string | undefined => (limit as unknown as Record<string, Record<string, string> | undefined>)[FIELDS[bound]]?.[name];
  const names = new Set((Object.keys(FIELDS) as Bound[]).flatMap((bound) => Object.keys((limit as unknown as Record<string, object | undefined>)[FIELDS[bound]] ?? {})));
  return [...names].toSorted().flatMap((name) =>
    ORDERED.flatMap(([lower, upper, told, shown]) => {
      const [low, high] = [amountOf(lower, name), amountOf(upper, name)];
      if (low === undefined || high === undefined || (quantity(low) ?? 0) <= (quantity(high) ?? 0)) return [];
      const limitCalled = lower === 'defaultRequest' && upper === '_default' ? 'default limit value' : CALLED[upper];
      return [fieldError.invalid(`${path}.${FIELDS[told]}[${name}]`, goQuantity(amountOf(shown, name) ?? ''), `${CALLED[lower]} ${low} is greater than ${limitCalled} ${high}`)];
    }),
  );
}
