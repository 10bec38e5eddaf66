import { afterEach, expect, it } from 'vitest';
import { createLogger } from '../../../agent/base/log.js';
import { KubeProxyWatch } from '../../../agent/daemon/kube-proxy.js';
import { ManualClock } from '../../support/manual-clock.js';

let watch: KubeProxyWatch | undefined;
afterEach(() => watch?.close());

function scene(mode: string | undefined, devices: readonly string[] = []) {
  const clock = new ManualClock();
  const state = { mode, changes: [] as (string | undefined)[] };
  watch = new KubeProxyWatch({ clock, log: createLogger('error', {}), devices: () => devices, ask: () => Promise.resolve(state.mode), onChange: (now) => state.changes.push(now) });
  return { clock, state, watch };
}

it('a kube-proxy that answers is found at once, and one in ipvs mode by its device', async () => {
  expect(await scene('nftables').watch.start()).toBe('nftables');
  await watch!.close();
  expect(await scene(undefined, ['eth0', 'kube-ipvs0']).watch.start()).toBe('ipvs');
  await watch!.close();
  expect(await scene(undefined, ['eth0']).watch.start()).toBeUndefined();
});

it('a kube-proxy that comes is told of at the next look; one that is away for a moment is not missed', async () => {
  const { clock, state, watch: it } = scene(undefined);
  await it.start();
  state.mode = 'iptables';
  await clock.advance(30_000);
  expect(state.changes).toEqual(['iptables']);
  state.mode = undefined;
  await clock.advance(90_000);
  expect([it.mode, state.changes]).toEqual(['iptables', ['iptables']]);
  await clock.advance(30_000);
  expect([it.mode, state.changes]).toEqual([undefined, ['iptables', undefined]]);
});
