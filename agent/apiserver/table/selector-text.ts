import type { V1LabelSelector } from '@kubernetes/client-node';

/** A label selector as `metav1.FormatLabelSelector` prints it. */
export function labelSelectorText(selector: V1LabelSelector | undefined): string {
  if (selector === undefined) return '<none>';
  const exact = labelsText(selector.matchLabels, '');
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    const sorted = values.toSorted().join(',');
    if (operator === 'In') return `${key} in (${sorted})`;
    if (operator === 'NotIn') return `${key} notin (${sorted})`;
    return operator === 'Exists' ? key : `!${key}`;
  });
  return [...(exact === '' ? [] : [exact]), ...expressions.sort()].join(',') || '<none>';
}

export function labelsText(labels: Readonly<Record<string, string>> | undefined, none = '<none>'): string {
  return (
    Object.entries(labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(',') || none
  );
}
