import { contentId } from '../../base/hash.js';
import type { RuleRow } from '../desired.js';
import { type DecidedVerdict, type Decision, PORTS, type Segment, sameVerdict } from './verdicts.js';

/** Rows of one rows id, and what they are made of. */
export interface Rows {
  /** contentId of the rows. */
  readonly id: bigint;
  readonly rows: readonly RuleRow[];
  /** Rule id -> name, of every rule that a row tells. */
  readonly rules: ReadonlyMap<bigint, string>;
}

/**
 * A decision as longest-prefix rows: one for any protocol, one a protocol that
 * differs from it, and as few port prefixes as give the same function (ORTC,
 * Draves et al. 1999, on a 16-bit tree cut at the segments' borders).
 */
export function ruleRows(decision: Decision): Rows {
  const rows: RuleRow[] = [row(undefined, 0, 0, decision.anyProtocol)];
  const rules = new Map<bigint, string>();
  const tell = (verdict: DecidedVerdict): void => {
    if (verdict.rule !== 0n) rules.set(verdict.rule, verdict.name);
  };
  tell(decision.anyProtocol);
  for (const [protocol, segments] of decision.protocols) {
    const cover = (node: Tree, inherited: DecidedVerdict): void => {
      const kept = node.choices.some((v) => sameVerdict(v, inherited));
      const verdict = kept ? inherited : node.choices[0]!;
      if (!kept) {
        rows.push(row(protocol, node.port, node.bits, verdict));
        tell(verdict);
      }
      for (const child of node.children) cover(child, verdict);
    };
    cover(tree(segments, 0, 0, 0, segments.length), decision.anyProtocol);
  }
  return { id: contentId(JSON.stringify(['rows', rows.map(rowText)])), rows, rules };
}

function row(protocol: number | undefined, port: number, portBits: number, verdict: DecidedVerdict): RuleRow {
  return { protocol, port, portBits, verdict: { rule: verdict.rule, allow: verdict.allow, log: verdict.log } };
}

const rowText = ({ protocol, port, portBits, verdict }: RuleRow): unknown =>
  [protocol ?? null, port, portBits, verdict.rule.toString(16), verdict.allow, verdict.log];

/** A prefix of the port space with the verdicts it may carry at no extra cost. */
interface Tree {
  readonly port: number;
  readonly bits: number;
  readonly choices: readonly DecidedVerdict[];
  readonly children: readonly Tree[];
}

/** Over the segments [low, high), which are those that meet this prefix. */
function tree(segments: readonly Segment[], port: number, bits: number, low: number, high: number): Tree {
  if (high - low === 1) return { port, bits, choices: [segments[low]!.verdict], children: [] };
  const middle = port + (PORTS >> (bits + 1));
  let split = low;
  while (split < high && segments[split]!.from < middle) split++;
  // The segment before `split` reaches into the upper half unless one begins exactly there.
  const upperLow = split < high && segments[split]!.from === middle ? split : split - 1;
  const children = [tree(segments, port, bits + 1, low, split), tree(segments, middle, bits + 1, upperLow, high)] as const;
  const both = children[0].choices.filter((a) => children[1].choices.some((b) => sameVerdict(a, b)));
  return { port, bits, choices: both.length > 0 ? both : [...children[0].choices, ...children[1].choices], children };
}
