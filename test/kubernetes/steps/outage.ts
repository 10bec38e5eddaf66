import { expect } from 'vitest';
import { eventually, NAMESPACE, shellOn, type ClusterNode } from '../cluster.js';

interface Attached {
  readonly containerId: string;
  readonly address: string;
}

const NETNS = 'canal-outage';
/** A network of its own, beside the pods'. */
const CONFIG = JSON.stringify({ cniVersion: '1.0.0', name: NETNS, type: 'canal', ipam: { type: 'host-local', ranges: [[{ subnet: '10.253.254.0/28' }]] } });

/**
 * What CNI promises while nobody answers for the API server: a pod that the agent knows gets another sandbox (the
 * kubelet's DEL, then its ADD), one that it does not know is told to try again later, and both DELs succeed.
 */
export async function cniWithoutApi({ name: node }: ClusterNode, pod: string): Promise<void> {
  const [old] = await attached(node, pod);
  expect(old, `${pod} is attached`).toBeDefined();
  const begun = performance.now();
  await shellOn(node, `ctr -n k8s.io tasks kill -s SIGKILL ${old!.containerId}`);
  let young: Attached | undefined;
  await eventually('the pod has another sandbox and no more than one', async () => {
    const all = await attached(node, pod);
    [young] = all;
    return all.length === 1 && young!.containerId !== old!.containerId;
  });
  await eventually('it answers there', () => answers(node, young!.address));
  console.log(`without an API server: a pod whose sandbox died answers again after ${Math.round(performance.now() - begun)} ms, ${old!.address === young!.address ? 'at its address' : 'at another address'}`);

  await shellOn(node, `ip netns add ${NETNS}`);
  try {
    const refused = await plugin(node, 'ADD', 'nobody-knows-it');
    expect(refused).toMatch(/"code":\s*11\b/); // CNI: try again later
    expect(refused).toContain('before the deadline');
    expect(refused).toMatch(/exit 1$/);
    expect(await plugin(node, 'DEL', 'nobody-knows-it')).toBe('exit 0');
    expect(await shellOn(node, `ls /var/lib/cni/networks/${NETNS} 2>/dev/null | grep -c '^10[.]' || true`), 'addresses that stay taken').toBe('0');
  } finally {
    await shellOn(node, `ip netns delete ${NETNS}; rm -rf /var/lib/cni/networks/${NETNS}`);
  }
}

/** Sandboxes of a pod that the node's agent has recorded, ready ones. */
async function attached(node: string, pod: string): Promise<Attached[]> {
  const files = await shellOn(node, 'cd /var/lib/canal/endpoints && for f in *.json; do tr -d "\\n" <"$f" && echo; done 2>/dev/null || true');
  const records = files.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { readonly state: string; readonly endpoint: { readonly containerId: string; readonly namespace: string; readonly pod: string; readonly addresses: readonly string[] } });
  const own = records.filter(({ state, endpoint }) => state === 'ready' && endpoint.namespace === NAMESPACE && endpoint.pod === pod);
  return own.map(({ endpoint: { containerId, addresses } }) => ({ containerId, address: addresses[0] ?? '' }));
}

/** One exchange with a server of `talk.mjs`, from the node itself. */
async function answers(node: string, address: string): Promise<boolean> {
  const script = `exec 3<>/dev/tcp/${address}/80; printf '?' >&3; head -c 1 <&3`;
  return (await shellOn(node, `timeout 2 bash -c "${script}" 2>/dev/null || true`)) === '?';
}

/** As a container runtime calls it. @returns what it printed and, last, its exit status */
function plugin(node: string, verb: 'ADD' | 'DEL', pod: string): Promise<string> {
  const environment = `CNI_COMMAND=${verb} CNI_CONTAINERID=${NETNS} CNI_NETNS=/run/netns/${NETNS} CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin 'CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=${NAMESPACE};K8S_POD_NAME=${pod};K8S_POD_UID=11111111-2222-3333-4444-555555555555'`;
  return shellOn(node, `printf '%s' '${CONFIG}' | env ${environment} /opt/cni/bin/canal 2>&1; echo "exit $?"`);
}
