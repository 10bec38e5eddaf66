import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { flag, installCni, type InstallReport } from '../cni/install.js';
import { createLogger, type Logger } from '../base/log.js';

interface Flags {
  readonly plugin: string;
  readonly binDir: readonly string[];
  readonly netDir: string;
  readonly replaceCalico?: boolean;
}

/** Beside this file's folder in the build. */
const PLUGIN = fileURLToPath(new URL('../../native/canal-cni', import.meta.url));
/** As a pod mounts them (compat.md 4.6), and as they are on the node itself. */
const BIN_DIRS = ['/host/opt/cni/bin', '/host/secondary-bin-dir'];
const NET_DIR = '/host/etc/cni/net.d';

/** `canal install-cni`: plugin and configuration into the node's directories, with the variables of Calico's installer. */
export function registerInstallCni(program: Command): void {
  const { bin, net } = cniDirectories();
  program
    .command('install-cni')
    .description('install the CNI plugin and its configuration on this node')
    .option('--plugin <file>', 'the plugin binary', PLUGIN)
    .option('--bin-dir <directory...>', 'where plugins go', bin)
    .option('--net-dir <directory>', 'where the configuration goes', net)
    .option('--replace-calico', "replace another plugin called calico (kept as calico.before-canal)")
    .action(async (flags: Flags) => {
      const log = createLogger('info', { component: 'install-cni' });
      const { plugin, netDir } = flags;
      tell(log, installCni({ plugin, netDir, binDirs: flags.binDir, replaceCalico: flags.replaceCalico ?? false, env: process.env }));
      if (flag(process.env, 'SLEEP', inPod())) await sleepUntilTold();
    });
}

const inPod = (): boolean => existsSync('/host');

/** Where plugins and configurations are: the node's own, as this process sees them. */
export function cniDirectories(): { readonly bin: string[]; readonly net: string } {
  return inPod() ? { bin: BIN_DIRS, net: NET_DIR } : { bin: ['/opt/cni/bin'], net: '/etc/cni/net.d' };
}

function tell(log: Logger, { binaries, configName, config }: InstallReport): void {
  for (const [path, outcome] of binaries) {
    if (outcome === 'foreign') log.warn({ path }, 'another calico plugin is installed and stays; configurations of type calico go to it (--replace-calico replaces it)');
    else log.info({ path, outcome }, 'CNI plugin');
  }
  if (config.replaced !== undefined) log.warn({ name: configName, keptAs: config.replaced }, 'a CNI configuration that was not ours has been replaced');
  if (config.preferred.length > 0) log.warn({ name: configName, preferred: config.preferred }, 'container runtimes use these CNI configurations before ours');
  if (config.removed !== undefined) log.info({ name: config.removed }, 'old CNI configuration removed');
  log.info({ name: configName, changed: config.changed }, 'CNI configuration');
}

/** SLEEP=true: a sidecar that must not exit. */
function sleepUntilTold(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => undefined, 1 << 30);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        clearInterval(timer);
        resolve();
      });
    }
  });
}
