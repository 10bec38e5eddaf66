const TCP = 6;
/** TCP flags that a side has sent, as canal_flow and canal_edge keep them. */
const FIN = 1, RST = 4, ACK = 16;

/** A word for how far a flow is. */
export function flowState(protocol: number, { replied, tcpA, tcpB }: { readonly replied: boolean; readonly tcpA: number; readonly tcpB: number }): string {
  if (protocol !== TCP) return replied ? 'answered' : 'unanswered';
  const [both, any] = [tcpA & tcpB, tcpA | tcpB];
  if ((any & RST) !== 0) return 'reset';
  if ((both & FIN) !== 0) return 'closed';
  if ((any & FIN) !== 0) return 'closing';
  return (both & ACK) !== 0 ? 'established' : replied ? 'opening' : 'unanswered';
}
