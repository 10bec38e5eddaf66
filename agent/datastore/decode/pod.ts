import { IpAddress } from '../../base/address.js';
import type { Pod, PodAsks } from '../../model/objects.js';
import { containerPorts } from './container-ports.js';
import { fields, list, Problems, text, type Decoder, type Fields } from './field.js';
import type { Interner } from './intern.js';

/** Annotations by which the CNI plugin tells a pod's addresses before kubelet does (compat.md 5.7). */
export const POD_IP = 'cni.projectcalico.org/podIP';
export const POD_IPS = 'cni.projectcalico.org/podIPs';
export const CONTAINER_ID = 'cni.projectcalico.org/containerID';
/** Annotations that ask something of the attachment. */
const ASKS = ['hwAddr', 'ipAddrs', 'ipAddrsNoIpam', 'floatingIPs'] as const satisfies readonly (keyof PodAsks)[];
const AWS_POD_IPS = 'vpc.amazonaws.com/pod-ips';

/** core/v1 Pod, by the rules of Calico's data model. */
export function podDecoder(intern: Interner): Decoder<Pod> {
  return (raw) => {
    const pod = fields(raw);
    const metadata = fields(pod['metadata']);
    const spec = fields(pod['spec']);
    const namespace = intern.string(text(metadata['namespace']));
    const name = text(metadata['name']);
    const problems = new Problems(`Pod ${namespace}/${name}`);
    const finished = isFinished(metadata, fields(pod['status']));
    const ports = containerPorts(spec, intern, problems);
    const value: Pod = {
      namespace,
      name,
      uid: text(metadata['uid']),
      labels: intern.labels(metadata['labels'], 'metadata.labels', problems),
      serviceAccount: intern.string(text(spec['serviceAccountName']) || text(spec['serviceAccount']) || 'default'),
      nodeName: intern.string(text(spec['nodeName'])),
      hostNetwork: spec['hostNetwork'] === true,
      addresses: finished ? [] : addressesOf(pod, problems),
      finished,
      namedPorts: ports.named,
      hostPorts: ports.host,
      ...asksOf(fields(metadata['annotations'])),
    };
    return { value, problems: problems.found };
  };
}

/**
 * Whether its addresses are free for others: the phase says so, or the CNI
 * plugin has torn the sandbox down (it blanks the annotation, DEL) while the
 * object waits for its end.
 */
function isFinished(metadata: Fields, status: Fields): boolean {
  if (['Succeeded', 'Failed', 'Completed'].includes(text(status['phase']))) return true;
  return text(metadata['deletionTimestamp']) !== '' && fields(metadata['annotations'])[POD_IP] === '';
}

/** Few pods have any: the others pay nothing for it. */
function asksOf(annotations: Fields): Pick<Pod, 'asks'> {
  const given = ASKS.map((name) => [name, text(annotations[`cni.projectcalico.org/${name}`])] as const).filter(([, value]) => value !== '');
  return given.length === 0 ? {} : { asks: Object.fromEntries(given) as PodAsks };
}

/** The first source that says anything counts alone; status before annotations. */
function addressesOf(pod: Fields, problems: Problems): readonly IpAddress[] {
  const status = fields(pod['status']);
  const annotations = fields(fields(pod['metadata'])['annotations']);
  const annotated = (key: string): [string, string[]] => [
    `metadata.annotations[${key}]`,
    text(annotations[key]).split(',').map((part) => part.trim()),
  ];
  const sources: [field: string, texts: string[]][] = [
    ['status.podIPs', list(status['podIPs']).map((entry) => text(fields(entry)['ip']))],
    ['status.podIP', [text(status['podIP'])]],
    annotated(POD_IPS),
    annotated(POD_IP),
    annotated(AWS_POD_IPS),
  ];
  const source = sources.find(([, texts]) => texts.some((one) => one !== ''));
  if (source === undefined) return [];
  const found = new Map<string, IpAddress>();
  for (const one of source[1]) {
    // Annotations carry the mask, `10.244.1.5/32`.
    const address = IpAddress.parse(one.replace(/\/(32|128)$/, ''));
    if (address !== undefined) found.set(address.text, address);
    else if (one !== '') problems.add(source[0], `not an address: ${one.slice(0, 64)}`);
  }
  return [...found.values()];
}
