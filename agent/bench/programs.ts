import { ACK, segmentFrame, SYN, TTL } from './frame.js';
import { ALLOWED_PORT, POD_A, POD_B, ProgramNode } from './program-node.js';
import { median, spread, type Spread } from './report.js';
import { testRun } from '../kernel/test-run.js';

/** What running a program once costs, without what running an empty one does. */
export interface ProgramCost {
  readonly packet: 'conntrack-hit' | 'first-allowed' | 'first-denied';
  /** Peers and as many CIDRs in the maps. */
  readonly tableSize: number;
  readonly ns: Spread;
}

/** A run takes one hop off the packet, so it is repeated only while hops are left. */
const REPEAT = TTL - 5;

/**
 * Nanoseconds of `canal_from_pod` with everything on and both pods isolated,
 * through BPF_PROG_TEST_RUN. Sends nothing and touches no device.
 */
export function programCosts(sizes: readonly number[], rounds: number): ProgramCost[] {
  return sizes.flatMap((tableSize) => {
    const node = new ProgramNode(tableSize);
    try {
      return PACKETS.map(({ packet, ...what }) => ({ packet, tableSize, ns: cost(node, what, rounds) }));
    } finally {
      node.close();
    }
  });
}

interface Case {
  readonly flags: number;
  readonly destinationPort: number;
  /** TC_ACT_* expected. */
  readonly verdict: number;
  readonly opens: boolean;
}

const REDIRECT = 7;
const DROP = 2;

const PACKETS: readonly (Case & Pick<ProgramCost, 'packet'>)[] = [
  { packet: 'conntrack-hit', flags: ACK, destinationPort: ALLOWED_PORT, verdict: REDIRECT, opens: false },
  { packet: 'first-allowed', flags: SYN, destinationPort: ALLOWED_PORT, verdict: REDIRECT, opens: true },
  { packet: 'first-denied', flags: SYN, destinationPort: ALLOWED_PORT + 1, verdict: DROP, opens: true },
];

function cost(node: ProgramNode, what: Case, rounds: number): Spread {
  const program = node.program('canal_from_pod');
  const empty = node.program('canal_empty');
  const ports = { source: POD_A.address.bytes, destination: POD_B.address.bytes, destinationPort: what.destinationPort, payload: 0 };
  const run = (fd: number, sourcePort: number, flags: number, repeat: number): ReturnType<typeof testRun> =>
    testRun(fd, { packet: segmentFrame({ ...ports, sourcePort, flags }), ifindex: POD_A.ifindex, repeat });
  if (!what.opens) run(program, 1000, SYN, 1);
  const samples = Array.from({ length: rounds }, () => {
    // An interleaved pair, and the least of a few: what interrupts a run only adds.
    const pairs = Array.from({ length: 9 }, () => {
      const result = run(program, 1000, what.flags, REPEAT);
      if (result.verdict !== what.verdict) throw new Error(`verdict ${result.verdict}, not ${what.verdict}`);
      return [result.durationNs, run(empty, 1000, what.flags, REPEAT).durationNs] as const;
    });
    return median(pairs.map(([full]) => full)) - median(pairs.map(([, none]) => none));
  });
  return spread(samples);
}
