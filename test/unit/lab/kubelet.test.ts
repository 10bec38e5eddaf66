import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { atLeast, loadNetwork, parseNetwork } from '../../../agent/lab/kubelet/cni-config.js';
import { pluginEnvironment, pluginInput, type Attachment } from '../../../agent/lab/kubelet/cni-runner.js';
import { commandOf, environmentOf, expand } from '../../../agent/lab/kubelet/environment.js';
import { LogFile } from '../../../agent/lab/kubelet/log-file.js';
import { readLog } from '../../../agent/lab/kubelet/log-reader.js';
import { phaseOf, podStatus, type ContainerFacts, type PodFacts } from '../../../agent/lab/kubelet/pod-status.js';
import { networkProbe } from '../../../agent/lab/kubelet/prober.js';
import { hostsFile, resolvConf } from '../../../agent/lab/kubelet/sandbox.js';
import { shows } from '../../../agent/lab/kubelet/status-writer.js';
import type { Condition } from '../../../agent/lab/world/objects.js';
import { pod } from './world.js';

describe('CNI configuration', () => {
  it('takes a single plugin as a list of one', () => {
    expect(parseNetwork('x', '{"cniVersion":"0.4.0","name":"n","type":"ptp"}')).toMatchObject({ name: 'n', cniVersion: '0.4.0', plugins: [{ type: 'ptp' }] });
  });

  it.each(['', '[]', '{"name":"n"}', '{"plugins":[]}', '{"plugins":[{"name":"no type"}]}', '{"plugins":'])('does not take %j', (content) => {
    expect(parseNetwork('x', content)).toBeUndefined();
  });

  it('is none where there is no directory', () => {
    expect(loadNetwork('/does/not/exist')).toBeUndefined();
  });

  it('compares versions as numbers', () => {
    expect([atLeast('1.1.0', '1.1.0'), atLeast('1.10.0', '1.9.9'), atLeast('1.0.0', '1.1.0'), atLeast('0.4.0', '1.0.0')]).toEqual([true, true, false, false]);
  });
});

