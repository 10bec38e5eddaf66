import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { reach } from '../../../agent/lab/api-access.js';
import { expected, manifest, MANIFESTS } from '../../../agent/lab/demo/shop.js';
import { cgroupRoot } from '../../../agent/lab/machine/cgroup.js';
import { LAB_NAME } from '../../../agent/lab/machine/layout.js';
import { exitCode, identify, isAlive, run } from '../../../agent/lab/machine/process.js';
import { matrixText, type Cell } from '../../../agent/lab/matrix.js';
import { parseAnswers, targetText } from '../../../agent/lab/probe.js';
import { Slots } from '../../../agent/lab/world/slots.js';
import { ObjectCache } from '../../../agent/lab/world/object-cache.js';
import type { KubeObject } from '../../../agent/lab/world/objects.js';
import { meta } from './world.js';

describe('a cache of objects', () => {
  const object = (name: string, resourceVersion: string, uid = `uid-${name}`): KubeObject => ({ metadata: meta(name, { uid, resourceVersion }) });
  const versions = (cache: ObjectCache<KubeObject>): (string | undefined)[] => cache.list().map(({ metadata }) => metadata.resourceVersion);

  it('keeps the newest version, in whatever order they come', () => {
    const cache = new ObjectCache<KubeObject>();
    for (const version of ['9', '11', '10']) cache.put(object('a', version));
    expect(versions(cache)).toEqual(['11']);
  });

  it('does not bring back what is gone, but takes its successor', () => {
    const cache = new ObjectCache<KubeObject>();
    cache.put(object('a', '1'));
    cache.remove(object('a', '2'));
    cache.put(object('a', '1'));
    expect(versions(cache)).toEqual([]);
    cache.put(object('a', '3', 'other'));
    cache.remove(object('a', '2'));
    expect(versions(cache)).toEqual(['3']);
  });

  it('is equal to a list after it, and tells of it', () => {
    const cache = new ObjectCache<KubeObject>();
    let told = 0;
    cache.onChange(() => told++);
    cache.put(object('a', '1'));
    cache.replace([object('b', '2')]);
    expect(cache.list().map(({ metadata }) => metadata.name)).toEqual(['b']);
    expect(told).toBeGreaterThan(1);
  });
});

describe('a kubeconfig for nodes', () => {
  const config = (server: string): string => JSON.stringify({ 'current-context': 'c', contexts: [{ name: 'c', context: { cluster: 'x' } }], clusters: [{ name: 'other', cluster: { server: 'https://o' } }, { name: 'x', cluster: { server, 'certificate-authority-data': 'CA' } }] });

  it('names the gateway, and keeps the name that the certificate has', () => {
    const { nodeKubeconfig, endpoint } = reach(config('https://api.example:8443/prefix'));
    expect(endpoint).toEqual({ host: 'api.example', port: 8443 });
    expect((parse(nodeKubeconfig) as { clusters: unknown[] }).clusters[1]).toEqual({ name: 'x', cluster: { server: 'https://172.30.0.1:6443/prefix', 'tls-server-name': 'api.example', 'certificate-authority-data': 'CA' } });
  });

  it('knows default ports and IPv6', () => {
    expect(reach(config('https://[fd00::1]')).endpoint).toEqual({ host: 'fd00::1', port: 443 });
    expect(() => reach('{}')).toThrow('no current context');
  });
});

describe('probes', () => {
  it('are asked and understood', () => {
    expect(targetText({ address: 'fd00::1', port: 53, protocol: 'UDP' })).toBe('udp:[fd00::1]:53');
    expect(parseAnswers('open 1.500 pod a\nrefused 0.1 \ntimeout 1000 \n')).toEqual([
      { outcome: 'open', allowed: true, elapsedMs: 1.5, answer: 'pod a' },
      { outcome: 'refused', allowed: true, elapsedMs: 0.1, answer: '' },
      { outcome: 'timeout', allowed: false, elapsedMs: 1000, answer: '' },
    ]);
  });

  it('make a table in which marks stand under the names of the targets', () => {
    const cell = (from: string, to: string, allowed: boolean): Cell => ({ from, to, port: 1, protocol: 'TCP', outcome: '', allowed, elapsedMs: 0, answer: '' });
    const cells = [cell('a/long', 'b/x', true), cell('b/x', 'a/long', false)];
    expect(matrixText(cells, { mark: (one) => (one.allowed ? 'Y' : 'X') })).toBe('        a/long  b/x\na/long  .       Y\nb/x     X       .\n');
  });
});

it("the demo's expectations name the pods of its manifests", () => {
  const pods = parseAllDocuments(readFileSync(manifest(MANIFESTS.shop), 'utf8')).filter((document) => document.get('kind') === 'Pod');
  expect(pods.map((document) => `${String(document.getIn(['metadata', 'namespace']))}/${String(document.getIn(['metadata', 'name']))}`).sort()).toEqual(['data/database', 'outside/attacker', 'payments/payments', 'shop/api', 'shop/frontend']);
  expect(expected({ from: 'shop/frontend', to: 'shop/api', protocol: 'TCP' }, true)).toBe(true);
  expect(expected({ from: 'outside/attacker', to: 'shop/api', protocol: 'TCP' }, true)).toBe(false);
  expect(expected({ from: 'outside/attacker', to: 'shop/api', protocol: 'TCP' }, false)).toBe(true);
});

describe('the machine', () => {
  it('has its cgroup v2 where the mounts say', () => {
    expect(cgroupRoot('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0')).toBe('/sys/fs/cgroup');
    expect(cgroupRoot('cgroup /sys/fs/cgroup/cpu cgroup rw\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw')).toBe('/sys/fs/cgroup/unified');
    expect(() => cgroupRoot('tmpfs / tmpfs rw')).toThrow('cgroup v2');
  });

  it('does not take a later process for an earlier one of its id', () => {
    const self = identify(process.pid)!;
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, startTime: '1' })).toBe(false);
    expect(identify(2 ** 22 + 1)).toBeUndefined();
  });

  it('reports how commands end, also those that cannot start or do not end', async () => {
    expect(exitCode(null, 'SIGKILL')).toBe(137);
    expect((await run('sh', ['-c', 'cat; exit 3'], { input: 'in' })).code).toBe(3);
    expect((await run('/does/not/exist', [])).code).toBe(127);
    // The grandchild holds the pipes: it must go too.
    expect((await run('sh', ['-c', 'sleep 60 & wait'], { timeoutMs: 50 })).code).toBe(137);
  });

  it.each([['demo', true], ['a-1', true], ['-a', false], ['A', false], ['a/b', false], ['a.b', false], ['..', false], ['', false], ['a'.repeat(33), false]])('takes %j as the name of a lab: %s', (name, valid) => {
    expect(LAB_NAME.test(name)).toBe(valid);
  });
});

it('slots bound how much runs at a time, and are free again after a failure', async () => {
  const slots = new Slots(2);
  let running = 0;
  let most = 0;
  const work = async (fails: boolean): Promise<void> => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    if (fails) throw new Error('failed');
  };
  await Promise.allSettled([true, true, false, false, false].map((fails) => slots.use(() => work(fails))));
  expect(most).toBe(2);
  await expect(slots.use(() => Promise.resolve('free'))).resolves.toBe('free');
});
