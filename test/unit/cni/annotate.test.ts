import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import type { Clock } from '../../../agent/base/clock.js';
import { PodAnnotations, type PodApi, type PodMeta } from '../../../agent/cni/annotate.js';
import { CONTAINER_ID, POD_IP, POD_IPS } from '../../../agent/datastore/decode/pod.js';
import type { Endpoint } from '../../../agent/model/endpoint.js';

/** An API server with pods in memory that patches as the real one does, and fails as it does. */
class FakeApi implements PodApi {
  readonly pods = new Map<string, PodMeta>();
  away = false;
  calls = 0;
  /** Answer to a patch that names another UID; real servers differ. */
  otherUid: 'conflict' | 'invalid' = 'conflict';
  /** Called between a read and the patch that follows. */
  meanwhile: (() => void) | undefined;
  private version = 1;

  add(name: string, uid: string): void {
    this.pods.set(`shop/${name}`, { uid, resourceVersion: String(this.version++), annotations: { own: 'kept' } });
  }

  async read(namespace: string, name: string): Promise<PodMeta | undefined> {
    this.answer();
    const pod = this.pods.get(`${namespace}/${name}`);
    this.meanwhile?.();
    this.meanwhile = undefined;
    return pod;
  }

  async patchStatus(namespace: string, name: string, body: object): Promise<'done' | 'not-found' | 'conflict'> {
    this.answer();
    const { uid, resourceVersion, annotations } = (body as { metadata: Partial<PodMeta> & Pick<PodMeta, 'annotations'> }).metadata;
    const pod = this.pods.get(`${namespace}/${name}`);
    if (pod === undefined) return 'not-found';
    if (uid !== undefined && uid !== pod.uid && this.otherUid === 'invalid') throw new Error('422: metadata.uid is immutable');
    if ((uid !== undefined && uid !== pod.uid) || (resourceVersion !== undefined && resourceVersion !== pod.resourceVersion)) return 'conflict';
    this.pods.set(`${namespace}/${name}`, { uid: pod.uid, resourceVersion: String(this.version++), annotations: { ...pod.annotations, ...annotations } });
    return 'done';
  }

  private answer(): void {
    this.calls++;
    if (this.away) throw new Error('connection refused');
  }
}

const clock: Clock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise((resolve) => setImmediate(resolve)) };
const start = (): { api: FakeApi; annotations: PodAnnotations } => {
  const api = new FakeApi();
  return { api, annotations: new PodAnnotations(api, clock, pino({ level: 'silent' })) };
};
const endpoint = (containerId: string, pod = 'web', podUid = 'u1'): Endpoint => ({
  containerId, pod, podUid, namespace: 'shop', ifname: 'eth0', netns: '', hostDevice: '', podMac: '', mtu: 1450,
  addresses: [IpAddress.parse('10.244.1.5')!, IpAddress.parse('fd00::5')!],
});

describe("a pod's annotations", () => {
  it('are its addresses with masks and its container', async () => {
    const { api, annotations } = start();
    api.add('web', 'u1');
    annotations.attached(endpoint('c1'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations).toEqual({ own: 'kept', [POD_IP]: '10.244.1.5/32', [POD_IPS]: '10.244.1.5/32,fd00::5/128', [CONTAINER_ID]: 'c1' });
  });

  it('are blanked, with the container kept, once', async () => {
    const { api, annotations } = start();
    api.add('web', 'u1');
    annotations.attached(endpoint('c1'));
    await annotations.settled();
    annotations.detached(endpoint('c1'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations).toEqual({ own: 'kept', [POD_IP]: '', [POD_IPS]: '', [CONTAINER_ID]: 'c1' });
    const { resourceVersion } = api.pods.get('shop/web')!;
    annotations.detached(endpoint('c1'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.resourceVersion).toBe(resourceVersion);
  });

  it('ask the API server once, however often DEL is repeated, and again after another ADD', async () => {
    const { api, annotations } = start();
    const detach = async (): Promise<number> => {
      const before = api.calls;
      annotations.detached(endpoint('c1'));
      await annotations.settled();
      return api.calls - before;
    };
    expect(await detach()).toBe(1); // the pod is gone
    expect(await detach()).toBe(0);
    api.add('web', 'u1');
    annotations.attached(endpoint('c1'));
    await annotations.settled();
    expect(await detach()).toBe(2);
    expect(api.pods.get('shop/web')!.annotations[POD_IP]).toBe('');
    expect(await detach()).toBe(0);
  });

  it('are blanked where a container was attached again while it was being detached', async () => {
    const { api, annotations } = start();
    api.add('web', 'u1');
    api.meanwhile = () => annotations.attached(endpoint('c1'));
    annotations.detached(endpoint('c1'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations[POD_IP]).toBe('10.244.1.5/32');
    annotations.detached(endpoint('c1'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations[POD_IP]).toBe('');
  });

  it("of a newer sandbox survive the older one's DEL", async () => {
    const { api, annotations } = start();
    api.add('web', 'u1');
    annotations.attached(endpoint('new'));
    annotations.detached(endpoint('old'));
    await annotations.settled();
    annotations.detached(endpoint('old'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations[POD_IP]).toBe('10.244.1.5/32');
  });

  it('of a newer sandbox survive a DEL that read before the ADD wrote', async () => {
    const { api, annotations } = start();
    api.add('web', 'u1');
    api.meanwhile = () => void api.patchStatus('shop', 'web', { metadata: { annotations: { [POD_IP]: '10.9.9.9/32', [CONTAINER_ID]: 'new' } } });
    annotations.detached(endpoint('old'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations[POD_IP]).toBe('10.9.9.9/32');
  });

  it.each(['conflict', 'invalid'] as const)('are not written to a pod of the same name that came later (%s), nor to none', async (answer) => {
    const { api, annotations } = start();
    api.otherUid = answer;
    api.add('web', 'u2');
    annotations.attached(endpoint('c1'));
    annotations.detached(endpoint('c1', 'gone'));
    annotations.attached(endpoint('c1', 'none'));
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations).toEqual({ own: 'kept' });
  });

  it('are written when the API server is back, the newest only', async () => {
    const { api, annotations } = start();
    api.add('web', 'u1');
    api.away = true;
    annotations.attached(endpoint('c1'));
    annotations.detached(endpoint('c1'));
    annotations.attached(endpoint('c2'));
    await expect.poll(() => api.calls).toBeGreaterThan(3);
    expect(annotations.waiting).toBe(1);
    api.away = false;
    await annotations.settled();
    expect(api.pods.get('shop/web')!.annotations[CONTAINER_ID]).toBe('c2');
    expect(annotations.waiting).toBe(0);
  });

  it('are given up at once when the agent stops', async () => {
    const { api, annotations } = start();
    api.away = true;
    annotations.attached(endpoint('c1'));
    await annotations.close();
    expect(annotations.waiting).toBe(0);
  });
});
