import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { addressOf, applyPolicy, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { losses, nowMs, Traffic, type FlowTally } from './traffic.js';

const KEPT = 80;
const REVOKED = 81;
const FLOWS_OF_A_KIND = 25;
const EVERY_MS = 50;
/** From the API server's answer to the policy until nothing more of a revoked flow arrives. */
const REVOKED_WITHIN_MS = 1_000;
/** Longest wait for an echo on a kept flow: as long as a busy machine may let the client wait. Losses are counted, not guessed from gaps. */
const GAP_MS = 1_000;

let lab: Lab;
let traffic: Traffic;

beforeAll(async () => {
  lab = await startTestLab('revocation', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node1' });
  await createPod(lab, 'x/near', { node: 'node1', labels: { role: 'server' } });
  await createPod(lab, 'x/far', { node: 'node2', labels: { role: 'server' } });
  await lab.podsReady();
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

const policy = (ports: readonly number[]) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'server' },
  spec: { podSelector: { matchLabels: { role: 'server' } }, policyTypes: ['Ingress'], ingress: [{ ports: ports.flatMap((port) => ['TCP', 'UDP'].map((protocol) => ({ port, protocol }))) }] },
});

const targets = (port: number): string[] =>
  ['x/near', 'x/far'].flatMap((who) => ['tcp', 'udp'].flatMap((protocol) => Array.from({ length: FLOWS_OF_A_KIND }, () => `${protocol}:${addressOf(lab, who)}:${port}`)));

it('revokes 100 of 200 long-lived flows within a second, and the others lose nothing', async () => {
  const servers = await Promise.all(['x/near', 'x/far'].map((who) => traffic.serve(who, [KEPT, REVOKED])));
  await applyPolicy(lab, 'x', policy([KEPT, REVOKED]));
  const kept = await traffic.stream('x/client', EVERY_MS, targets(KEPT));
  const revoked = await traffic.stream('x/client', EVERY_MS, targets(REVOKED));
  const still = (flows: readonly FlowTally[]): string[] => flows.flatMap((flow, i) => (flow.echoed >= 10 && nowMs() - flow.lastMs < 1_000 ? [] : [`flow ${i} is not busy yet: ${JSON.stringify(flow)}`]));
  await eventually('flows are busy', async () => [...still(await kept.tally()), ...still(await revoked.tally())], { withinMs: 5_000 });

  await kept.mark();
  await applyPolicy(lab, 'x', policy([KEPT]));
  const appliedMs = nowMs();
  await eventually('revoked flows have been silent for a while', async () => (nowMs() - Math.max(...(await lastBytes(servers, revoked))) > 1_500 ? [] : ['not yet']), { withinMs: 6_000, everyMs: 100 });

  const last = Math.max(...(await lastBytes(servers, revoked)));
  expect(last - appliedMs, 'ms from the policy to the last byte of a revoked flow').toBeLessThan(REVOKED_WITHIN_MS);
  const flows = await kept.tally();
  expect(await losses(kept), 'flows that lost messages or sent them again').toEqual([]);
  expect(flows.filter((flow) => flow.gapMs > GAP_MS).map((flow) => flow.gapMs)).toEqual([]);
  console.log(`last byte of a revoked flow ${(last - appliedMs).toFixed(0)} ms after the policy; longest gap of a kept one ${Math.max(...flows.map((flow) => flow.gapMs)).toFixed(0)} ms`);
}, 60_000);

it('lets the revoked flows live again where policy allows them again', async () => {
  const servers = await traffic.serve('x/near', [90]);
  await applyPolicy(lab, 'x', policy([90]));
  const flows = await traffic.stream('x/client', EVERY_MS, [`tcp:${addressOf(lab, 'x/near')}:90`, `udp:${addressOf(lab, 'x/near')}:90`]);
  const echoes = async (): Promise<number[]> => (await flows.tally()).map((flow) => flow.echoed);
  await eventually('flows are busy', async () => ((await echoes()).every((n) => n > 5) ? [] : ['not yet']), { withinMs: 5_000 });
  await applyPolicy(lab, 'x', policy([91]));
  let before = 0;
  await eventually('nothing arrives', async () => {
    const now = [...(await servers.tally()).values()].reduce((n, port) => n + port.segments + port.datagrams, 0);
    const complaint = now === before ? [] : [`${now - before} arrived`];
    before = now;
    return complaint;
  }, { withinMs: 3_000, everyMs: 300 });
  const stopped = await echoes();
  await applyPolicy(lab, 'x', policy([90]));
  await eventually('echoes come again', async () => ((await echoes()).every((n, i) => n > stopped[i]! + 3) ? [] : ['not yet']), { withinMs: 5_000 });
}, 60_000);

/** When each revoked flow's last byte arrived, at a server or as an echo at the client. */
async function lastBytes(servers: readonly { tally(): Promise<ReadonlyMap<number, { lastMs: number }>> }[], revoked: { tally(): Promise<FlowTally[]> }): Promise<number[]> {
  const atServers = await Promise.all(servers.map(async (server) => (await server.tally()).get(REVOKED)!.lastMs));
  return [...atServers, ...(await revoked.tally()).map((flow) => flow.lastMs)];
}
