import { ACK, segmentFrame, SYN, TTL } from './frame.js';
import type { IpAddress } from '../base/address.js';
import { address, ALLOWED_PORT, KNOWN_PORT, POD_A, POD_B, ProgramNode } from './program-node.js';
import { median, spread, type Spread } from './report.js';
import { SERVICE_PORT } from './services.js';
import { testRun } from '../kernel/test-run.js';

/** What running a program once costs, without what running an empty one does. */
export interface ProgramCost {
  /**
   * `conntrack-hit`: of an established connection. `first-…`: of a flow; a connection request that comes again and again is judged each time. `cold-…`: each
   * of a flow of its own, run once, so that what it looks up is as cold as it is after a system call.
   */
  readonly packet: 'conntrack-hit' | 'first-allowed' | 'first-denied' | 'cold-allowed' | 'cold-denied' | 'cold-service';
  /** Peers, and as many CIDRs, services and other flows in the maps. */
  readonly tableSize: number;
  readonly ns: Spread;
}

/** Runs of one measurement of a packet that is repeated: each takes one hop off the packet, so only while hops are left. */
const REPEAT = TTL - 5;
/** Flows of one measurement of cold packets. */
const FLOWS = 96;

/**
 * Nanoseconds of `canal_from_pod` with everything on and both pods isolated,
 * through BPF_PROG_TEST_RUN. Sends nothing and touches no device.
 */
export function programCosts(sizes: readonly number[], rounds: number): ProgramCost[] {
  return sizes.flatMap((tableSize) => {
    const node = new ProgramNode(tableSize);
    try {
      return PACKETS.map((what) => ({ packet: what.packet, tableSize, ns: cost(node, what, tableSize, rounds) }));
    } finally {
      node.close();
    }
  });
}

interface Case {
  readonly packet: ProgramCost['packet'];
  readonly flags: number;
  readonly to: 'pod' | 'service';
  readonly destinationPort: number;
  /** TC_ACT_* expected. */
  readonly verdict: number;
}

const REDIRECT = 7;
const DROP = 2;

const PACKETS: readonly Case[] = [
  { packet: 'conntrack-hit', flags: ACK, to: 'pod', destinationPort: ALLOWED_PORT, verdict: REDIRECT },
  { packet: 'first-allowed', flags: SYN, to: 'pod', destinationPort: ALLOWED_PORT, verdict: REDIRECT },
  { packet: 'first-denied', flags: SYN, to: 'pod', destinationPort: ALLOWED_PORT + 1, verdict: DROP },
  { packet: 'cold-allowed', flags: SYN, to: 'pod', destinationPort: ALLOWED_PORT, verdict: REDIRECT },
  { packet: 'cold-denied', flags: SYN, to: 'pod', destinationPort: ALLOWED_PORT + 1, verdict: DROP },
  { packet: 'cold-service', flags: SYN, to: 'service', destinationPort: SERVICE_PORT, verdict: REDIRECT },
];

function cost(node: ProgramNode, what: Case, tableSize: number, rounds: number): Spread {
  const once = what.packet.startsWith('cold') ? coldFlows(node, what, tableSize) : repeated(node, what);
  return spread(Array.from({ length: rounds }, once));
}

/** An interleaved pair a few times, and their medians: what interrupts a run only adds. */
function repeated(node: ProgramNode, what: Case): () => number {
  const run = runner(node, what);
  const port = what.flags === ACK ? KNOWN_PORT : KNOWN_PORT + 1;
  return () => {
    const pairs = Array.from({ length: 9 }, () => [run('canal_from_pod', port, REPEAT, POD_B.address), run('canal_empty', port, REPEAT, POD_B.address)] as const);
    return median(pairs.map(([full]) => full)) - median(pairs.map(([, none]) => none));
  };
}

/** Flows one after another, to another service each where it is one, and the empty program between them: as cold as those are. */
function coldFlows(node: ProgramNode, what: Case, tableSize: number): () => number {
  const run = runner(node, what);
  let flow = 0;
  return () => {
    const pairs = Array.from({ length: FLOWS }, () => {
      flow++;
      const port = 1024 + (flow % 60_000);
      const to = what.to === 'pod' ? POD_B.address : address((flow * 7919) % tableSize);
      return [run('canal_from_pod', port, 1, to), run('canal_empty', port, 1, to)] as const;
    });
    return median(pairs.map(([full]) => full)) - median(pairs.map(([, none]) => none));
  };
}

/** @throws Error when the program does not say what it should */
function runner(node: ProgramNode, { flags, destinationPort, verdict }: Case) {
  return (name: 'canal_from_pod' | 'canal_empty', sourcePort: number, repeat: number, to: IpAddress): number => {
    const packet = segmentFrame({ source: POD_A.address.bytes, destination: to.bytes, sourcePort, destinationPort, flags, payload: 0 });
    const result = testRun(node.program(name), { packet, ifindex: POD_A.ifindex, repeat });
    if (name === 'canal_from_pod' && result.verdict !== verdict) throw new Error(`verdict ${result.verdict} for ${to.text}:${destinationPort}, not ${verdict}`);
    return result.durationNs;
  };
}
