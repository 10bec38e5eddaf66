import type { Verdict } from '../desired.js';
import type { Atom } from './atoms.js';
import type { RuleSpec, ServiceSpec, TierSpec } from './table-spec.js';

/** What one pod, or one prefix, answers to the rules. */
export interface Answers {
  readonly atoms: ReadonlySet<Atom>;
  /** portQuery -> numbers. */
  readonly ports: ReadonlyMap<string, readonly number[]>;
}

/** A step function over ports: `verdict` holds from `from` up to the next segment; the first starts at 0. */
export interface Segment {
  readonly from: number;
  readonly verdict: DecidedVerdict;
}

/** A verdict with the name that belongs to its rule id; empty for none. */
export interface DecidedVerdict extends Verdict {
  readonly name: string;
}

/** A table's answer to a peer, for every protocol and port. */
export interface Decision {
  readonly anyProtocol: DecidedVerdict;
  readonly protocols: ReadonlyMap<number, readonly Segment[]>;
}

export const PORTS = 65536;

/**
 * First match for all packets at once: verdicts can only change at a port where
 * some rule begins or ends. `rules`: those that hold for the peer, in order;
 * `ports`: its {@link Answers}'.
 */
export function decide(tiers: readonly TierSpec[], rules: readonly RuleSpec[], ports: Answers['ports']): Decision {
  const edges = new Map<number, Set<number>>();
  for (const service of rules.flatMap((rule) => rule.services ?? [])) {
    const at = edges.get(service.protocol) ?? new Set([0]);
    edges.set(service.protocol, at);
    for (const { from, to } of ranges(service, ports)) at.add(from).add(to + 1);
  }
  const protocols = new Map<number, Segment[]>();
  for (const [protocol, at] of [...edges].sort(([a], [b]) => a - b)) {
    const segments: Segment[] = [];
    for (const from of [...at].filter((port) => port < PORTS).sort((a, b) => a - b)) {
      const verdict = firstMatch(tiers, rules, (service) => holds(service, ports, protocol, from));
      if (segments.length === 0 || !sameVerdict(segments.at(-1)!.verdict, verdict)) segments.push({ from, verdict });
    }
    protocols.set(protocol, segments);
  }
  return { anyProtocol: firstMatch(tiers, rules, () => false), protocols };
}

/**
 * What several pods with one address get: only what each of them would. A deny
 * of any decides; among several that decide alike, the rule that sorts first
 * by name is told (no rule before all).
 */
export function strictest(decisions: readonly Decision[]): Decision {
  const [first, ...rest] = decisions;
  return rest.reduce((a, b) => {
    const protocols = new Map<number, Segment[]>();
    for (const protocol of [...new Set([...a.protocols.keys(), ...b.protocols.keys()])].sort((x, y) => x - y)) {
      const left = a.protocols.get(protocol) ?? [{ from: 0, verdict: a.anyProtocol }];
      const right = b.protocols.get(protocol) ?? [{ from: 0, verdict: b.anyProtocol }];
      const at = [...new Set([...left, ...right].map((s) => s.from))].sort((x, y) => x - y);
      protocols.set(protocol, at.map((from) => ({ from, verdict: stricter(segmentAt(left, from), segmentAt(right, from)) })));
    }
    return { anyProtocol: stricter(a.anyProtocol, b.anyProtocol), protocols };
  }, first!);
}

export const sameVerdict = (a: Verdict, b: Verdict): boolean => a.rule === b.rule && a.allow === b.allow && a.log === b.log;

function segmentAt(segments: readonly Segment[], port: number): DecidedVerdict {
  return segments.findLast((s) => s.from <= port)!.verdict;
}

function stricter(a: DecidedVerdict, b: DecidedVerdict): DecidedVerdict {
  const decides = a.allow !== b.allow ? (a.allow ? b : a) : a.name <= b.name ? a : b;
  const log = a.log || b.log;
  return decides.log === log ? decides : { ...decides, log };
}

/** Tiers in order; in a tier the first allow or deny decides, pass leaves it, log goes on; a tier without a decision denies or passes as it says. */
function firstMatch(tiers: readonly TierSpec[], rules: readonly RuleSpec[], serves: (service: ServiceSpec) => boolean): DecidedVerdict {
  let log = false;
  let passed = -1; // the tier that a pass rule left
  let tier = 0;
  for (const rule of rules) {
    for (; tier < rule.tier; tier++) {
      if (tier !== passed && tiers[tier]!.defaultAction === 'deny') return { rule: 0n, allow: false, log, name: '' };
    }
    if (rule.tier === passed || !(rule.services?.some(serves) ?? true)) continue;
    if (rule.action === 'log') log = true;
    else if (rule.action === 'pass') passed = rule.tier;
    else return { rule: rule.id, allow: rule.action === 'allow', log, name: rule.name };
  }
  for (; tier < tiers.length; tier++) {
    if (tier !== passed && tiers[tier]!.defaultAction === 'deny') return { rule: 0n, allow: false, log, name: '' };
  }
  return { rule: 0n, allow: true, log, name: '' };
}

function holds(service: ServiceSpec, named: Answers['ports'], protocol: number, port: number): boolean {
  if (service.protocol !== protocol) return false;
  return service.ports === undefined || ranges(service, named).some(({ from, to }) => from <= port && port <= to);
}

function ranges({ ports }: ServiceSpec, named: Answers['ports']): readonly { readonly from: number; readonly to: number }[] {
  if (ports === undefined) return [];
  if (ports.queries.length === 0) return ports.ranges;
  return [...ports.ranges, ...ports.queries.flatMap((q) => (named.get(q) ?? []).map((n) => ({ from: n, to: n })))];
}
