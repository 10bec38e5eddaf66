import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installCni } from '../../../agent/cni/install.js';
import { uninstallCni } from '../../../agent/cni/uninstall.js';

let root = '';
let bin = '';
let net = '';
const plugin = (): string => join(root, 'plugin');
const install = (replaceCalico = false): void => void installCni({ plugin: plugin(), binDirs: [bin], netDir: net, replaceCalico, env: { KUBERNETES_NODE_NAME: 'n1' } });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'canal-uninstall-'));
  bin = join(root, 'bin');
  net = join(root, 'net');
  mkdirSync(bin);
  writeFileSync(plugin(), 'canal CNI plugin, in a test');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('taking the CNI files away', () => {
  it('leaves nothing of what the installation made', () => {
    install();
    expect([...uninstallCni([bin], net).removed].sort()).toEqual([join(bin, 'calico'), join(bin, 'canal'), join(net, '10-canal.conflist')].sort());
    expect([...readdirSync(bin), ...readdirSync(net)]).toEqual([]);
    expect(uninstallCni([bin], net)).toEqual({ removed: [], restored: [] });
  });

  it('puts back what the installation had put aside', () => {
    mkdirSync(net);
    writeFileSync(join(net, '10-canal.conflist'), '{"name": "k8s-pod-network", "plugins": [{"type": "calico"}]}');
    writeFileSync(join(bin, 'calico'), "Calico's");
    install(true);
    expect(readFileSync(join(bin, 'calico'), 'utf8')).toContain('canal CNI plugin');
    uninstallCni([bin], net);
    expect(readFileSync(join(bin, 'calico'), 'utf8')).toBe("Calico's");
    expect(readFileSync(join(net, '10-canal.conflist'), 'utf8')).toContain('"calico"');
    expect([...readdirSync(bin), ...readdirSync(net)].filter((name) => name.endsWith('.before-canal'))).toEqual([]);
  });

  it('touches nothing of anybody else', () => {
    install();
    writeFileSync(join(net, '20-other.conflist'), '{"name": "other", "plugins": [{"type": "bridge"}]}');
    writeFileSync(join(bin, 'bridge'), 'a bridge');
    uninstallCni([bin, join(root, 'absent')], net);
    expect([...readdirSync(bin), ...readdirSync(net)]).toEqual(['bridge', '20-other.conflist']);
    expect(existsSync(join(root, 'absent'))).toBe(false);
  });
});
