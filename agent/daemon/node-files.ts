import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { subnetFileText } from '../compile/overlay/subnet-file.js';
import type { OverlayState } from '../compile/overlay/overlay.js';
import type { AgentSettings } from '../model/settings.js';

/**
 * Files that others on the node read: flannel's subnet.env (CNI plugins,
 * scripts; compat.md 1.9), Calico's nodename and mtu (leftover Calico plugins;
 * compat.md 5.5, 13 point 10). Written beside and renamed, and only when they
 * say something else. @throws what the file system says
 */
export function writeNodeFiles(settings: Pick<AgentSettings, 'subnetFile' | 'calicoDir' | 'nodeName' | 'ipMasq'>, overlay: OverlayState): readonly string[] {
  const files: [string, string][] = [];
  if (settings.subnetFile !== '') files.push([settings.subnetFile, subnetFileText(overlay.network, overlay.subnet, overlay.mtu, settings.ipMasq)]);
  if (settings.calicoDir !== '') {
    files.push([join(settings.calicoDir, 'nodename'), settings.nodeName]);
    files.push([join(settings.calicoDir, 'mtu'), String(overlay.mtu)]);
  }
  return files.filter(([path, text]) => replaceFile(path, text)).map(([path]) => path);
}

function replaceFile(path: string, text: string): boolean {
  if (contentOf(path) === text) return false;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(`${path}.canal-tmp`, text, { mode: 0o644 });
  renameSync(`${path}.canal-tmp`, path);
  return true;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
