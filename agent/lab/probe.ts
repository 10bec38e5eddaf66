import { isIPv6 } from 'node:net';

export type ProbeProtocol = 'TCP' | 'UDP';

/** Who asks: a pod, the nth node itself, or a machine on the LAN that is no node. */
export type ProbeSource = { readonly namespace: string; readonly pod: string } | { readonly node: number } | { readonly outside: true };

/** One question: does a packet from here to there pass? */
export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly protocol: ProbeProtocol;
}

export interface ProbeAnswer {
  /** open: something answered; refused: a host answered that nothing listens; timeout: silence; else as the kernel said. */
  readonly outcome: string;
  /** A packet went there and one came back. */
  readonly allowed: boolean;
  readonly elapsedMs: number;
  /** First line of what the server said, where it was asked to wait for it. */
  readonly answer: string;
}

/** A target as canal-lab takes it. */
export function targetText({ address, port, protocol }: ProbeTarget): string {
  return `${protocol.toLowerCase()}:${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

/** canal-lab's lines, one a target. */
export function parseAnswers(output: string): ProbeAnswer[] {
  return output.split('\n').filter(Boolean).map((line) => {
    const [outcome = '', elapsed = '', ...answer] = line.split(' ');
    // A reset or refusal is an answer from the other end: no policy stood in between.
    return { outcome, allowed: ['open', 'refused', 'reset'].includes(outcome), elapsedMs: Number(elapsed), answer: answer.join(' ') };
  });
}
