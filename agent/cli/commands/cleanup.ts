import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Cidr } from '../../base/address.js';
import { createLogger, type Logger } from '../../base/log.js';
import { uninstallCni } from '../../cni/uninstall.js';
import { parseNetConf } from '../../daemon/settings/net-conf.js';
import { loadSettings } from '../../daemon/settings/load.js';
import { cniDirectories } from '../install-cni.js';

interface Flags {
  readonly binDir: readonly string[];
  readonly netDir: string;
  readonly predecessor?: true;
  readonly hostRoot: string;
}

const CNI_LIB = '/var/lib/cni';

/** `canal cleanup`: the node as it was before canal, once the agent is gone. */
export function register(program: Command): void {
  const { bin, net } = cniDirectories();
  program
    .command('cleanup')
    .description('remove everything of canal from this node, when its agent has been removed; running pods lose their network')
    .option('--bin-dir <directory...>', 'where plugins are', bin)
    .option('--net-dir <directory>', 'where the configuration is', net)
    .option('--predecessor', 'remove flannel\'s and Calico\'s rules from netfilter instead, once they are gone; canal may run. Needs the node\'s own iptables, nft and ipset, whichever made them')
    .option('--host-root <directory>', 'root directory of the node, where its tools are', '')
    .action(async (flags: Flags) => {
      const log = createLogger('info', { component: 'cleanup' });
      if (flags.predecessor === true) return cleanPredecessor(log, flags.hostRoot);
      const { settings } = loadSettings({}, process.env, undefined);
      const { cleanUpNode } = await import('../../daemon/cleanup.js');
      // Containers' runtimes first: they must not ask a plugin whose agent is gone.
      const files = uninstallCni(flags.binDir.filter((directory) => existsSync(directory)), flags.netDir);
      const report = await cleanUpNode(settings, podNetworks(settings.netConfPath), CNI_LIB);
      log.info({ ...files, ...report }, 'canal is gone from this node');
    });
}

async function cleanPredecessor(log: Logger, hostRoot: string): Promise<void> {
  const [{ cleanUpPredecessor }, { listChains }] = await Promise.all([import('../../daemon/predecessor.js'), import('../../kernel/netfilter.js')]);
  log.info({ ...cleanUpPredecessor(listChains, hostRoot) }, 'the predecessor\'s rules are gone from netfilter');
}

/** Without net-conf.json no route is known as ours but those through our devices, which go with these. */
function podNetworks(path: string): Cidr[] {
  if (!existsSync(path)) return [];
  const { network, ipv6Network } = parseNetConf(readFileSync(path, 'utf8'), path);
  return [network, ipv6Network].filter((one) => one !== undefined);
}
