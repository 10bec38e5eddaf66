import { expect } from 'vitest';
import { agentPod, apply, eventually, kubectl, NAMESPACE, nodes, type ClusterNode } from './cluster.js';
import { addressOf, laterReport, prepareTalk, prober, reaches, remove, server, start, type Report, type Target } from './talkers.js';

/** Pods with traffic between two nodes, and one that a policy shuts out: what a fault may not harm, and by which it shows when it is over. */
export interface Scene {
  readonly here: ClusterNode;
  readonly there: ClusterNode;
  readonly far: Target;
}

const PODS = ['far', 'stranger', 'prober'];

export async function openScene(): Promise<Scene> {
  await prepareTalk();
  await remove(...PODS); // of a run that was cut
  const [here, there] = (await nodes()) as [ClusterNode, ClusterNode];
  await start(server('far', there, [80], { labels: { app: 'far' } }), prober('stranger', here, { targets: [], hz: 0, connectHz: 0, held: 0 }));
  const far = { name: 'far', host: await addressOf('far'), port: 80 };
  await start(prober('prober', here, { targets: [far], hz: 200, connectHz: 10, held: 20 }));
  await laterReport('prober', 3000);
  return { here, there, far };
}

export async function closeScene(): Promise<void> {
  await remove(...PODS);
  await kubectl('-n', NAMESPACE, 'delete', 'networkpolicy', 'far', '--ignore-not-found');
}

/** A policy that shuts the stranger out, and opens again. @returns milliseconds from kubectl apply's return until it was in force */
export async function policyTakesEffect({ far }: Scene, withinMs = 60_000): Promise<number> {
  await apply({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'far', namespace: NAMESPACE }, spec: { podSelector: { matchLabels: { app: 'far' } }, ingress: [{ from: [{ podSelector: { matchLabels: { name: 'prober' } } }] }] } });
  const begun = performance.now();
  await eventually('the stranger is kept out', async () => !(await reaches('stranger', far, 'TCP', 500)), withinMs);
  const ms = Math.round(performance.now() - begun);
  await kubectl('-n', NAMESPACE, 'delete', 'networkpolicy', 'far');
  await eventually('the stranger is let in', () => reaches('stranger', far, 'TCP', 500), withinMs);
  console.log(`policy in force ${ms} ms after kubectl apply, the last try of 0.5 s included`);
  return ms;
}

/** Nothing is lost of what the prober sends during `act` and until 9 s after. */
export async function losesNothing(act: () => Promise<void>): Promise<void> {
  const before = await laterReport('prober', 1000);
  await act();
  expectNothingLost(before, await laterReport('prober', 9000));
}

export function expectNothingLost(before: Report, after: Report): void {
  const [was, is] = [before.report[0]!, after.report[0]!];
  console.log(`${is.datagrams.lost - was.datagrams.lost} of ${is.datagrams.sent - was.datagrams.sent} datagrams, ${is.connects.lost - was.connects.lost} of ${is.connects.sent - was.connects.sent} connects, ${is.held.broken - was.held.broken} of ${is.held.open} held`);
  expect({ connects: is.connects.lost - was.connects.lost, broken: is.held.broken - was.held.broken }).toEqual({ connects: 0, broken: 0 });
  expect(is.datagrams.lost - was.datagrams.lost).toBeLessThanOrEqual(after.bufferDrops - before.bufferDrops);
}

interface LogLine {
  readonly level: number;
  readonly time: string;
  readonly msg: string;
  readonly err?: { readonly message?: string };
}

/** What the node's agent said since: its lines of the datastore, with the error's text. */
export async function agentSaid(node: ClusterNode, since: Date): Promise<string[]> {
  const text = await kubectl('-n', 'kube-system', 'logs', (await agentPod(node.name))!, '-c', 'canal', `--since-time=${since.toISOString()}`);
  const lines = text.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  return lines.filter(({ msg }) => msg.startsWith('API server')).map(({ msg, err }) => (err?.message === undefined ? msg : `${msg}: ${err.message}`));
}

/** The line that says what happened is there; it is shown. */
export async function expectSaid(node: ClusterNode, since: Date, pattern: RegExp): Promise<void> {
  const said = await agentSaid(node, since);
  console.log(said.slice(0, 6).join('\n'));
  expect(said.some((line) => pattern.test(line)), `${pattern} in ${JSON.stringify(said)}`).toBe(true);
}
