/** Files that an installation puts on each node. */
export interface NodeFile {
  readonly path: string;
  readonly content: string;
}

/** flannel's network configuration: how all nodes know the cluster's pod addresses and the overlay. */
export function netConf(podCidr: string): NodeFile {
  return { path: '/etc/kube-flannel/net-conf.json', content: `${JSON.stringify({ Network: podCidr, EnableNFTables: false, Backend: { Type: 'vxlan' } }, undefined, 2)}\n` };
}

/** The container network: canal's plugin alone. */
export function cniConfig(): NodeFile {
  const conflist = { cniVersion: '1.1.0', name: 'k8s-pod-network', plugins: [{ type: 'canal' }] };
  return { path: '/etc/cni/net.d/10-canal.conflist', content: `${JSON.stringify(conflist, undefined, 2)}\n` };
}
