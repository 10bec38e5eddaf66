import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply, canal, eventually, given, kubectl, NAMESPACE, nodes, shellOn, type ClusterNode } from '../cluster.js';
import { addressOf, laterReport, prepareTalk, prober, reaches, remove, server, start, type Report, type Target } from '../talkers.js';

/** How long the API server stays away. */
const OUTAGE_MS = Number(process.env['OUTAGE_S'] ?? 60) * 1000;

const control = (verb: string): Promise<unknown> => promisify(execFile)(given.controlPlane[0]!, [...given.controlPlane.slice(1), verb]);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a control plane does to its nodes. CONTROL_PLANE's verbs: stop and start the API server, compact etcd's history. */
export function faults(): void {
  let here: ClusterNode;
  let there: ClusterNode;
  let far: Target;

  beforeAll(async () => {
    await prepareTalk();
    [here, there] = (await nodes()) as [ClusterNode, ClusterNode];
    await start(server('far', there, [80], { labels: { app: 'far' } }), prober('stranger', here, { targets: [], hz: 0, connectHz: 0, held: 0 }));
    far = { name: 'far', host: await addressOf('far'), port: 80 };
    await start(prober('prober', here, { targets: [far], hz: 200, connectHz: 10, held: 20 }));
    await laterReport('prober', 3000);
  });
  afterAll(() => remove('far', 'stranger', 'prober'));

  it.runIf(given.controlPlane.length > 0)(`an API server that is away for ${OUTAGE_MS / 1000} s: pods keep their traffic, status says so, and a policy of afterwards is in force within seconds`, async () => {
    const before = await laterReport('prober', 1000);
    await control('stop');
    await pause(OUTAGE_MS);
    const conditions = await statusOn(here.name);
    expect(conditions.find((c) => c.name === 'api')).toMatchObject({ ok: false });
    expect(conditions.find((c) => c.name === 'policy')).toMatchObject({ ok: true });
    await control('start');
    await eventually('the API server answers', async () => (await kubectl('get', '--raw', '/readyz')) === 'ok', 120_000);
    expectNothingLost(before, await laterReport('prober', 9000));
    await policyTakesEffect();
    await eventually('status says connected', async () => (await canal(here.name, 'status')).includes('connected'), 60_000);
  }, 900_000);

  it.runIf(given.controlPlane.length > 0)('a history that is compacted under the watches: nothing is lost and a new policy is in force within seconds', async () => {
    const before = await laterReport('prober', 1000);
    await control('compact');
    await policyTakesEffect();
    expectNothingLost(before, await laterReport('prober', 9000));
  });

  async function policyTakesEffect(): Promise<void> {
    const begun = performance.now();
    await apply({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'far', namespace: NAMESPACE }, spec: { podSelector: { matchLabels: { app: 'far' } }, ingress: [{ from: [{ podSelector: { matchLabels: { name: 'prober' } } }] }] } });
    await eventually('the stranger is kept out', async () => !(await reaches('stranger', far, 'TCP', 500)), 60_000);
    console.log(`policy in force ${Math.round(performance.now() - begun)} ms after kubectl apply began`);
    await kubectl('-n', NAMESPACE, 'delete', 'networkpolicy', 'far');
    await eventually('the stranger is let in', () => reaches('stranger', far, 'TCP', 500));
  }
}

/** Through the node, since kubectl has nobody to ask. */
async function statusOn(node: string): Promise<readonly { readonly name: string; readonly ok: boolean; readonly message: string }[]> {
  const text = await shellOn(node, 'curl -s --unix-socket /run/canal/admin.sock http://canal/v1/status');
  return (JSON.parse(text) as { conditions: readonly { name: string; ok: boolean; message: string }[] }).conditions;
}

function expectNothingLost(before: Report, after: Report): void {
  const [was, is] = [before.report[0]!, after.report[0]!];
  console.log(`${is.datagrams.lost - was.datagrams.lost} of ${is.datagrams.sent - was.datagrams.sent} datagrams, ${is.connects.lost - was.connects.lost} of ${is.connects.sent - was.connects.sent} connects, ${is.held.broken - was.held.broken} of ${is.held.open} held`);
  expect({ connects: is.connects.lost - was.connects.lost, broken: is.held.broken - was.held.broken }).toEqual({ connects: 0, broken: 0 });
  expect(is.datagrams.lost - was.datagrams.lost).toBeLessThanOrEqual(after.bufferDrops - before.bufferDrops);
}
