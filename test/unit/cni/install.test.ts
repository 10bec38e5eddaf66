import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { installCni, type InstallReport } from '../../../agent/cni/install.js';
import { renderConfig } from '../../../agent/cni/install-config.js';

let root: string;
let bin: string;
let net: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'canal-install-'));
  [bin, net] = [join(root, 'bin'), join(root, 'net.d')];
  mkdirSync(bin);
  mkdirSync(net);
  writeFileSync(join(root, 'plugin'), 'ELF… canal CNI plugin 1', { mode: 0o755 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const install = (env: Record<string, string> = {}, more: { replaceCalico?: boolean; binDirs?: string[] } = {}): InstallReport =>
  installCni({ plugin: join(root, 'plugin'), binDirs: [bin, join(root, 'absent')], netDir: net, replaceCalico: false, ...more, env: { KUBERNETES_NODE_NAME: 'n1', ...env } });
const read = (path: string): string => readFileSync(path, 'utf8');

/** The conflist of compat.md 4.4, as Canal's ConfigMap has it. */
const CANAL = `{
  "name": "k8s-pod-network", "cniVersion": "0.3.1",
  "plugins": [
    { "type": "calico", "log_level": "info", "log_file_path": "/var/log/calico/cni/cni.log", "datastore_type": "kubernetes", "nodename": "__KUBERNETES_NODE_NAME__",
      "mtu": __CNI_MTU__, "ipam": { "type": "host-local", "subnet": "usePodCidr" }, "policy": { "type": "k8s" }, "kubernetes": { "kubeconfig": "__KUBECONFIG_FILEPATH__" } },
    { "type": "portmap", "snat": true, "capabilities": {"portMappings": true} }
  ]
}`;

describe('install-cni', () => {
  it('installs the plugin under both names and a configuration for root alone', () => {
    install();
    expect(readdirSync(bin).sort()).toEqual(['calico', 'canal']);
    expect(statSync(join(bin, 'canal')).mode & 0o777).toBe(0o755);
    expect(readdirSync(net)).toEqual(['10-canal.conflist']);
    expect(statSync(join(net, '10-canal.conflist')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(read(join(net, '10-canal.conflist')))).toMatchObject({ name: 'k8s-pod-network', plugins: [{ type: 'canal', nodename: 'n1', mtu: 0 }] });
  });

  it("offers CNI 1.1 to runtimes that know of STATUS and GC, and 1.0 to those that do not: by default and in the manifest", () => {
    const manifest = parseAllDocuments(readFileSync('deploy/canal.yaml', 'utf8')).map((d) => d.toJS() as { data?: Record<string, string> }).find(({ data }) => data !== undefined)!;
    for (const template of [undefined, manifest.data!['cni_network_config']]) {
      expect(JSON.parse(renderConfig(template, { KUBERNETES_NODE_NAME: 'n1', CNI_MTU: '0' }, '/etc/cni/net.d'))).toMatchObject({ cniVersion: '1.0.0', cniVersions: ['1.0.0', '1.1.0'] });
    }
  });

  it('changes nothing the second time', () => {
    install();
    const before = statSync(join(net, '10-canal.conflist')).ino;
    const report = install();
    expect([...report.binaries.values()]).toEqual(['same', 'same']);
    expect(report.config).toEqual({ replaced: undefined, preferred: [], removed: undefined, changed: false });
    expect(statSync(join(net, '10-canal.conflist')).ino).toBe(before);
  });

  it("takes Canal's own template", () => {
    install({ CNI_NETWORK_CONFIG: CANAL, CNI_MTU: '1450', CNI_NET_DIR: '/etc/cni/net.d' });
    expect(JSON.parse(read(join(net, '10-canal.conflist')))).toMatchObject({ plugins: [{ type: 'calico', mtu: 1450, nodename: 'n1', kubernetes: { kubeconfig: '/etc/cni/net.d/calico-kubeconfig' } }, { type: 'portmap' }] });
  });

  it('prefers a template file', () => {
    writeFileSync(join(root, 'template'), '{"name":"x","type":"canal"}');
    install({ CNI_NETWORK_CONFIG: CANAL, CNI_NETWORK_CONFIG_FILE: join(root, 'template'), CNI_CONF_NAME: '05-x.conf' });
    expect(read(join(net, '05-x.conf'))).toBe('{"name":"x","type":"canal"}');
  });

  it("leaves somebody else's calico alone unless told, and then keeps it", () => {
    writeFileSync(join(bin, 'calico'), 'the real one');
    expect(install().binaries.get(join(bin, 'calico'))).toBe('foreign');
    expect(read(join(bin, 'calico'))).toBe('the real one');
    expect(install({}, { replaceCalico: true }).binaries.get(join(bin, 'calico'))).toBe('installed');
    expect(read(join(bin, 'calico'))).toBe(read(join(root, 'plugin')));
    expect(read(join(bin, 'calico.before-canal'))).toBe('the real one');
  });

  it('updates its own plugin, or keeps the version that is there', () => {
    writeFileSync(join(bin, 'canal'), 'ELF… canal CNI plugin 0');
    expect(install({ UPDATE_CNI_BINARIES: 'false' }).binaries.get(join(bin, 'canal'))).toBe('kept');
    expect(install().binaries.get(join(bin, 'canal'))).toBe('installed');
    expect(read(join(bin, 'canal'))).toBe('ELF… canal CNI plugin 1');
  });

  it('skips what it is told to skip', () => {
    install({ SKIP_CNI_BINARIES: 'bandwidth, calico' });
    expect(readdirSync(bin)).toEqual(['canal']);
  });

  it('keeps and reports a configuration of the same name that is not ours', () => {
    writeFileSync(join(net, '10-canal.conflist'), CANAL);
    const { config } = install();
    expect(config.replaced).toBe(join(net, '10-canal.conflist.before-canal'));
    expect(read(config.replaced!)).toBe(CANAL);
  });

  it('reports configurations that runtimes take before ours and leaves them', () => {
    for (const name of ['05-cilium.conflist', '10-calico.conflist', '10-flannel.conflist', '99-loopback.conf', 'README']) writeFileSync(join(net, name), '{}');
    expect(install().config.preferred).toEqual(['05-cilium.conflist', '10-calico.conflist']);
    expect(readdirSync(net)).toHaveLength(6);
  });

  it('removes the old configuration that CNI_OLD_CONF_NAME names', () => {
    writeFileSync(join(net, '10-calico.conflist'), '{}');
    expect(install({ CNI_OLD_CONF_NAME: '10-calico.conflist' }).config).toMatchObject({ removed: '10-calico.conflist', preferred: [] });
    install({ CNI_OLD_CONF_NAME: '10-canal.conflist' });
    expect(readdirSync(net)).toEqual(['10-canal.conflist']);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['a template that is no JSON', { CNI_NETWORK_CONFIG: '{' }, /CNI_NETWORK_CONFIG: not JSON/],
    ['a template without our plugin', { CNI_NETWORK_CONFIG: '{"plugins":[{"type":"bridge"}]}' }, /none has type canal/],
    ['an unknown placeholder', { CNI_NETWORK_CONFIG: '{"type":"canal","x":"__FROB__"}' }, /__FROB__/],
    ['an MTU that is no number', { CNI_MTU: 'auto' }, /not JSON/],
    ['a name that is a path', { CNI_CONF_NAME: '../x' }, /CNI_CONF_NAME/],
    ['a flag that is neither', { UPDATE_CNI_BINARIES: 'maybe' }, /UPDATE_CNI_BINARIES/],
    ['a template file that is not there', { CNI_NETWORK_CONFIG_FILE: '/nonexistent' }, /CNI_NETWORK_CONFIG_FILE/],
  ])('refuses %s and touches no configuration', (_, env, message) => {
    expect(() => install(env)).toThrow(message);
    expect(readdirSync(net)).toEqual([]);
  });

  it('refuses to go on without a directory for plugins', () => {
    expect(() => install({}, { binDirs: [join(root, 'absent')] })).toThrow(/no directory for CNI plugins/);
  });

  it('puts no credential into the configuration, and escapes values', () => {
    const env = { SERVICEACCOUNT_TOKEN: 'secret', KUBERNETES_NODE_NAME: 'a"b' };
    expect(JSON.parse(renderConfig('{"type":"canal","t":"__SERVICEACCOUNT_TOKEN__","n":"__KUBERNETES_NODE_NAME__"}', env, '/x'))).toEqual({ type: 'canal', t: '', n: 'a"b' });
  });
});
