import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

/** A node's folder, and a container's view of it with mountPropagation Bidirectional; both in mount namespaces of their own. */
const SCRIPT = `
set -eu
mount -t tmpfs none /mnt && mount --make-shared /mnt && mkdir /mnt/bpf /mnt/container
stat -f -c %T /mnt/bpf
unshare --mount --propagation unchanged sh -euc '
	mount --bind /mnt /mnt/container && mount --make-shared /mnt/container
	node build/agent/cli/main.js mount-bpffs /mnt/container/bpf 2>&1
	node build/agent/cli/main.js mount-bpffs /mnt/container/bpf 2>&1
'
stat -f -c %T /mnt/bpf
`;

it('canal mount-bpffs in a container mounts it on the node, once', () => {
  const out = execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT], { encoding: 'utf8' }).trim().split('\n');
  const said = out.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { mounted: boolean });
  expect(said.map(({ mounted }) => mounted)).toEqual([true, false]);
  expect(out.filter((line) => !line.startsWith('{')).slice(0, 2)).toEqual(['tmpfs', 'bpf_fs']);
});
