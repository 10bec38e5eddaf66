import { describe, expect, it } from 'vitest';
import { EventPump } from '../../../agent/flows/event-pump.js';
import { decodeEvent, type FlowEvent } from '../../../agent/flows/flow-event.js';
import { RecentEvents } from '../../../agent/flows/recent-events.js';
import { CanalDropReason, canalEvent6Codec, CanalEventKind } from '../../../agent/kernel/abi.generated.js';
import { encode } from '../../../agent/kernel/codec.js';
import { systemClock } from '../../../agent/base/clock.js';
import { denied } from './records.js';

describe('events', () => {
  it('decodes a record of either family', () => {
    expect(decodeEvent(denied(80))).toMatchObject({ kind: 'flow_denied', reason: 'policy_ingress', direction: 'ingress', destinationPort: 80, rule: 7n, bytes: 60 });
    const six = encode(canalEvent6Codec, {
      timeNs: 5n, rule: 0n, family: 6, kind: CanalEventKind.EVENT_DROP, reason: CanalDropReason.DROP_SPOOFED, ifindex: 3, length: 60,
      source: { word: new Uint8Array(16).fill(1) }, destination: { word: new Uint8Array(16) }, sourcePort: 1, destinationPort: 2, protocol: 17, direction: 0,
    });
    expect(decodeEvent(six)).toMatchObject({ reason: 'spoofed', direction: 'egress', source: { text: '101:101:101:101:101:101:101:101' } });
  });

  it('takes no record that is cut short or of no family', () => {
    expect(decodeEvent(denied(80).subarray(0, 40))).toBeUndefined();
    expect(decodeEvent(Buffer.alloc(48))).toBeUndefined();
  });

  it('keeps the latest in order and resumes after a number', () => {
    const recent = new RecentEvents(4);
    for (let port = 1; port <= 6; port++) recent.add(decodeEvent(denied(port))!);
    const ports = (events: readonly FlowEvent[]): number[] => events.map((e) => e.destinationPort);
    expect(ports(recent.after(0))).toEqual([3, 4, 5, 6]);
    expect(ports(recent.after(5))).toEqual([6]);
    expect(ports(recent.after(0, 2))).toEqual([5, 6]);
    expect(recent.after(6)).toEqual([]);
  });

  it('counts what it cannot read and goes on', () => {
    const batches = [[Buffer.alloc(3), denied(1)], [denied(2)]];
    const seen: number[] = [];
    const pump = new EventPump({ drain: () => batches.shift() ?? [] }, systemClock, (e) => seen.push(e.destinationPort));
    pump.drainNow();
    expect([seen, pump.unreadable]).toEqual([[1, 2], 1]);
  });
});
