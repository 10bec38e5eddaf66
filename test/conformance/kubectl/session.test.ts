import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApiServer, type ApiServer } from '../../../agent/apiserver/server.js';
import { localRuntime } from './local-runtime.js';

/** Another kubectl, as a path: CANAL_KUBECTL. */
const KUBECTL = process.env['CANAL_KUBECTL'] ?? 'kubectl';

let server: ApiServer;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'canal-kubectl-'));
  server = await startApiServer({ podRuntime: localRuntime });
  writeFileSync(join(directory, 'config'), server.kubeconfig);
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const environment = (): NodeJS.ProcessEnv => ({ ...process.env, KUBECONFIG: join(directory, 'config'), HOME: directory });

/** Runs kubectl with words split at spaces; `'…'` keeps them together. */
function kubectl(line: string, input = '', env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  return new Promise((resolve) => {
    const child = execFile(KUBECTL, words, { env: { ...environment(), ...env }, maxBuffer: 16 << 20 }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }));
    child.stdin?.end(input);
  });
}

async function ok(line: string, input = '', env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, out, err } = await kubectl(line, input, env);
  expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' });
  return out;
}

const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: front}}}], ports: [{port: 80, protocol: TCP}]}]
`;
const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: main, image: web:1, ports: [{containerPort: 80}]}]}
`;

