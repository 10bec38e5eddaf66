import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { startApiServer, type ApiServer } from '../../../agent/apiserver/server.js';
import { loadSettings } from '../../../agent/daemon/settings/load.js';
import { parseNetConf } from '../../../agent/daemon/settings/net-conf.js';

let server: ApiServer;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'canal-manifests-'));
  server = await startApiServer({});
  writeFileSync(join(directory, 'config'), server.kubeconfig);
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('kubectl', args, { env: { ...process.env, KUBECONFIG: join(directory, 'config'), HOME: directory } });
  return stdout;
}

interface Container {
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: { readonly configMapKeyRef?: { readonly key: string } } }[];
}
interface Manifest {
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
}
const documents = (): Manifest[] => parseAllDocuments(readFileSync('deploy/canal.yaml', 'utf8')).map((d) => d.toJS() as Manifest);
const config = (): Readonly<Record<string, string>> => documents().find((d) => d.kind === 'ConfigMap')!.data!;

describe('the manifests', () => {
  it('are accepted by the API server, field by field', async () => {
    const out = await kubectl('apply', '--dry-run=server', '-f', 'deploy/canal.yaml');
    expect(out.trim().split('\n').map((line) => line.split('/')[0])).toEqual([
      'serviceaccount', 'clusterrole.rbac.authorization.k8s.io', 'clusterrolebinding.rbac.authorization.k8s.io', 'configmap', 'daemonset.apps',
    ]);
  });

  it('are refused with a misspelt field, so that the check can fail', async () => {
    const broken = join(directory, 'broken.yaml');
    writeFileSync(broken, readFileSync('deploy/canal.yaml', 'utf8').replace('hostNetwork: true', 'hostNetwrok: true'));
    await expect(kubectl('apply', '--dry-run=server', '-f', broken)).rejects.toThrow(/hostNetwrok/);
  });

  it.each(readdirSync('deploy/demo').filter((name) => name.endsWith('.yaml')))('of the demo: deploy/demo/%s', async (name) => {
    // A dry run does not make the namespaces that the files name.
    const named = parseAllDocuments(readFileSync(join('deploy/demo', name), 'utf8')).map((d) => (d.toJS() as { metadata: { namespace?: string } }).metadata.namespace);
    for (const namespace of new Set(named)) if (namespace !== undefined) await kubectl('create', 'namespace', namespace).catch(() => undefined);
    expect(await kubectl('apply', '--dry-run=server', '-f', join('deploy/demo', name))).toContain('(server dry run)');
  });

  it('set only what the agent knows', () => {
    const agent = documents().find((d) => d.kind === 'DaemonSet')!.spec!.template.spec.containers[0]!;
    const environment = Object.fromEntries((agent.env ?? []).map((e) => [e.name, e.value ?? config()[e.valueFrom?.configMapKeyRef?.key ?? ''] ?? 'x']));
    expect(() => loadSettings({}, environment, undefined)).not.toThrow();
  });

  it("hold a net-conf.json that the agent reads, and the keys of Canal's ConfigMap", () => {
    expect(parseNetConf(config()['net-conf.json']!, 'net-conf.json').backend.type).toBe('vxlan');
    expect(Object.keys(config()).sort()).toEqual(['canal_iface', 'cni_network_config', 'masquerade', 'net-conf.json', 'veth_mtu']);
  });
});
