import { beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../agent/datastore/api-error.js';
import type { KubeClient, RawObject } from '../../../agent/datastore/client.js';
import { publishLease, setNetworkAvailable } from '../../../agent/datastore/node-writer.js';
import { ManualClock } from '../../support/manual-clock.js';

interface Stored {
  metadata: { uid: string; resourceVersion: string; annotations: Record<string, string> };
  status: { conditions: Record<string, string>[] };
}
interface Patch {
  metadata?: { uid?: string; resourceVersion?: string; annotations?: Record<string, string> };
  status?: { conditions?: Record<string, string>[] };
}

/** One object, with the preconditions and merges of the real API that the writers rely on. */
class OneObject {
  stored: Stored | undefined = { metadata: { uid: 'u1', resourceVersion: '1', annotations: {} }, status: { conditions: [] } };
  readonly patches: { path: string; kind: string; subresource: string | undefined; body: Patch }[] = [];
  /** Thrown by the next requests, in order. */
  readonly failures: Error[] = [];
  /** Done before each patch: someone else writes. */
  interfere: (stored: Stored) => void = () => undefined;

  readonly client = {
    get: () => this.#answer(() => structuredClone(this.stored) as unknown as RawObject),
    patch: (resource: { plural: string }, ref: { name: string }, kind: string, body: Patch, options: { subresource?: string }) =>
      this.#answer(() => {
        if (this.stored !== undefined) this.interfere(this.stored);
        this.patches.push({ path: `${resource.plural}/${ref.name}`, kind, subresource: options.subresource, body });
        return this.#merge(body) as unknown as RawObject;
      }),
  } as unknown as KubeClient;

  bump(): void {
    this.stored!.metadata.resourceVersion += '1';
  }

  async #answer(work: () => RawObject): Promise<RawObject> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (this.stored === undefined) throw new ApiError('not found', { status: 404, reason: 'NotFound' });
    return work();
  }

  #merge(body: Patch): Stored {
    const stored = this.stored!;
    for (const guard of ['uid', 'resourceVersion'] as const) {
      const asked = body.metadata?.[guard];
      if (asked !== undefined && asked !== stored.metadata[guard]) throw new ApiError('conflict', { status: 409, reason: 'Conflict' });
    }
    Object.assign(stored.metadata.annotations, body.metadata?.annotations);
    for (const condition of body.status?.conditions ?? []) {
      stored.status.conditions = [...stored.status.conditions.filter((c) => c['type'] !== condition['type']), condition];
    }
    this.bump();
    return stored;
  }
}

let object: OneObject;
let clock: ManualClock;
beforeEach(() => {
  object = new OneObject();
  clock = new ManualClock();
});

describe('the lease', () => {
  const prefix = 'flannel.alpha.coreos.com/';
  const wanted = { 'backend-data': '{"VNI":1,"VtepMAC":"12:c6:65:89:b4:e3"}', 'backend-type': 'vxlan', 'kube-subnet-manager': 'true', 'public-ip': '172.30.0.11' };
  const publish = (): Promise<boolean> => publishLease({ client: object.client, clock, node: 'n1' }, prefix, wanted);

  it('is one strategic merge patch of nodes/status with flannel\'s annotations', async () => {
    expect(await publish()).toBe(true);
    const annotations = Object.fromEntries(Object.entries(wanted).map(([key, value]) => [prefix + key, value]));
    expect(object.patches).toEqual([{ path: 'nodes/n1', kind: 'strategic', subresource: 'status', body: { metadata: { annotations } } }]);
  });

  it('is not written again when it stands', async () => {
    await publish();
    expect(await publish()).toBe(false);
    expect(object.patches).toHaveLength(1);
  });

  it('is written only where it differs', async () => {
    await publish();
    object.stored!.metadata.annotations[`${prefix}public-ip`] = '1.1.1.1';
    await publish();
    expect(object.patches[1]!.body).toEqual({ metadata: { annotations: { [`${prefix}public-ip`]: '172.30.0.11' } } });
  });

  it('is tried every 3 s and given up after 30 s', async () => {
    for (let i = 0; i < 3; i++) object.failures.push(new ApiError('away'));
    const late = publish();
    await clock.advance(9_000);
    expect(await late).toBe(true);

    for (let i = 0; i < 50; i++) object.failures.push(new ApiError('away'));
    const never = publish().catch((error: unknown) => error);
    await clock.advance(30_000);
    expect(await never).toBeInstanceOf(ApiError);
    expect(50 - object.failures.length).toBe(11);
  });
});

describe('NetworkUnavailable', () => {
  it('becomes False as flannel writes it, beside other conditions, and only once', async () => {
    object.stored!.status.conditions = [{ type: 'Ready', status: 'True' }];
    expect(await setNetworkAvailable({ client: object.client, clock, node: 'n1' })).toBe(true);
    expect(object.patches[0]).toMatchObject({ path: 'nodes/n1', kind: 'strategic', subresource: 'status' });
    expect(object.stored!.status.conditions).toEqual([
      { type: 'Ready', status: 'True' },
      {
        type: 'NetworkUnavailable', status: 'False', reason: 'FlannelIsUp', message: 'Flannel is running on this node',
        lastHeartbeatTime: '2026-01-01T00:00:00Z', lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ]);
    expect(await setNetworkAvailable({ client: object.client, clock, node: 'n1' })).toBe(false);
  });

  it('is taken over from a cloud that says True', async () => {
    object.stored!.status.conditions = [{ type: 'NetworkUnavailable', status: 'True', reason: 'NoRouteCreated' }];
    expect(await setNetworkAvailable({ client: object.client, clock, node: 'n1' })).toBe(true);
    expect(object.stored!.status.conditions).toHaveLength(1);
  });
});
