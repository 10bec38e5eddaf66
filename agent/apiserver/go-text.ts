import type { V1LabelSelector } from '@kubernetes/client-node';
import { isFields } from './kube-object.js';

/**
 * A value as Go's `%#v` prints it: what a real server's messages show of
 * values that are no plain text or number.
 */
export class GoText {
  constructor(readonly text: string) {}
}

const quoted = JSON.stringify;
const CONTROLS: Readonly<Record<string, string>> = { '07': '\\a', '0b': '\\v' };

/** As `%q` does: control characters otherwise than JSON. */
export function goQuoted(text: string): string {
  return JSON.stringify(text).replace(/\\(?:u00([01][0-9a-f])|[^])/g, (escape: string, code: string | undefined) => (code === undefined ? escape : (CONTROLS[code] ?? `\\x${code}`)));
}

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

/** A JSON value as `%v` prints it. */
export function goMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(' ')}]`;
  if (!isFields(value)) return value === null ? '<nil>' : String(value as string | number | boolean);
  return `map[${Object.keys(value).toSorted().map((key) => `${key}:${goMap(value[key])}`).join(' ')}]`;
}

export function goIntOrString(value: number | string): GoText {
  return new GoText(typeof value === 'number' ? `intstr.IntOrString{Type:0, IntVal:${value}, StrVal:""}` : `intstr.IntOrString{Type:1, IntVal:0, StrVal:${quoted(value)}}`);
}

const QUANTITY = /^(-?\d+)(?:([KMGTPE])i|([numkMGTPE]))?$/;
const SCALES: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

/** Of whole numbers with a suffix; others are shown as they were given. */
export function goQuantity(amount: string): GoText {
  const [, digits, binary, decimal] = QUANTITY.exec(amount) ?? [];
  if (digits === undefined) return new GoText(amount);
  const value = binary === undefined ? digits : String(BigInt(digits) * 1024n ** BigInt('KMGTPE'.indexOf(binary) + 1));
  return new GoText(`resource.Quantity{i:resource.int64Amount{value:${value}, scale:${decimal === undefined ? 0 : SCALES[decimal]}}, d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:${quoted(amount)}, Format:"${binary === undefined ? 'DecimalSI' : 'BinarySI'}"}`);
}
