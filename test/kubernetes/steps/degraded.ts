import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply, applyText, canal, eventually, given, kubectl, NAMESPACE } from '../cluster.js';
import { closeScene, expectSaid, losesNothing, openScene, policyTakesEffect, type Scene } from '../effect.js';
import { Front } from '../front.js';
import { IMAGE } from '../talkers.js';

const SYSTEM = 'kube-system';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const there = given.frontHost !== '';

/** An API server that answers late, badly or to half of its clients; tokens and authorities that go out of date. */
export function degraded(): void {
  let scene: Scene;
  let front: Front;
  let tokens = 0;
  /** Of the agents' pods, as it was. */
  let template: unknown;

  beforeAll(async () => {
    if (!there) return;
    scene = await openScene();
    template = (JSON.parse(await kubectl('-n', SYSTEM, 'get', 'daemonset', 'canal', '-o', 'json')) as { spec: { template: unknown } }).spec.template;
    front = await Front.open(given.frontHost);
    await credentials(await freshToken());
    await throughFront();
  });
  afterAll(async () => {
    if (!there) return;
    await kubectl('-n', SYSTEM, 'patch', 'daemonset', 'canal', '--type=json', '-p', JSON.stringify([{ op: 'replace', path: '/spec/template', value: template }]));
    await rolledOut();
    front.close();
    await closeScene();
    await kubectl('-n', SYSTEM, 'delete', 'secret', 'canal-front', ...Array.from({ length: tokens }, (_, i) => `canal-token-${i + 1}`), '--ignore-not-found');
  });

  it.runIf(there)('watches that are cut in the middle: nothing is missed', async () => {
    const since = new Date();
    await losesNothing(async () => {
      for (let i = 0; i < 5; i++) {
        expect(front.cutWatches()).toBeGreaterThan(0);
        await pause(1000);
      }
      await policyTakesEffect(scene, 30_000);
    });
    await connected();
    await expectSaid(scene.here, since, /lost.*(watch|broke|aborted|hang up|ECONNRESET)/);
  });

  it.runIf(there)('an API server that is slow by 2 s: policies come that much later, pods start', async () => {
    front.delayMs = 2000;
    front.cut();
    try {
      await losesNothing(async () => {
        await policyTakesEffect(scene, 30_000);
        await podStarts();
      });
    } finally {
      front.delayMs = 0;
      front.cut();
    }
    await connected();
  });

  it.runIf(there)('an API server that refuses with 429 is asked no more often than it says, and is found again', async () => {
    const since = new Date();
    front.retryAfterSeconds = 5;
    front.cut();
    await losesNothing(async () => {
      await pause(3000);
      front.count();
      await pause(20_000);
      // Six resources on two nodes, each at most every 5 s.
      const asked = front.count();
      console.log(`${asked} requests in 20 s of 429 with Retry-After: 5`);
      expect(asked).toBeLessThanOrEqual(6 * 2 * 5);
      expect((await conditions(scene.here.name)).find((c) => c.name === 'api')).toMatchObject({ ok: false });
      front.retryAfterSeconds = undefined;
      await policyTakesEffect(scene, 60_000);
    });
    await connected();
    await expectSaid(scene.here, since, /lost.*too many requests/);
  });

  it.runIf(there)('one of two API servers behind the address is dead: the other one is found', async () => {
    const since = new Date();
    front.halfDead = true;
    front.cut();
    await losesNothing(async () => {
      await policyTakesEffect(scene, 90_000);
    });
    front.halfDead = false;
    await connected();
    await expectSaid(scene.here, since, /lost/);
  });

  it.runIf(there)('a token that expires: the next one is taken as soon as it is there', async () => {
    const since = new Date();
    await losesNothing(async () => {
      await kubectl('-n', SYSTEM, 'delete', 'secret', `canal-token-${tokens}`); // to which it is bound
      await pause(12_000); // the API server remembers good tokens for ten
      front.cut();
      await eventually('the agent is refused', async () => (await conditions(scene.here.name)).some((c) => c.name === 'api' && !c.ok));
      await credentials(await freshToken());
      const begun = performance.now();
      await connected(180_000);
      console.log(`connected ${Math.round(performance.now() - begun)} ms after the secret had the new token`);
      await policyTakesEffect(scene);
    });
    await expectSaid(scene.here, since, /lost.*(Unauthorized|401)/);
  });

  it.runIf(there)('another certificate authority: nobody is believed until its certificate is there, then at once', async () => {
    const since = new Date();
    const token = await freshToken();
    await losesNothing(async () => {
      await front.renew();
      await eventually('the agent says so', async () => (await conditions(scene.here.name)).some((c) => c.name === 'api' && !c.ok));
      await credentials(token);
      const begun = performance.now();
      await connected(180_000);
      console.log(`connected ${Math.round(performance.now() - begun)} ms after the secret had the new authority`);
      await policyTakesEffect(scene);
    });
    await expectSaid(scene.here, since, /lost.*(certificate|issuer|signature|self.signed)/);
  });

  it.runIf(there).each([
    ['behind, to which a certificate is not good yet', 1, 3, /lost.*not yet valid/],
    ['ahead, to which it has expired', -3, -1, /lost.*expired/],
  ] as const)('a clock an hour %s: nobody is believed, and the server is found again when clock and certificate agree', async (_clock, from, until, said) => {
    const since = new Date();
    await losesNothing(async () => {
      await front.certify(from, until);
      await eventually('the agent says so', async () => (await conditions(scene.here.name)).some((c) => c.name === 'api' && !c.ok));
      await front.certify();
      const begun = performance.now();
      await connected(180_000);
      console.log(`connected ${Math.round(performance.now() - begun)} ms after the certificate was good`);
      await policyTakesEffect(scene);
    });
    await expectSaid(scene.here, since, said);
  });

  it.runIf(there).each([1, -1])('a node whose clock is wrong by %i h: policies and pods as ever', async (hours) => {
    const offset = hours * 3_600_000;
    const skew = `const now=Date.now;Date.now=()=>now()+(${offset});`;
    await setEnvironment({ NODE_OPTIONS: `--use-openssl-ca --import=data:text/javascript,${encodeURIComponent(skew)}` });
    await losesNothing(async () => {
      await policyTakesEffect(scene);
      await podStarts();
    });
    await connected();
  });

  /** A token of the agent's account that lives as long as a secret does. */
  async function freshToken(): Promise<string> {
    const name = `canal-token-${++tokens}`;
    await apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: SYSTEM } });
    return kubectl('-n', SYSTEM, 'create', 'token', 'canal', '--bound-object-kind=Secret', `--bound-object-name=${name}`);
  }

  /** What the agents' kubeconfig is made of; the kubelet brings it when a pod changes. */
  async function credentials(token: string): Promise<void> {
    const kubeconfig = {
      apiVersion: 'v1', kind: 'Config', 'current-context': 'front',
      contexts: [{ name: 'front', context: { cluster: 'front', user: 'front' } }],
      clusters: [{ name: 'front', cluster: { server: front.url, 'certificate-authority': 'ca.crt' } }],
      users: [{ name: 'front', user: { tokenFile: 'token' } }],
    };
    await applyText(JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'canal-front', namespace: SYSTEM }, stringData: { kubeconfig: JSON.stringify(kubeconfig), 'ca.crt': front.authority, token } }));
    await kubectl('-n', SYSTEM, 'annotate', 'pod', '-l', 'k8s-app=canal', '--overwrite', `test/credentials=${Date.now()}`);
  }

  async function throughFront(): Promise<void> {
    await setEnvironment({ KUBECONFIG: '/front/kubeconfig' }, { volumes: [{ name: 'front', secret: { secretName: 'canal-front' } }] }, { volumeMounts: [{ name: 'front', mountPath: '/front' }] });
  }

  async function connected(withinMs = 90_000): Promise<void> {
    for (const node of [scene.here, scene.there]) await eventually(`${node.name} is connected`, async () => (await conditions(node.name)).some((c) => c.name === 'api' && c.ok), withinMs);
  }

  /** A pod of the other node gets its network while the API server is as it is. */
  async function podStarts(): Promise<void> {
    const begun = performance.now();
    await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'young', namespace: NAMESPACE }, spec: { nodeName: scene.there.name, terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: IMAGE, imagePullPolicy: 'IfNotPresent', command: ['/usr/bin/node', '-e', 'setInterval(() => {}, 1 << 30)'] }] } });
    await kubectl('-n', NAMESPACE, 'wait', '--for=condition=Ready', '--timeout=60s', 'pod/young');
    console.log(`a pod was Ready ${Math.round(performance.now() - begun)} ms after kubectl apply began`);
    await kubectl('-n', NAMESPACE, 'delete', 'pod', 'young', '--grace-period=0', '--force');
  }
}

async function setEnvironment(environment: Readonly<Record<string, string>>, pod: object = {}, container: object = {}): Promise<void> {
  const env = Object.entries(environment).map(([name, value]) => ({ name, value }));
  const patch = { spec: { template: { spec: { ...pod, containers: [{ name: 'canal', env, ...container }] } } } };
  await kubectl('-n', SYSTEM, 'patch', 'daemonset', 'canal', '-p', JSON.stringify(patch));
  await rolledOut();
}

async function rolledOut(): Promise<void> {
  await kubectl('-n', SYSTEM, 'rollout', 'status', 'daemonset/canal', '--timeout=180s');
}

async function conditions(node: string): Promise<readonly { readonly name: string; readonly ok: boolean; readonly message: string }[]> {
  const text = await canal(node, 'status', '--json').catch((error: Error & { stdout?: string }) => error.stdout ?? '{}'); // it exits with 1 while one is not well
  return (JSON.parse(text) as { conditions?: readonly { name: string; ok: boolean; message: string }[] }).conditions ?? [];
}