describe('what a plugin is given', () => {
  const attachment: Attachment = { containerId: 'c'.repeat(64), netns: '/var/run/netns/cni-1', namespace: 'ns', pod: 'p', uid: 'u', portMappings: [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }] };
  const network = { name: 'net', cniVersion: '1.0.0', file: 'x', plugins: [] };

  it('is the environment that containerd gives', () => {
    expect(pluginEnvironment('ADD', attachment)).toMatchObject({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c'.repeat(64),
      CNI_NETNS: '/var/run/netns/cni-1',
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=${'c'.repeat(64)};K8S_POD_UID=u`,
    });
  });

  it('has name and version of the list, the result before it, and port mappings only where it asked for them', () => {
    const prevResult = { ips: [{ address: '10.0.0.1/32' }] };
    expect(pluginInput(network, { type: 'portmap', capabilities: { portMappings: true } }, attachment, prevResult)).toEqual({
      type: 'portmap', name: 'net', cniVersion: '1.0.0', prevResult, runtimeConfig: { portMappings: attachment.portMappings },
    });
    expect(pluginInput(network, { type: 'ptp' }, attachment)).toEqual({ type: 'ptp', name: 'net', cniVersion: '1.0.0' });
  });
});

describe('a container', () => {
  const sources = { nodeName: 'node1', hostIP: '172.30.0.11', podIPs: ['10.42.0.5'], data: (kind: string, name: string) => Promise.resolve(name === 'known' ? { KEY: kind } : undefined) };

  it('sees its fields, its keys and other variables', async () => {
    const env = await environmentOf(pod('p', { meta: { labels: { app: 'x' } } }), {
      name: 'c',
      envFrom: [{ prefix: 'CM_', configMapRef: { name: 'known' } }, { secretRef: { name: 'missing', optional: true } }],
      env: [
        { name: 'A', value: 'a' },
        { name: 'B', value: '$(A)-$(NONE)-$$(A)' },
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'known', key: 'KEY' } } },
      ],
    }, sources);
    expect(env).toMatchObject({ A: 'a', B: 'a-$(NONE)-$(A)', POD: 'p', IP: '10.42.0.5', NODE: 'node1', APP: 'x', SECRET: 'Secret', CM_KEY: 'ConfigMap', HOSTNAME: 'p' });
  });

  it.each([
    [{ configMapKeyRef: { name: 'missing', key: 'k' } }, 'configmap "missing" not found'],
    [{ secretKeyRef: { name: 'known', key: 'k' } }, "couldn't find key k in Secret known"],
    [{ fieldRef: { fieldPath: 'spec.nothing' } }, 'spec.nothing'],
  ])('does not start without what %j names', async (valueFrom, message) => {
    await expect(environmentOf(pod('p'), { name: 'c', env: [{ name: 'X', valueFrom }] }, sources)).rejects.toThrow(message);
  });

  it('runs its command with its arguments, or serves its ports', () => {
    const ports = [{ containerPort: 80 }, { containerPort: 53, protocol: 'UDP' }];
    expect(commandOf(pod('p'), { name: 'c', command: ['sh', '-c'], args: ['echo $(X)'], ports }, { X: '1' }, 'lab')).toEqual(['sh', '-c', 'echo 1']);
    expect(commandOf(pod('p'), { name: 'c', args: ['netexec'], ports }, {}, 'lab')).toEqual(['lab', 'serve', 'p', 'tcp:80', 'udp:53']);
  });

  it('expands as the kubelet does', () => {
    expect(expand('$(A)$(A', { A: 'x' })).toBe('x$(A');
    expect(expand('$$$(A)', { A: 'x' })).toBe('$x');
  });

  it('is probed at its named port, by HTTP or TCP', () => {
    const target = { container: { name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }, podIP: '10.0.0.1' };
    expect(networkProbe({ httpGet: { port: 'web', path: 'healthz' } }, target)).toBe('http:10.0.0.1:8080/healthz');
    expect(networkProbe({ httpGet: { port: 443, scheme: 'HTTPS' } }, target)).toBe('tcp:10.0.0.1:443');
    expect(networkProbe({ tcpSocket: { port: 5432 } }, { ...target, podIP: 'fd00::1' })).toBe('tcp:[fd00::1]:5432');
    expect(networkProbe({ tcpSocket: { port: 'nothing' } }, target)).toBeUndefined();
  });
});

describe("a pod's status", () => {
  const container = (name: string, more: Partial<ContainerFacts> = {}): ContainerFacts => ({ spec: { name }, state: { running: { startedAt: 'then' } }, lastState: undefined, restartCount: 0, started: true, ready: true, containerId: 'id', finalExitCode: undefined, ...more });
  const ended = (name: string, code: number): ContainerFacts => container(name, { ready: false, started: false, finalExitCode: code, state: { terminated: { exitCode: code, reason: 'x', startedAt: '', finishedAt: '', containerID: '' } } });
  const facts = (more: Partial<PodFacts>): PodFacts => ({ hostIP: 'h', podIPs: ['10.0.0.1'], startTime: 's', problem: undefined, initContainers: [], containers: [container('c')], over: false, ...more });
  const conditions = (status: Record<string, unknown>): Record<string, string> => Object.fromEntries((status['conditions'] as Condition[]).map((one) => [one.type, one.status]));

  it.each([
    ['Pending', 'nothing runs yet', {}, facts({ containers: [container('c', { containerId: undefined, ready: false })] })],
    ['Running', 'one of two runs', {}, facts({ containers: [container('a'), ended('b', 1)] })],
    ['Succeeded', 'all have ended well', {}, facts({ over: true, containers: [ended('a', 0), ended('b', 0)] })],
    ['Failed', 'one has ended badly', {}, facts({ over: true, containers: [ended('a', 0), ended('b', 1)] })],
    ['Failed', 'an init container has failed for good', { restartPolicy: 'Never' }, facts({ initContainers: [ended('i', 1)], containers: [container('c', { containerId: undefined })] })],
  ])('is %s when %s', (phase, _, spec, known) => {
    expect(phaseOf(pod('p', { spec }), known)).toBe(phase);
  });

  it('is ready when all containers and gates are', () => {
    expect(conditions(podStatus(pod('p', { ready: false }), facts({}), 'now'))).toMatchObject({ Ready: 'True', ContainersReady: 'True', Initialized: 'True' });
    expect(conditions(podStatus(pod('p'), facts({ containers: [container('c', { ready: false })] }), 'now'))).toMatchObject({ Ready: 'False' });
    const gated = pod('p', { spec: { readinessGates: [{ conditionType: 'example.com/gate' }] } });
    expect(conditions(podStatus(gated, facts({}), 'now'))).toMatchObject({ Ready: 'False', ContainersReady: 'True' });
  });

  it('is not ready, and says that its containers wait, while its sandbox is being made', () => {
    const status = podStatus(pod('p', { ready: false }), facts({ containers: [], problem: 'no network' }), 'now');
    expect(conditions(status)).toMatchObject({ Ready: 'False', ContainersReady: 'False' });
    expect(status).toMatchObject({ message: 'no network', containerStatuses: [{ name: 'c', ready: false, state: { waiting: { reason: 'ContainerCreating' } } }] });
  });

  it('is not written again for times, nulls or what others have added', () => {
    const known = facts({});
    const wanted = podStatus(pod('p'), known, 'now');
    expect(shows({ ...podStatus(pod('p', { ready: false }), known, 'later'), message: undefined, qosClass: 'BestEffort' }, wanted)).toBe(true);
    expect(shows(podStatus(pod('p'), facts({ containers: [container('c', { restartCount: 1 })] }), 'now'), wanted)).toBe(false);
    expect(shows(undefined, wanted)).toBe(false);
  });

  it('keeps the conditions of others, and the times of those that did not change', () => {
    const before = { ...pod('p'), status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: 'then' }, { type: 'theirs', status: 'False' }] } };
    const { conditions: after } = podStatus(before, facts({ containers: [container('c')] }), 'now') as { conditions: Condition[] };
    expect(after).toContainEqual({ type: 'theirs', status: 'False' });
    expect(after.find(({ type }) => type === 'Ready')?.lastTransitionTime).toBe('then');
    expect(after.find(({ type }) => type === 'Initialized')?.lastTransitionTime).toBe('now');
  });
});

describe("a pod's own files", () => {
  it('name the pod and its aliases', () => {
    const lines = hostsFile(pod('p', { spec: { subdomain: 'db', hostAliases: [{ ip: '1.2.3.4', hostnames: ['x', 'y'] }] } }), 'p', ['10.0.0.1']).split('\n');
    expect(lines).toContain('10.0.0.1\tp.db.ns.svc.cluster.local\tp');
    expect(lines).toContain('1.2.3.4\tx\ty');
  });

  it("search the pod's namespace, and have the name servers that it brings", () => {
    expect(resolvConf(pod('p', { spec: { dnsConfig: { nameservers: ['10.43.0.10'], options: [{ name: 'ndots', value: '5' }] } } }), undefined)).toBe(
      'search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.43.0.10\noptions ndots:5\n');
  });
});

describe('a log', () => {
  const made: string[] = [];
  afterEach(() => made.splice(0).forEach((dir) => rmSync(dir, { recursive: true })));
  const create = (): LogFile => {
    const dir = mkdtempSync(join(tmpdir(), 'canal-test-'));
    made.push(dir);
    return new LogFile(join(dir, 'log'));
  };
  const none = { follow: false, timestamps: false, tailLines: undefined, sinceSeconds: undefined, sinceTime: undefined, limitBytes: undefined };

  it('gives back whole lines, whatever the pieces they came in, and an unfinished last one', async () => {
    const log = create();
    const write = log.stream('stdout');
    write(Buffer.from('o'));
    write(Buffer.from('ne\ntw'));
    log.stream('stderr')(Buffer.from('err or\n'));
    write(Buffer.from('o'));
    write(undefined);
    expect(await text(readLog(log, none, Date.now()))).toBe('one\nerr or\ntwo\n');
  });

  it('gives the tail, the newest, so many bytes, or times', async () => {
    const log = create();
    log.stream('stdout')(Buffer.from('a\nb\nc\n'));
    expect(await text(readLog(log, { ...none, tailLines: 2 }, Date.now()))).toBe('b\nc\n');
    expect(await text(readLog(log, { ...none, tailLines: 0 }, Date.now()))).toBe('');
    expect(await text(readLog(log, { ...none, limitBytes: 3 }, Date.now()))).toBe('a\nb');
    expect(await text(readLog(log, { ...none, sinceSeconds: 10 }, Date.now() + 20_000))).toBe('');
    expect(await text(readLog(log, { ...none, timestamps: true, tailLines: 1 }, Date.now()))).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z c\n$/);
  });

  it('is followed until it is closed', async () => {
    const log = create();
    const write = log.stream('stdout');
    write(Buffer.from('before\n'));
    const followed = text(readLog(log, { ...none, follow: true }, Date.now()));
    write(Buffer.from('after\n'));
    log.close();
    expect(await followed).toBe('before\nafter\n');
  });
});