describe('a day with kubectl', () => {
  it('applies, reads in every form, and says unchanged where nothing changed', async () => {
    await ok('create namespace shop');
    expect(await ok('apply -f -', policy)).toBe('networkpolicy.networking.k8s.io/web created\n');
    expect(await ok('apply -f -', policy)).toBe('networkpolicy.networking.k8s.io/web unchanged\n');
    expect(await ok('get netpol -n shop')).toMatch(/NAME +POD-SELECTOR +AGE\nweb +app=web +\d+s\n/);
    expect(await ok('get netpol web -n shop -o jsonpath={.spec.policyTypes}')).toBe('["Ingress"]');
    expect(await ok('get networkpolicies.networking.k8s.io -n shop -o yaml')).toContain('podSelector:');
    expect(await ok('describe netpol web -n shop')).toContain('Allowing ingress traffic:');
    expect(await ok('get all,netpol -A -o wide')).toContain('networkpolicy.networking.k8s.io/web');
  });

  it('shows a difference before it is applied', async () => {
    const { code, out } = await kubectl('diff -f -', policy.replace('port: 80', 'port: 81'));
    expect(code).toBe(1);
    expect(out).toMatch(/^-.*port: 80$/m);
    expect(out).toMatch(/^\+.*port: 81$/m);
  });

  it('labels, annotates, patches three ways and edits', async () => {
    await ok('apply -f -', pod);
    await ok('label pod web -n shop tier=one');
    await ok('annotate pod web -n shop note=x');
    await ok(`patch pod web -n shop -p '{"spec":{"containers":[{"name":"main","image":"web:2"}]}}'`);
    await ok(`patch pod web -n shop --type merge -p '{"metadata":{"labels":{"tier":"two"}}}'`);
    await ok(`patch pod web -n shop --type json -p '[{"op":"add","path":"/metadata/labels/third","value":"yes"}]'`);
    await ok('edit pod web -n shop', '', { KUBE_EDITOR: 'sed -i s/web:2/web:3/' });
    expect(await ok(`get pod web -n shop -o 'jsonpath={.metadata.labels} {.metadata.annotations.note} {.spec.containers[*].image}'`)).toBe('{"app":"web","third":"yes","tier":"two"} x web:3');
    expect(await ok('get pods -n shop -l tier=two -o name')).toBe('pod/web\n');
    expect(await ok('get pods -n shop --field-selector spec.nodeName=n1 -o name')).toBe('pod/web\n');
  });

  it('creates typed objects (which kubectl sends as protobuf)', async () => {
    await ok('create deployment d --image=i:1 --replicas=3 --port=8080 -n shop');
    await ok('create service clusterip d --tcp=80:8080 -n shop');
    await ok('create configmap c --from-literal=a=b -n shop');
    await ok('create secret generic s --from-literal=a=b -n shop');
    await ok('create serviceaccount sa -n shop');
    await ok('create role r --verb=get --resource=pods -n shop');
    expect(await ok(`get deploy d -n shop -o 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}'`)).toBe('3 8080');
    expect(await ok('get secret s -n shop -o jsonpath={.data.a}')).toBe('Yg==');
    expect(await ok('get svc d -n shop')).toMatch(/d +ClusterIP +10\.43\.\d+\.\d+ +<none> +80\/TCP/);
    expect(await ok('run r --image=i --restart=Never -n shop')).toBe('pod/r created\n');
    expect(await ok('expose deployment d --name=e --port=90 -n shop')).toBe('service/e exposed\n');
  });

  it('scales, rolls out and waits', async () => {
    await ok('scale deployment d --replicas=5 -n shop');
    expect(await ok('get deploy d -n shop -o jsonpath={.spec.replicas}')).toBe('5');
    await ok('set image deployment/d i=i:2 -n shop');
    await ok('rollout restart deployment/d -n shop');
    const waiting = ok('wait --for=condition=Ready pod/web -n shop --timeout=20s');
    server.client.patchStatus('pods', 'shop', 'web', { phase: 'Running', podIP: '10.42.0.9', conditions: [{ type: 'Ready', status: 'True' }] });
    expect(await waiting).toBe('pod/web condition met\n');
  });

  it('applies on the server and reports conflicts', async () => {
    const config = (value: string): string => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ssa","namespace":"shop"},"data":{"a":"${value}"}}`;
    expect(await ok('apply --server-side -f -', config('1'))).toBe('configmap/ssa serverside-applied\n');
    const refused = await kubectl('apply --server-side --field-manager=other -f -', config('2'));
    expect(refused.err).toContain('Apply failed with 1 conflict: conflict with "kubectl": .data.a');
    await ok('apply --server-side --field-manager=other --force-conflicts -f -', config('2'));
  });

  it('checks without storing', async () => {
    expect(await ok('create configmap dry --from-literal=a=b --dry-run=server -n shop')).toBe('configmap/dry created (server dry run)\n');
    expect(await ok('apply --dry-run=server -f -', policy.replace('name: web', 'name: dry'))).toBe('networkpolicy.networking.k8s.io/dry created (server dry run)\n');
    expect((await kubectl('get configmap dry -n shop')).err).toBe('Error from server (NotFound): configmaps "dry" not found\n');
  });

  it('says what is wrong', async () => {
    expect((await kubectl('apply -f -', policy.replace('podSelector: {matchLabels: {app: web}}', 'podSelektor: {}'))).err).toMatch(/unknown field "(spec\.)?podSelektor"/); // older kubectl says it by itself, from OpenAPI v2
    expect((await kubectl('apply -f -', policy.replace('port: 80,', 'port: 0,').replace('name: web', 'name: bad'))).err).toContain('The NetworkPolicy "bad" is invalid: spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive');
    expect((await kubectl('create configmap c -n shop')).err).toContain('configmaps "c" already exists');
    expect((await kubectl('get widgets')).err).toContain(`the server doesn't have a resource type "widgets"`);
  });

  it('explains and lists what there is', async () => {
    expect(await ok('explain networkpolicy.spec.ingress.from.ipBlock')).toMatch(/cidr\t<string> -required-\n +cidr is a string representing the IPBlock/);
    expect(await ok('api-resources')).toMatch(/networkpolicies +netpol +networking\.k8s\.io\/v1 +true +NetworkPolicy/);
    expect(await ok('api-versions')).toContain('discovery.k8s.io/v1');
    expect(await ok('auth can-i create pods')).toBe('yes\n');
  });

  it('watches', async () => {
    const child = spawn(KUBECTL, ['get', 'configmaps', '-n', 'shop', '-w', '-o', 'name'], { env: environment() });
    let seen = '';
    child.stdout.on('data', (data: Buffer) => (seen += data.toString()));
    await expect.poll(() => seen, { timeout: 10_000 }).toContain('configmap/c\n');
    await ok('create configmap later --from-literal=a=b -n shop');
    await expect.poll(() => seen, { timeout: 10_000 }).toContain('configmap/later\n');
    child.kill();
  });

  it('runs commands in pods with their streams and exit code', async () => {
    expect(await kubectl(`exec web -n shop -- sh -c 'echo out; echo err >&2; exit 7'`)).toEqual({ code: 7, out: 'out\n', err: 'err\ncommand terminated with exit code 7\n' });
    expect(await ok('exec -i web -n shop -- cat', 'through\n')).toBe('through\n');
    expect((await kubectl('exec web -c none -n shop -- true')).err).toContain('container none is not valid for pod web');
    const big = await kubectl(`exec web -n shop -- sh -c 'head -c 3000000 /dev/zero | tr "\\0" x'`);
    expect(big.out.length).toBe(3_000_000);
  }, 60_000);

  it('runs commands over SPDY too, as older kubectl does', async () => {
    const env = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' };
    expect(await kubectl(`exec -i web -n shop -- sh -c 'cat; exit 3'`, 'spdy\n', env)).toEqual({ code: 3, out: 'spdy\n', err: 'command terminated with exit code 3\n' });
  });

  it('shows logs', async () => {
    expect(await ok('logs web -n shop')).toBe('first\nsecond\nthird of main\n');
    expect(await ok('logs web -n shop --tail=1')).toBe('third of main\n');
  });

  it.each(['true', 'false'])('forwards ports (WebSocket: %s)', async (webSockets) => {
    const echo = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as AddressInfo;
    const child = spawn(KUBECTL, ['port-forward', '-n', 'shop', 'pod/web', `:${port}`], { env: { ...environment(), KUBECTL_PORT_FORWARD_WEBSOCKETS: webSockets } });
    let said = '';
    child.stdout.on('data', (data: Buffer) => (said += data.toString()));
    await expect.poll(() => said, { timeout: 10_000 }).toMatch(/Forwarding from 127\.0\.0\.1:\d+/);
    const local = Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    const payload = Buffer.alloc(1_000_000, 'abc');
    expect((await exchange(local, payload)).equals(payload)).toBe(true);
    child.kill();
    echo.close();
  });

  it('deletes', async () => {
    server.client.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    const deleting = ok('delete pod web -n shop');
    await expect.poll(() => server.client.get('pods', 'shop', 'web')?.metadata.deletionTimestamp, { timeout: 10_000 }).toBeDefined();
    server.client.delete('pods', 'shop', 'web', { gracePeriodSeconds: 0 });
    expect(await deleting).toContain('pod "web" deleted');
    await ok('delete netpol --all -n shop');
    await ok('delete namespace shop');
    expect((await kubectl('get namespace shop')).err).toContain('NotFound');
  });
});

async function exchange(port: number, payload: Buffer): Promise<Buffer> {
  const { connect } = await import('node:net');
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = connect(port, '127.0.0.1', () => socket.write(payload));
    socket.on('data', (data: Buffer) => {
      chunks.push(data);
      bytes += data.length;
      if (bytes >= payload.length) socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(Buffer.concat(chunks)));
  });
}
