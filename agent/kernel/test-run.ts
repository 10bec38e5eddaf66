import { native } from './library.js';

export interface TestRunResult {
  /** What the program returned: TC_ACT_*. */
  readonly verdict: number;
  /** The packet afterwards. */
  readonly packet: Buffer;
  /** Mean of one run. */
  readonly durationNs: number;
  /** struct __sk_buff afterwards: cb, mark and so on. */
  readonly context: Buffer;
}

export interface TestRunInput {
  /** With the Ethernet header. */
  readonly packet: Uint8Array;
  /** Device that the packet seems to be on; 0: lo. */
  readonly ifindex?: number;
  readonly mark?: number;
  readonly repeat?: number;
}

/** Offsets in struct __sk_buff (linux/bpf.h). */
const CONTEXT_SIZE = 192;
const CONTEXT_MARK = 8;
const CONTEXT_IFINDEX = 40;
/** Room for headers that a program adds. */
const GROWTH = 512;

/** Runs a tc program on one packet (BPF_PROG_TEST_RUN). */
export function testRun(programFd: number, input: TestRunInput): TestRunResult {
  const out = Buffer.alloc(input.packet.length + GROWTH);
  const outSize = Buffer.alloc(4);
  outSize.writeUInt32LE(out.length);
  const context = Buffer.alloc(CONTEXT_SIZE);
  context.writeUInt32LE(input.mark ?? 0, CONTEXT_MARK);
  context.writeUInt32LE(input.ifindex ?? 0, CONTEXT_IFINDEX);
  const verdict = Buffer.alloc(4);
  const duration = Buffer.alloc(4);
  native('canal_test_run', 'test run', programFd, input.packet, input.packet.length, out, outSize, context, CONTEXT_SIZE, input.repeat ?? 1, verdict, duration);
  return { verdict: verdict.readInt32LE(), packet: out.subarray(0, outSize.readUInt32LE()), durationNs: duration.readUInt32LE(), context };
}

/** Runs a tc program on many packets, all seeming to be on `ifindex`, in one call. Returns the verdicts. */
export function testRunMany(programFd: number, packets: readonly Uint8Array[], ifindex = 0): Int32Array {
  const sizes = Uint32Array.from(packets, (packet) => packet.length);
  const verdicts = Buffer.alloc(Math.max(4, packets.length * 4));
  native('canal_test_run_many', 'test run', programFd, Buffer.concat(packets), Buffer.from(sizes.buffer), packets.length, ifindex, verdicts);
  return new Int32Array(verdicts.buffer, verdicts.byteOffset, packets.length).slice();
}
