import { IpAddress } from '../../base/address.js';
import { SCTP, TCP, UDP, type NamedPort, type Pod } from '../../model/objects.js';
import { fields, list, Problems, text, type Decoder, type Fields } from './field.js';
import type { Interner } from './intern.js';

/** Annotations by which the CNI plugin tells a pod's addresses before kubelet does (compat.md 5.7). */
export const POD_IP = 'cni.projectcalico.org/podIP';
export const POD_IPS = 'cni.projectcalico.org/podIPs';
export const CONTAINER_ID = 'cni.projectcalico.org/containerID';
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
      namedPorts: namedPorts(spec, intern, problems),
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

const PROTOCOLS: Readonly<Record<string, number>> = { TCP, UDP, SCTP };

/** Ports with a name, of containers and of init containers that keep running beside them (sidecars). */
function namedPorts(spec: Fields, intern: Interner, problems: Problems): readonly NamedPort[] {
  const sidecars = list(spec['initContainers']).map((c) => (fields(c)['restartPolicy'] === 'Always' ? c : undefined));
  const groups: [string, readonly unknown[]][] = [
    ['spec.containers', list(spec['containers'])],
    ['spec.initContainers', sidecars],
  ];
  const found = new Map<string, NamedPort>();
  for (const [path, containers] of groups) {
    containers.forEach((container, i) => {
      list(fields(container)['ports']).forEach((raw, j) => {
        const port = namedPort(fields(raw), intern, (what) => problems.add(`${path}[${i}].ports[${j}]`, what));
        if (port !== undefined) found.set(`${port.name}/${port.protocol}/${port.port}`, port);
      });
    });
  }
  return [...found.values()];
}

function namedPort(raw: Fields, intern: Interner, problem: (what: string) => void): NamedPort | undefined {
  const name = text(raw['name']);
  if (name === '') return undefined;
  const port = raw['containerPort'];
  const protocol = PROTOCOLS[raw['protocol'] === undefined ? 'TCP' : text(raw['protocol'])];
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    problem('containerPort is not a port number');
    return undefined;
  }
  if (protocol === undefined) {
    problem('protocol is none of TCP, UDP, SCTP');
    return undefined;
  }
  return { name: intern.string(name), protocol, port };
}
