import { IpAddress } from '../base/address.js';
import { canalEvent4Codec, canalEvent6Codec, CanalDropReason, CanalEventKind } from '../kernel/abi.generated.js';
import { decode, enumName } from '../kernel/codec.js';

/** What a program reported about one packet (bpf/abi_flow.h, canal_event). */
export interface FlowEvent {
  /** CLOCK_MONOTONIC. */
  readonly timeNs: bigint;
  /** `flow_allowed`, `flow_denied`, `drop`, `revoked`. */
  readonly kind: string;
  /** Of canal_drop_reason, in lower case without DROP_; `none` for what passed. */
  readonly reason: string;
  readonly direction: 'egress' | 'ingress';
  readonly ifindex: number;
  readonly protocol: number;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  /** ICMP: type << 8 | code. */
  readonly destinationPort: number;
  /** Of the IP packet. */
  readonly bytes: number;
  /** 0n: none decided. */
  readonly rule: bigint;
}

/** One record of the ring; undefined where it is none of ours (shorter than its family's struct). */
export function decodeEvent(record: Uint8Array): FlowEvent | undefined {
  if (record.length < canalEvent4Codec.size) return undefined;
  const four = decode(canalEvent4Codec, record);
  if (four.family === 6 && record.length < canalEvent6Codec.size) return undefined;
  if (four.family !== 4 && four.family !== 6) return undefined;
  const event = four.family === 4 ? four : decode(canalEvent6Codec, record);
  return {
    timeNs: event.timeNs,
    kind: enumName(CanalEventKind, event.kind).replace(/^EVENT_/, '').toLowerCase(),
    reason: reasonName(event.reason),
    direction: event.direction === 0 ? 'egress' : 'ingress',
    ifindex: event.ifindex,
    protocol: event.protocol,
    source: IpAddress.fromBytes(event.source.word),
    sourcePort: event.sourcePort,
    destination: IpAddress.fromBytes(event.destination.word),
    destinationPort: event.destinationPort,
    bytes: event.length,
    rule: event.rule,
  };
}

/** A drop reason as metrics, logs and commands write it. */
export const reasonName = (reason: number): string => enumName(CanalDropReason, reason).replace(/^DROP_/, '').toLowerCase();
