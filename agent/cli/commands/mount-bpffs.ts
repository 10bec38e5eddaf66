import type { Command } from 'commander';
import { createLogger } from '../../base/log.js';
import { isBpffs, mountBpffs } from '../../kernel/bpf-object.js';

const PATH = '/sys/fs/bpf';

/** `canal mount-bpffs`: for nodes on which nothing else mounts it. Pins in a mount of the agent's own container would go away with that. */
export function register(program: Command): void {
  program
    .command('mount-bpffs')
    .description('mount bpffs unless it is mounted; in a container the mount has to reach the node (mountPropagation: Bidirectional)')
    .argument('[path]', 'where', PATH)
    .action((path: string) => {
      const there = isBpffs(path);
      if (!there) mountBpffs(path);
      createLogger('info', { component: 'mount-bpffs' }).info({ path, mounted: !there }, there ? 'bpffs is there' : 'bpffs was not there and has been mounted');
    });
}
