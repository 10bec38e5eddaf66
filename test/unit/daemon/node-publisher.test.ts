import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { KubeClient } from '../../../agent/datastore/client.js';
import { NodePublisher } from '../../../agent/daemon/node-publisher.js';
import { ManualClock, until } from '../../support/manual-clock.js';
import { node } from './world.js';

const SEEN = node('one', '10.42.0.0/24', '192.168.0.1');
const ANNOTATIONS = { 'backend-type': 'vxlan', 'public-ip': '192.168.0.1' };

/** An API server with one Node that takes merge patches of its status. */
class NodeApi {
  object: { metadata: { annotations: Record<string, string> }; status: { conditions: unknown[] } } = { metadata: { annotations: {} }, status: { conditions: [] } };
  patches: unknown[] = [];
  away = false;

  readonly client = {
    get: () => (this.away ? Promise.reject(new Error('away')) : Promise.resolve(this.object)),
    patch: (_resource: unknown, _ref: unknown, _kind: unknown, body: { metadata?: { annotations: object }; status?: { conditions: unknown[] } }) => {
      this.patches.push(body);
      Object.assign(this.object.metadata.annotations, body.metadata?.annotations);
      this.object.status.conditions.push(...(body.status?.conditions ?? []));
      return Promise.resolve({});
    },
  } as unknown as KubeClient;
}

function setUp(): { api: NodeApi; clock: ManualClock; publisher: NodePublisher } {
  const api = new NodeApi();
  const clock = new ManualClock();
  const publisher = new NodePublisher({ client: api.client, clock, log: pino({ enabled: false }), node: 'one', prefix: 'flannel.alpha.coreos.com/', setCondition: true });
  return { api, clock, publisher };
}

describe('the node object', () => {
  it('gets the lease first and is called reachable only once routes stand', async () => {
    const { api, clock, publisher } = setUp();
    publisher.update({ annotations: ANNOTATIONS, networkReady: false }, SEEN);
    await until(() => api.patches.length === 1, clock, 1);
    expect(api.object.metadata.annotations).toEqual({ 'flannel.alpha.coreos.com/backend-type': 'vxlan', 'flannel.alpha.coreos.com/public-ip': '192.168.0.1' });
    expect(api.object.status.conditions).toEqual([]);
    expect(publisher.published).toBe(false);
    await clock.advance(1);
    publisher.update({ annotations: ANNOTATIONS, networkReady: true }, { ...SEEN, flannelAnnotations: ANNOTATIONS });
    await until(() => publisher.published, clock, 1);
    expect(api.object.status.conditions).toMatchObject([{ type: 'NetworkUnavailable', status: 'False', reason: 'FlannelIsUp' }]);
  });

  it('writes nothing when all is as it should be', async () => {
    const { api, clock, publisher } = setUp();
    const standing = { ...SEEN, flannelAnnotations: ANNOTATIONS, networkUnavailable: { status: 'False', reason: 'FlannelIsUp' } };
    publisher.update({ annotations: ANNOTATIONS, networkReady: true }, standing);
    await until(() => publisher.published, clock, 1);
    expect(api.patches).toEqual([]);
  });

  it('tries again until the API server answers, and shows why not yet', async () => {
    const { api, clock, publisher } = setUp();
    api.away = true;
    publisher.update({ annotations: ANNOTATIONS, networkReady: true }, SEEN);
    await until(() => publisher.error !== undefined, clock, 3000);
    expect(publisher.error).toBe('away');
    api.away = false;
    await until(() => publisher.published, clock, 3000);
    expect(publisher.error).toBeUndefined();
    await publisher.close();
  });
});
