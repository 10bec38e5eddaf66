import type { V1Container, V1PodSpec, V1PodTemplateSpec, V1Probe, V1Volume } from '@kubernetes/client-node';
import type { Fields, KubeObject } from '../kube-object.js';

/** Sets `target[field]` where it is absent. */
export function fill<T extends object, K extends keyof T>(target: T, field: K, value: T[K]): void {
  if (target[field] === undefined) target[field] = value;
}

/** Defaults of a pod spec, in a Pod as in a template (k8s.io/kubernetes pkg/apis/core/v1/defaults.go). */
export function defaultPodSpec(spec: V1PodSpec): void {
  fill(spec, 'restartPolicy', 'Always');
  fill(spec, 'terminationGracePeriodSeconds', 30);
  fill(spec, 'dnsPolicy', 'ClusterFirst');
  fill(spec, 'securityContext', {});
  fill(spec, 'schedulerName', 'default-scheduler');
  if (spec.serviceAccountName !== undefined) fill(spec, 'serviceAccount', spec.serviceAccountName);
  else if (spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) defaultContainer(container, spec.hostNetwork === true);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

export function defaultTemplate(template: V1PodTemplateSpec | undefined): void {
  if (template === undefined) return;
  template.metadata = { ...template.metadata };
  if ((template.metadata as Fields)['creationTimestamp'] === undefined) (template.metadata as Fields)['creationTimestamp'] = null;
  if (template.spec !== undefined) defaultPodSpec(template.spec);
}

function defaultContainer(container: V1Container, hostNetwork: boolean): void {
  fill(container, 'imagePullPolicy', hasMovingTag(container.image ?? '') ? 'Always' : 'IfNotPresent');
  fill(container, 'terminationMessagePath', '/dev/termination-log');
  fill(container, 'terminationMessagePolicy', 'File');
  fill(container, 'resources', {});
  for (const port of container.ports ?? []) {
    fill(port, 'protocol', 'TCP');
    if (hostNetwork) fill(port, 'hostPort', port.containerPort);
  }
  const { limits, requests } = container.resources ?? {};
  if (limits !== undefined) container.resources = { ...container.resources, limits, requests: { ...limits, ...requests } };
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) if (probe !== undefined) defaultProbe(probe);
  for (const variable of container.env ?? []) if (variable.valueFrom?.fieldRef !== undefined) fill(variable.valueFrom.fieldRef, 'apiVersion', 'v1');
}

/** The tag is `latest` or absent, so the image may change under its name. */
function hasMovingTag(image: string): boolean {
  if (image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}

function defaultProbe(probe: V1Probe): void {
  fill(probe, 'timeoutSeconds', 1);
  fill(probe, 'periodSeconds', 10);
  fill(probe, 'successThreshold', 1);
  fill(probe, 'failureThreshold', 3);
  if (probe.httpGet !== undefined) {
    fill(probe.httpGet, 'path', '/');
    fill(probe.httpGet, 'scheme', 'HTTP');
  }
  if (probe.grpc !== undefined) fill(probe.grpc, 'service', '');
}

const DEFAULT_MODE = 0o644;

function defaultVolume(volume: V1Volume): void {
  const sources = [volume.configMap, volume.secret, volume.projected, volume.downwardAPI];
  for (const source of sources) if (source !== undefined) fill(source, 'defaultMode', DEFAULT_MODE);
  if (volume.hostPath !== undefined) fill(volume.hostPath, 'type', '');
  if (Object.keys(volume).every((field) => field === 'name')) volume.emptyDir = {};
  for (const source of volume.projected?.sources ?? []) if (source.serviceAccountToken !== undefined) fill(source.serviceAccountToken, 'expirationSeconds', 3600);
}

/** Guaranteed, Burstable or BestEffort from the containers' requests and limits of cpu and memory. */
export function qosClass(spec: V1PodSpec): string {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const amounts = containers.map(({ resources }) => ({ requests: computeOnly(resources?.requests), limits: computeOnly(resources?.limits) }));
  if (amounts.every(({ requests, limits }) => Object.keys(requests).length === 0 && Object.keys(limits).length === 0)) return 'BestEffort';
  const guaranteed = amounts.every(({ requests, limits }) => ['cpu', 'memory'].every((name) => limits[name] !== undefined && (requests[name] ?? limits[name]) === limits[name]));
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const computeOnly = (amounts: Record<string, string> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(amounts ?? {}).filter(([name, amount]) => (name === 'cpu' || name === 'memory') && Number.parseFloat(amount) !== 0));

/** What the server adds to every new Pod: status, and the admission plugins' defaults. */
export function preparePod(draft: KubeObject): void {
  const spec = draft['spec'] as V1PodSpec | undefined;
  draft['status'] = { phase: 'Pending' };
  if (spec === undefined) return;
  if (!spec.serviceAccountName && !spec.serviceAccount) {
    spec.serviceAccountName = 'default';
    spec.serviceAccount = 'default';
  }
  tolerateBriefOutages(spec);
  draft['status'] = { phase: 'Pending', qosClass: qosClass(spec) };
}

/** DefaultTolerationSeconds admission, of updates too: five minutes on an unreachable or unready node. */
export function tolerateBriefOutages(spec: V1PodSpec): void {
  const tolerations = spec.tolerations ?? [];
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const covered = tolerations.some((one) => (one.key === key || one.key === undefined || one.key === '') && (one.effect === 'NoExecute' || !one.effect));
    if (!covered) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  }
  spec.tolerations = tolerations;
}
