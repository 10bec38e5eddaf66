import type { V1LabelSelector } from '@kubernetes/client-node';

/**
 * A value as Go's `%#v` prints it: what a real server's messages show of
 * values that are no plain text or number.
 */
export class GoText {
  constructor(readonly text: string) {}
}

const quoted = JSON.stringify;

export const goStrings = (items: readonly string[], type = 'string'): GoText => new GoText(`[]${type}{${items.map((item) => quoted(item)).join(', ')}}`);

export function goStringMap(map: Readonly<Record<string, string>> | undefined): GoText {
  if (map === undefined) return new GoText('map[string]string(nil)');
  const pairs = Object.keys(map).toSorted().map((key) => `${quoted(key)}:${quoted(map[key])}`);
  return new GoText(`map[string]string{${pairs.join(', ')}}`);
}

export function goLabelSelector({ matchLabels, matchExpressions }: V1LabelSelector): GoText {
  const requirements = (matchExpressions ?? []).map(({ key, operator, values }) => `v1.LabelSelectorRequirement{Key:${quoted(key)}, Operator:${quoted(operator)}, Values:${values === undefined ? '[]string(nil)' : goStrings(values).text}}`);
  const expressions = matchExpressions === undefined ? '[]v1.LabelSelectorRequirement(nil)' : `[]v1.LabelSelectorRequirement{${requirements.join(', ')}}`;
  return new GoText(`v1.LabelSelector{MatchLabels:${goStringMap(matchLabels).text}, MatchExpressions:${expressions}}`);
}

export function goIntOrString(value: number | string): GoText {
  return new GoText(typeof value === 'number' ? `intstr.IntOrString{Type:0, IntVal:${value}, StrVal:""}` : `intstr.IntOrString{Type:1, IntVal:0, StrVal:${quoted(value)}}`);
}
