import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLab, type Lab } from '../../agent/lab/lab.js';
import { run } from '../../agent/lab/machine/process.js';
import type { Pod } from '../../agent/lab/world/objects.js';
import { on, podManifest, shell } from './manifests.js';

let lab: Lab;

beforeAll(async () => {
  lab = await startLab({ name: `pods-${process.pid}`, nodes: 2 });
});

afterAll(async () => {
  await lab?.close();
});

const podOf = (name: string): Pod | undefined => lab.caches.pods.get(`default/${name}`);
const containerOf = (name: string) => podOf(name)?.status?.containerStatuses?.[0] as { ready: boolean; restartCount: number; state: Record<string, Record<string, unknown>>; lastState?: Record<string, Record<string, unknown>> } | undefined;
const ready = (name: string): Promise<void> => lab.until(`${name} is ready`, () => containerOf(name)?.ready === true && lab.status().pods.some((pod) => pod.name === name && pod.ready));

describe('a pod', () => {
  it('is ready in well under a second after kubectl has returned', async () => {
    await lab.apply(podManifest('quick', {}, { ports: [{ containerPort: 80 }] }));
    const applied = performance.now();
    await ready('quick');
    expect(performance.now() - applied).toBeLessThan(1_000);
  });

  it('without a command answers on its ports with its name, over TCP, UDP and HTTP', async () => {
    await lab.apply(podManifest('server', on('node1'), { ports: [{ containerPort: 8080 }, { containerPort: 53, protocol: 'UDP' }] }));
    await lab.apply(podManifest('client', on('node2'), shell('sleep 3600')));
    await Promise.all([ready('server'), ready('client')]);
    const targets = [{ address: 'default/server', port: 8080, protocol: 'TCP' as const }, { address: 'default/server', port: 53, protocol: 'UDP' as const }];
    const answers = await lab.probe({ namespace: 'default', pod: 'client' }, targets, { read: true });
    expect(answers.map(({ outcome, answer }) => [outcome, answer])).toEqual([['open', 'server'], ['open', 'server']]);
    const http = await lab.podExec('default', 'client', ['sh', '-c', `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat - TCP:${podOf('server')!.status!.podIP}:8080`]);
    expect(http.stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nserver\n$/);
    const silent = await lab.podExec('default', 'client', ['socat', '-u', `TCP:${podOf('server')!.status!.podIP}:8080`, '-']);
    expect(silent.stdout).toBe('server\n');
  });

  it('tells refusals from silence', async () => {
    const answers = await lab.probe({ namespace: 'default', pod: 'client' }, [{ address: 'default/server', port: 81, protocol: 'TCP' }, { address: '10.42.0.250', port: 80, protocol: 'TCP' }], { timeoutMs: 300 });
    expect(answers[0]).toMatchObject({ outcome: 'refused', allowed: true });
    expect(answers[1]!.allowed).toBe(false);
  });

  it('has its own network, host name, hosts file and environment', async () => {
    const env = [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }];
    await lab.apply(podManifest('itself', on('node2'), { env, ...shell('echo "$IP $NODE $(hostname) $(cat /etc/hostname)"; exec sleep 3600') }));
    await ready('itself');
    const ip = podOf('itself')!.status!.podIP!;
    expect(await lab.kubectl(['logs', 'itself'])).toBe(`${ip} node2 itself itself\n`);
    expect((await lab.podExec('default', 'itself', ['ip', '-4', '-o', 'addr', 'show', 'eth0'])).stdout).toContain(`${ip}/32`);
    expect(readFileSync(`/proc/${lab.status().pods.find(({ name }) => name === 'itself')!.pid!}/root/etc/hosts`, 'utf8')).toContain(`${ip}\titself\n`);
  });

  it('runs its init containers in order before its containers', async () => {
    const initContainers = ['one', 'two'].map((name) => ({ name, image: 'any', command: ['sh', '-c', `sleep 0.1; echo ${name} >> /run/order`] }));
    await lab.apply(podManifest('init', { initContainers }, shell('cat /run/order; exec sleep 3600')));
    await ready('init');
    expect(await lab.kubectl(['logs', 'init'])).toBe('one\ntwo\n');
  });

  it('is restarted as its policy says, and keeps the log of the run before', async () => {
    await lab.apply(podManifest('crash', { restartPolicy: 'OnFailure' }, shell('echo run; [ -e /run/again ] && exit 0; touch /run/again; echo first; exit 3')));
    await lab.until('crash has succeeded', () => podOf('crash')?.status?.phase === 'Succeeded');
    expect(containerOf('crash')).toMatchObject({ restartCount: 1, state: { terminated: { exitCode: 0, reason: 'Completed' } }, lastState: { terminated: { exitCode: 3, reason: 'Error' } } });
    await lab.apply(podManifest('failed', { restartPolicy: 'Never' }, shell('exit 1')));
    await lab.until('failed has failed', () => podOf('failed')?.status?.phase === 'Failed');
  });

  it('that has finished gives its address back', async () => {
    await lab.until('its sandbox is gone', () => lab.status().pods.find(({ name }) => name === 'crash')?.pid === null);
    const taken = await lab.node(1).exec(['sh', '-c', 'cat /var/lib/cni/networks/*/10.42.* 2>/dev/null; true']);
    const other = await lab.node(2).exec(['sh', '-c', 'ls /var/lib/cni/networks/*/ 2>/dev/null; true']);
    expect(`${taken.stdout}${other.stdout}`).not.toContain(`${podOf('crash')!.status!.podIP}\n`);
  });

  it('is not ready before its readiness probe, and is restarted when it is not alive', async () => {
    const probes = {
      ports: [{ name: 'http', containerPort: 8080 }],
      readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 1 },
      livenessProbe: { exec: { command: ['test', '!', '-e', '/run/dead'] }, periodSeconds: 1, failureThreshold: 1 },
    };
    await lab.apply(podManifest('probed', {}, { ...probes, ...shell('while ! [ -e /run/go ]; do sleep 0.05; done; exec socat TCP-LISTEN:8080,fork,reuseaddr EXEC:true') }));
    await lab.until('probed runs', () => containerOf('probed')?.state['running'] !== undefined);
    expect(containerOf('probed')!.ready).toBe(false);
    await lab.podExec('default', 'probed', ['touch', '/run/go']);
    await ready('probed');
    await lab.podExec('default', 'probed', ['touch', '/run/dead']);
    await lab.until('probed is started again', () => containerOf('probed')?.restartCount === 1);
    await lab.podExec('default', 'probed', ['rm', '/run/dead']);
    await ready('probed');
  });

  it('is probed over HTTP from its node', async () => {
    await lab.apply(podManifest('http', {}, { ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80, path: '/healthz' }, periodSeconds: 1 } }));
    await ready('http');
  });

  it('with hostNetwork has the address and network of its node', async () => {
    await lab.apply(podManifest('host', { hostNetwork: true, ...on('node1') }, { ports: [{ containerPort: 8088 }] }));
    await ready('host');
    expect(podOf('host')!.status!.podIP).toBe(lab.node(1).address);
    const [answer] = await lab.probe({ node: 2 }, [{ address: lab.node(1).address, port: 8088, protocol: 'TCP' }], { read: true });
    expect(answer).toMatchObject({ outcome: 'open', answer: 'host' });
  });

  it('is asked to stop before it is killed, and everything of it is gone then', async () => {
    await lab.apply(podManifest('polite', {}, shell('trap "echo bye; exit 0" TERM; setsid sleep 7777 & while :; do sleep 0.05; done')));
    await ready('polite');
    const followed = lab.kubectl(['logs', '-f', 'polite']);
    const { cgroup } = lab.status().pods.find(({ name }) => name === 'polite')!;
    await lab.kubectl(['delete', 'pod', 'polite', '--wait=false']);
    expect(await followed).toContain('bye\n');
    await lab.until('polite is gone', () => podOf('polite') === undefined);
    expect((await run('ls', [cgroup!])).code).not.toBe(0);
  });

  it('that does not listen is killed after its grace period', async () => {
    await lab.apply(podManifest('stubborn', { terminationGracePeriodSeconds: 1 }, shell('trap "" TERM; while :; do sleep 0.05; done')));
    await ready('stubborn');
    const began = performance.now();
    await lab.kubectl(['delete', 'pod', 'stubborn', '--wait=false']);
    await lab.until('stubborn is gone', () => podOf('stubborn') === undefined);
    expect(performance.now() - began).toBeGreaterThan(900);
  });
});

