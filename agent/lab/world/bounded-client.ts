import type { KubeClient } from '../../datastore/client.js';
import { Slots } from './slots.js';

/**
 * A client that has only so many requests under way at a time; watches do not
 * count. Two hundred pods would open as many connections otherwise, and Node
 * accepts one for each turn of its event loop: they would wait for seconds.
 */
export function boundedClient(client: KubeClient, parallel: number): KubeClient {
  const slots = new Slots(parallel);
  return {
    get: (...args) => slots.use(() => client.get(...args)),
    list: (...args) => slots.use(() => client.list(...args)),
    watch: (...args) => client.watch(...args),
    patch: (...args) => slots.use(() => client.patch(...args)),
    create: (...args) => slots.use(() => client.create(...args)),
    remove: (...args) => slots.use(() => client.remove(...args)),
    close: () => client.close(),
  };
}
