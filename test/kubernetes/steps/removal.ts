import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { applyText, deleteText, kubectl, manifest, NAMESPACE, nodes, shellOn } from '../cluster.js';

/**
 * What of a node canal may change. Its containers' own traces (pods, images) and counters are not in it, nor what the
 * kernel lists for devices of pods.
 */
const STATE = [
  ['links', "ip -br link | awk '{print $1}' | sed 's/@.*//' | grep -v '^lo' | sort"],
  ['addresses', "ip -br addr | awk '{print $1, $3}' | sed 's/@[^ ]*//' | sort"],
  // A restarted node may have another hardware address, and with it another link-local one.
  ['routes', "{ ip route show table all | sort; ip -6 route show table main | sort; } | sed 's/^local fe80::[0-9a-f:]*/local fe80::/'"],
  ['rules', 'ip rule; ip -6 rule'],
  ['neighbours', 'ip neigh show nud permanent; bridge fdb show 2>/dev/null | grep -v " dev eth" || true'],
  ['pins', 'find /sys/fs/bpf -mindepth 1 | sort'],
  ['filters', 'for d in $(ls /sys/class/net); do tc filter show dev $d ingress; tc filter show dev $d egress; done 2>/dev/null || true'],
  ['netfilter', 'iptables-save 2>/dev/null | grep -v "^#" | sed "s/\\[[0-9:]*\\]//" || true; nft list tables 2>/dev/null | sort || true'],
  ['plugins', 'ls -l /opt/cni/bin 2>/dev/null | grep -iE "canal|calico" || true'],
  ['configurations', 'for f in /etc/cni/net.d/*; do [ ! -f "$f" ] || { echo "$f"; cat "$f"; }; done'],
  ['state', 'for d in /run/canal /run/flannel /var/lib/canal /var/lib/calico /var/lib/cni/networks; do find $d -mindepth 1 2>/dev/null || true; done | sort'],
] as const;

export type NodeState = Readonly<Record<string, string>>;

/** Of every node, by name. */
export async function nodeStates(): Promise<ReadonlyMap<string, NodeState>> {
  const states = new Map<string, NodeState>();
  for (const { name } of await nodes()) {
    const entries: [string, string][] = [];
    for (const [what, script] of STATE) entries.push([what, await shellOn(name, script)]);
    states.set(name, Object.fromEntries(entries));
  }
  return states;
}

/** kubectl delete and the clean-up leave nodes as they were. @param before what they were like before the installation, if it is known */
export function removal(before: () => ReadonlyMap<string, NodeState> | undefined): void {
  it('keeps traffic and policy when only the DaemonSet is deleted, and cleans up when told to', async () => {
    await kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait');
    await deleteText(manifest());
    await kubectl('-n', 'kube-system', 'wait', '--for=delete', 'pod', '-l', 'k8s-app=canal', '--timeout=60s');
    for (const { name } of await nodes()) expect(await shellOn(name, 'ls /sys/fs/bpf/canal')).toContain('programs');
    await applyText(readFileSync('deploy/cleanup.yaml', 'utf8'));
    await kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/canal-cleanup', '--timeout=120s');
    await deleteText(readFileSync('deploy/cleanup.yaml', 'utf8'));
  });

  it('leaves every node as it was before', async () => {
    const was = before();
    expect(was, 'canal was there already when the suite began: run it on a cluster without').toBeDefined();
    const is = await nodeStates();
    for (const [name, state] of was!) expect(is.get(name), name).toEqual(state);
  });

  it('can be installed again, also where no bpffs is mounted', async () => {
    const [{ name: bare } = { name: '' }] = await nodes();
    await shellOn(bare, 'umount /sys/fs/bpf');
    await applyText(manifest());
    await kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/canal', '--timeout=120s');
    await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s');
    // On the node itself, so that pins outlive the agent's container.
    expect(await shellOn(bare, 'stat -f -c %T /sys/fs/bpf; ls /sys/fs/bpf/canal')).toMatch(/^bpf_fs\n[^]*programs/);
    // Pods of before have no network any more.
    await kubectl('-n', 'kube-system', 'delete', 'pod', '--ignore-not-found', '-l', 'k8s-app=kube-dns', '--wait=false');
  });
}