describe('kubectl', () => {
  const kubectl = (...args: string[]) => run('kubectl', args, { env: { ...process.env, KUBECONFIG: lab.kubeconfig } });

  it('exec passes input, output and exit status', async () => {
    const { code, stdout, stderr } = await run('kubectl', ['exec', '-i', 'client', '--', 'sh', '-c', 'cat; echo err >&2; exit 5'], { input: 'in\n', env: { ...process.env, KUBECONFIG: lab.kubeconfig } });
    expect([code, stdout]).toEqual([5, 'in\n']);
    expect(stderr).toContain('err');
  });

  it('exec gives a terminal of the right size', async () => {
    // script gives kubectl a terminal of its own.
    const { stdout } = await run('script', ['-qec', 'stty cols 91 rows 17; kubectl exec -it client -- sh -c "sleep 0.3; tty; stty size"', '/dev/null'], { env: { ...process.env, KUBECONFIG: lab.kubeconfig, SHELL: '/bin/sh' } });
    expect(stdout).toContain('/dev/pts/');
    expect(stdout).toContain('17 91');
  });

  it('logs gives the tail, and the log of an earlier run', async () => {
    expect((await kubectl('logs', 'crash', '--tail=1')).stdout).toBe('run\n');
    expect((await kubectl('logs', 'crash', '--previous')).stdout).toBe('run\nfirst\n');
    expect((await kubectl('logs', 'quick', '--previous')).stderr).toContain('previous terminated container');
  });

  it('port-forward reaches a port of the pod', async () => {
    const child = spawn('kubectl', ['port-forward', 'pod/server', ':8080'], { env: { ...process.env, KUBECONFIG: lab.kubeconfig }, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const socket = connect(Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())![1]), '127.0.0.1');
      socket.write('hello\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toBe('server\n');
      socket.destroy();
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  });
});
