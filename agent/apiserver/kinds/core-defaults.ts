import { isFields, listAt, type Fields, type KubeObject } from '../kube-object.js';
import { fieldsOf, setMissing } from './zero-values.js';

/** podCIDR and podCIDRs say the same; status has the structs that Go always writes. */
export function defaultNode(draft: KubeObject): void {
  const spec = fieldsOf(draft, 'spec');
  if (spec['podCIDR'] !== undefined && spec['podCIDRs'] === undefined) spec['podCIDRs'] = [spec['podCIDR']];
  if (Array.isArray(spec['podCIDRs']) && spec['podCIDR'] === undefined) spec['podCIDR'] = spec['podCIDRs'][0] as unknown;
  const status = fieldsOf(draft, 'status');
  setMissing(fieldsOf(status, 'daemonEndpoints'), { kubeletEndpoint: { Port: 0 } });
  setMissing(fieldsOf(status, 'nodeInfo'), NODE_INFO);
}

const NODE_INFO = { machineID: '', systemUUID: '', bootID: '', kernelVersion: '', osImage: '', containerRuntimeVersion: '', kubeletVersion: '', kubeProxyVersion: '', operatingSystem: '', architecture: '' };

export function defaultEvent(draft: KubeObject): void {
  setMissing(draft, { source: {}, firstTimestamp: null, lastTimestamp: null, eventTime: null, reportingComponent: '', reportingInstance: '' });
}

/** Limits of containers are also what they get where they ask for nothing. */
export function defaultLimitRange(draft: KubeObject): void {
  for (const limit of listAt(draft, 'spec', 'limits').filter(isFields)) {
    if (limit['type'] !== 'Container') continue;
    const inherit = (to: string, from: string): void => {
      if (isFields(limit[from])) limit[to] = { ...limit[from], ...(limit[to] as Fields | undefined) };
    };
    inherit('default', 'max');
    inherit('defaultRequest', 'default');
    inherit('defaultRequest', 'min');
  }
}

export function defaultClaim(draft: KubeObject): void {
  setMissing(fieldsOf(draft, 'spec'), { volumeMode: 'Filesystem' });
}

export function defaultVolume(draft: KubeObject): void {
  const spec = fieldsOf(draft, 'spec');
  setMissing(spec, { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' });
  if (isFields(spec['hostPath'])) setMissing(spec['hostPath'], { type: '' });
}

export function defaultEndpoints(draft: KubeObject): void {
  if (listAt(draft, 'subsets').length === 0) delete draft['subsets'];
  for (const subset of listAt(draft, 'subsets')) {
    for (const port of listAt(subset, 'ports').filter(isFields)) setMissing(port, { protocol: 'TCP' });
  }
}

export function defaultPriorityClass(draft: KubeObject): void {
  setMissing(draft, { preemptionPolicy: 'PreemptLowerPriority' });
}

/** Conditions of a pod always say when, if only that nobody knows. */
export function defaultPodStatus(draft: KubeObject): void {
  for (const condition of listAt(draft, 'status', 'conditions').filter(isFields)) setMissing(condition, { lastProbeTime: null, lastTransitionTime: null });
}
