import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Family } from '../../agent/base/address.js';
import { ACK, type Frame, SYN, TCP, tcp } from './frames.js';
import { Node, type Party } from './node.js';
import { makeDevices, type Devices } from './own-namespace.js';

/** Makes this file's devices, of which each family's node has all. */
export function useDevices(prefix: string): { readonly ifindexes: () => readonly number[] } {
  let devices: Devices | undefined;
  beforeAll(() => {
    devices = makeDevices(prefix, 4);
  });
  afterAll(() => devices?.remove());
  return { ifindexes: () => devices!.ifindexes };
}

/** A node for the cases of a describe block, reset before each. */
export function useNode(family: Family, ifindexes: () => readonly number[], sizes: Readonly<Record<string, number>> = {}): () => Node {
  let node: Node | undefined;
  beforeAll(() => {
    node = new Node(family, ifindexes(), sizes);
  });
  afterAll(() => node?.plane.close());
  beforeEach(() => node!.reset());
  return () => node!;
}

export const passed = { verdict: 'pass', reasons: [] } as const;
export const redirected = { verdict: 'redirect', reasons: [] } as const;
export const denied = (reason: string): object => ({ verdict: 'drop', reasons: [reason] });

/** Frames between the parties of a node. */
export class Talk {
  constructor(private readonly node: () => Node) {}

  frame(source: Party, destination: Party, protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame {
    return { source: this.node().at[source], destination: this.node().at[destination], protocol, body, ...more };
  }

  /** Client's request, to port 80. */
  syn(source: Party, destination: Party, more: Partial<Frame> = {}): Frame {
    return this.frame(source, destination, TCP, tcp(40000, 80, SYN), more);
  }

  synAck(source: Party, destination: Party): Frame {
    return this.frame(source, destination, TCP, tcp(80, 40000, SYN | ACK));
  }

  /** Client's data. */
  data(source: Party, destination: Party, payload = 100, flags = ACK): Frame {
    return this.frame(source, destination, TCP, tcp(40000, 80, flags, payload));
  }

  /** Server's data. */
  answer(source: Party, destination: Party, flags = ACK): Frame {
    return this.frame(source, destination, TCP, tcp(80, 40000, flags, 100));
  }
}
