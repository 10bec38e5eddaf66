import { expect, it } from 'vitest';
import { agentPod, apply, applyText, canal, eventually, given, kubectl, loadImage, manifest, nodes, shellOn } from '../cluster.js';

interface Slice {
  readonly endpoints: readonly { readonly addresses: readonly string[] }[];
  readonly ports: readonly { readonly port: number }[];
}

/** The manifest on a bare cluster. */
export function install(): void {
  it('starts with kubectl apply, and every node becomes Ready', async () => {
    for (const { name } of await nodes()) await loadImage(name, given.image);
    await apply(await apiServerAddress());
    await applyText(manifest());
    await kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/canal', '--timeout=120s');
    await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s');
  });

  it('says on every node that all is well', async () => {
    for (const { name } of await nodes()) await eventually(`canal status on ${name} exits with 0`, async () => (await canal(name, 'status')).includes('datastore'));
  });

  it('has no restart, and no warning among its events but that it was not ready before it was', async () => {
    for (const { name } of await nodes()) {
      const pod = await agentPod(name);
      expect(await kubectl('-n', 'kube-system', 'get', 'pod', pod!, '-o', 'jsonpath={.status.containerStatuses[*].restartCount}')).toBe('0');
      const events = await kubectl('-n', 'kube-system', 'get', 'events', '--field-selector', `involvedObject.name=${pod},type=Warning`, '-o', 'jsonpath={range .items[*]}{.lastTimestamp} {.reason}: {.message}{"\\n"}{end}');
      // A busy machine's verifier takes longer than the first probe waits.
      const readySince = await kubectl('-n', 'kube-system', 'get', 'pod', pod!, '-o', "jsonpath={.status.conditions[?(@.type=='Ready')].lastTransitionTime}");
      const early = (event: string): boolean => event.includes('Unhealthy: Readiness') && event.split(' ')[0]! <= readySince;
      expect(events.split('\n').filter((event) => event !== '' && !early(event))).toEqual([]);
    }
  });

  it('runs without privileges but two, on a root that it cannot write to', async () => {
    const [{ name } = { name: '' }] = await nodes();
    const status = await kubectl('-n', 'kube-system', 'exec', (await agentPod(name))!, '-c', 'canal', '--', '/usr/bin/node', '-p', "require('fs').readFileSync('/proc/1/status','utf8')");
    expect(/^CapEff:\s*(\w+)/m.exec(status)?.[1]).toBe('0000000000201000'); // SYS_ADMIN, NET_ADMIN
    expect(/^NoNewPrivs:\s*(\d)/m.exec(status)?.[1]).toBe('1');
  });

  it("leaves flannel's and Calico's traces on the node", async () => {
    for (const { name } of await nodes()) {
      expect(await shellOn(name, 'cat /run/flannel/subnet.env')).toContain(`FLANNEL_NETWORK=${given.podNetwork}`);
      expect(await shellOn(name, 'ls /etc/cni/net.d')).toContain('10-canal.conflist');
      expect(await shellOn(name, 'ip -d link show type vxlan')).toMatch(/flannel\.\d+/);
      expect(await kubectl('get', 'node', name, '-o', 'jsonpath={.metadata.annotations}')).toContain('flannel.alpha.coreos.com/public-ip');
      expect(await kubectl('get', 'node', name, '-o', "jsonpath={.status.conditions[?(@.type=='NetworkUnavailable')].status}")).toBe('False');
    }
  });
}

/** Where the API server really is, for agents that have no kube-proxy. */
async function apiServerAddress(): Promise<object> {
  const slice = JSON.parse(await kubectl('-n', 'default', 'get', 'endpointslice', 'kubernetes', '-o', 'json')) as Slice;
  const data = { KUBERNETES_SERVICE_HOST: slice.endpoints[0]!.addresses[0]!, KUBERNETES_SERVICE_PORT: String(slice.ports[0]!.port) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kubernetes-services-endpoint', namespace: 'kube-system' }, data };
}
