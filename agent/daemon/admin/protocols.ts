import { CanalError } from '../../base/errors.js';

const NAMES: ReadonlyMap<string, number> = new Map([['ICMP', 1], ['TCP', 6], ['UDP', 17], ['ICMPV6', 58], ['SCTP', 132]]);

export function protocolName(protocol: number): string {
  return [...NAMES].find(([, number]) => number === protocol)?.[0] ?? String(protocol);
}

/** By name in any case, or by number. @throws CanalError('CONFIG') */
export function protocolNumber(text: string): number {
  const named = NAMES.get(text.toUpperCase());
  if (named !== undefined) return named;
  if (!/^\d{1,3}$/.test(text) || Number(text) > 255) throw new CanalError('CONFIG', `--protocol: ${text} is no protocol`, { subject: text });
  return Number(text);
}
