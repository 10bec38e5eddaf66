import { CanalDropReason, canalEvent4Codec, CanalEventKind } from '../../../agent/kernel/abi.generated.js';
import { encode } from '../../../agent/kernel/codec.js';

/** An IPv4 connection that policy denied, as the programs write it. */
export const denied = (destinationPort: number): Buffer =>
  encode(canalEvent4Codec, {
    timeNs: 5n, rule: 7n, family: 4, kind: CanalEventKind.EVENT_FLOW_DENIED, reason: CanalDropReason.DROP_POLICY_INGRESS, ifindex: 3, length: 60,
    source: { word: Uint8Array.of(10, 0, 0, 1) }, destination: { word: Uint8Array.of(10, 0, 0, 2) }, sourcePort: 4000, destinationPort, protocol: 6, direction: 1,
  });
