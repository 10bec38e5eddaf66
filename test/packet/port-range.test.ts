import { expect, it } from 'vitest';
import { canalEdge4Codec, CanalDropReason, canalEdgeKey4Codec, CanalEdgeFlags, CanalFull, type CanalEdge4, type CanalEdgeKey4 } from '../../agent/kernel/abi.generated.js';
import { encode } from '../../agent/kernel/codec.js';
import { Edge } from './edge-scene.js';
import { ACK, frameBytes, sealed, SYN, TCP, tcp } from './frames.js';
import { FAST_LOCAL, MASQUERADE, u32 } from './node.js';
import { useDevices, useNode } from './scene.js';

const PORTS = { edgePortMin: 1024, edgePortMax: 65_535 };
const ALL = PORTS.edgePortMax - PORTS.edgePortMin + 1;
/** Of the ports, how many flows have them that were there before: each packet costs a system call, and the last ports are the hard ones. 0: none. */
const BEFORE = Math.floor(ALL * Number(process.env['CANAL_PORTS_BEFORE'] ?? 0.9));
const EACH = 1024;
/** Two a port. */
const ROWS = 131_072;

const devices = useDevices('cpl');
const node = useNode(4, devices.ifindexes, { canal_edge4: ROWS, canal_local4: 256 });
const edge = new Edge(node);
const pod = (i: number): Buffer => Buffer.from([10, 42, 0, 100 + i]);

/** Both rows of a flow that goes on, as the programs write them. */
function flow(source: Buffer, sourcePort: number, port: number): { key: Buffer; value: Buffer }[] {
  const nowS = Number(process.hrtime.bigint() / 1_000_000_000n);
  const [at, to] = [{ word: edge.address }, { word: node().at.outside }];
  const row = { service: 0n, seenS: nowS, openedS: nowS, tcp: SYN | ACK };
  const both: [CanalEdgeKey4, CanalEdge4][] = [
    [{ source: { word: source }, destination: to, sourcePort, destinationPort: 443, protocol: TCP }, { ...row, source: at, destination: to, sourcePort: port, destinationPort: 443, flags: 0 }],
    [{ source: to, destination: at, sourcePort: 443, destinationPort: port, protocol: TCP }, { ...row, source: to, destination: { word: source }, sourcePort: 443, destinationPort: sourcePort, flags: CanalEdgeFlags.EDGE_ANSWER }],
  ];
  return both.map(([key, value]) => ({ key: encode(canalEdgeKey4Codec, key), value: encode(canalEdge4Codec, value) }));
}

it(`of ${ALL} source ports towards one port of one address, flows get 95 of 100, in a map with room for all of them; the rest is dropped and counted`, () => {
  edge.on(MASQUERADE | FAST_LOCAL, PORTS);
  const taken = Array.from({ length: ALL }, (_, i) => PORTS.edgePortMin + ((i * 7919) % ALL)).slice(0, BEFORE);
  if (BEFORE > 0) node().plane.putAll('edge', taken.flatMap((port, i) => flow(Buffer.from([10, 42, 1 + (i >> 10), 1]), 20_000 + (i & 1023), port)));
  expect(node().plane.rows('edge')).toHaveLength(2 * BEFORE);

  // The same source ports in all pods, and flows that were there before have these: only another will do.
  const device = { ifindex: node().device('outside'), ingressIfindex: node().device('a') };
  const pods = Math.ceil((ALL - BEFORE) / EACH);
  for (let i = 0; i < pods; i++) {
    node().plane.put('local', pod(i), u32(node().device('a')));
    node().plane.feed('canal_to_upl', Array.from({ length: EACH }, (_, n) => frameBytes(sealed({ source: pod(i), destination: node().at.outside, protocol: TCP, body: tcp(20_000 + n, 443, SYN) }))), device);
  }
  const rows = node().plane.rows('edge');
  const used = new Set(rows.filter(({ key }) => key.subarray(0, 4).equals(node().at.outside)).map(({ key }) => key.readUInt16BE(10)));
  const refused = node().plane.counters('drop')[CanalDropReason.DROP_NAT_EXHAUSTED]!;
  console.log(`${used.size} of ${ALL} ports (${BEFORE} of them before), ${(100 * used.size / ALL).toFixed(2)} %; ${refused} flows found none`);
  expect(used.size).toBeGreaterThanOrEqual(0.95 * ALL);
  expect([...used].every((port) => port >= PORTS.edgePortMin)).toBe(true);
  // No flow has lost its rows to another.
  expect(used.size + refused).toBe(BEFORE + pods * EACH);
  expect(rows).toHaveLength(2 * used.size);
  expect(node().plane.counters('full')[CanalFull.FULL_EDGE]).toBe(0);
}, 120_000);
