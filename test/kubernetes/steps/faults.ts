import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { canal, eventually, given, kubectl, shellOn } from '../cluster.js';
import { closeScene, expectSaid, losesNothing, openScene, policyTakesEffect, type Scene } from '../effect.js';
import { remove, server, start } from '../talkers.js';
import { cniWithoutApi } from './outage.js';

/** How long the API server stays away. */
const OUTAGE_MS = Number(process.env['OUTAGE_S'] ?? 60) * 1000;

const control = (verb: string): Promise<unknown> => promisify(execFile)(given.controlPlane[0]!, [...given.controlPlane.slice(1), verb]);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a control plane does to its nodes. CONTROL_PLANE's verbs: stop and start the API server, compact etcd's history. */
export function faults(): void {
  let scene: Scene;

  beforeAll(async () => {
    scene = await openScene();
    await remove('phoenix');
    await start(server('phoenix', scene.here, [80]));
  });
  afterAll(async () => {
    await remove('phoenix');
    await closeScene();
  });

  it.runIf(given.controlPlane.length > 0)(`an API server that is away for ${OUTAGE_MS / 1000} s: pods keep their traffic, CNI goes on, status says so, and a policy of afterwards is in force within seconds`, async () => {
    const since = new Date();
    await losesNothing(async () => {
      await control('stop');
      try {
        const begun = performance.now();
        await cniWithoutApi(scene.here, 'phoenix');
        await pause(Math.max(0, OUTAGE_MS - (performance.now() - begun)));
        const conditions = await statusOn(scene.here.name);
        expect(conditions.find((c) => c.name === 'api')).toMatchObject({ ok: false });
        expect(conditions.find((c) => c.name === 'policy')).toMatchObject({ ok: true });
      } finally {
        await control('start');
      }
      await eventually('the API server answers', async () => (await kubectl('get', '--raw', '/readyz')) === 'ok', 120_000);
    });
    await policyTakesEffect(scene);
    await eventually('status says connected', async () => (await canal(scene.here.name, 'status')).includes('connected'), 60_000);
    await expectSaid(scene.here, since, /lost.*(ECONNREFUSED|hang up|ECONNRESET|broke|ended)/);
    await expectSaid(scene.here, since, /regained/);
  }, OUTAGE_MS + 600_000);

  it.runIf(given.controlPlane.length > 0)('a history that is compacted under the watches: nothing is lost and a new policy is in force within seconds', async () => {
    await losesNothing(async () => {
      await control('compact');
      await policyTakesEffect(scene);
    });
  });
}

/** Through the node, since kubectl has nobody to ask. */
async function statusOn(node: string): Promise<readonly { readonly name: string; readonly ok: boolean; readonly message: string }[]> {
  const text = await shellOn(node, 'curl -s --unix-socket /run/canal/admin.sock http://canal/v1/status');
  return (JSON.parse(text) as { conditions: readonly { name: string; ok: boolean; message: string }[] }).conditions;
}
