import type { V1Container, V1PodSpec, V1Volume } from '@kubernetes/client-node';
import { IpAddress } from '../../base/address.js';
import { sameJson, type Fields, type KubeObject } from '../kube-object.js';
import { dnsLabel, portName, portNumber } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';
import { NOT_ADDRESS } from './address-rules.js';
import { containerPartErrors } from './container-rules.js';
import { placementErrors } from './placement-rules.js';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

/** The rules of a pod spec that people meet (pkg/apis/core/validation). */
export function validatePodSpec(spec: V1PodSpec | undefined, path: string): FieldError[] {
  if (spec === undefined) return [fieldError.required(`${path}.containers`)];
  const errors: FieldError[] = [];
  if ((spec.containers ?? []).length === 0) errors.push(fieldError.required(`${path}.containers`));
  const names = new Set<string>();
  errors.push(...containerErrors(spec.containers ?? [], `${path}.containers`, names), ...containerErrors(spec.initContainers ?? [], `${path}.initContainers`, names));
  errors.push(...oneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], `${path}.restartPolicy`));
  errors.push(...oneOf(spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], `${path}.dnsPolicy`));
  errors.push(...volumeErrors(spec, path), ...placementErrors(spec, path));
  errors.push(...nameErrors(spec, path), ...addressErrors(spec, path));
  if (spec.hostNetwork === true) errors.push(...hostPortErrors(spec, path));
  return errors;
}

/** What the pod is called inside, and for how long it may run. */
function nameErrors({ hostname, subdomain, activeDeadlineSeconds: deadline }: V1PodSpec, path: string): FieldError[] {
  return [
    ...(deadline === undefined || deadline >= 1 ? [] : [fieldError.invalid(`${path}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive')]),
    ...(hostname ? dnsLabel(hostname).map((why) => fieldError.invalid(`${path}.hostname`, hostname, why)) : []),
    ...(subdomain ? dnsLabel(subdomain).map((why) => fieldError.invalid(`${path}.subdomain`, subdomain, why)) : []),
  ];
}

function addressErrors({ dnsPolicy, dnsConfig, hostAliases = [] }: V1PodSpec, path: string): FieldError[] {
  const wrong = (address: string | undefined, field: string): FieldError[] => (IpAddress.parse(address ?? '') === undefined ? [fieldError.invalid(field, address ?? '', NOT_ADDRESS)] : []);
  return [
    ...(dnsPolicy === 'None' && (dnsConfig?.nameservers ?? []).length === 0 ? [dnsConfig === undefined ? fieldError.required(`${path}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None') : fieldError.required(`${path}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')] : []),
    ...(dnsConfig?.nameservers ?? []).flatMap((address, index) => wrong(address, `${path}.dnsConfig.nameservers[${index}]`)),
    ...hostAliases.flatMap(({ ip }, index) => wrong(ip, `${path}.hostAliases[${index}].ip`)),
  ];
}

export function oneOf(value: string | undefined, supported: readonly string[], field: string): FieldError[] {
  return value === undefined || supported.includes(value) ? [] : [fieldError.notSupported(field, value, supported)];
}

/** @param seen names of the pod's containers before these; grows */
function containerErrors(containers: readonly V1Container[], path: string, seen: Set<string>): FieldError[] {
  return containers.flatMap((container, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (!container.name) errors.push(fieldError.required(`${at}.name`));
    else if (seen.has(container.name)) errors.push(fieldError.duplicate(`${at}.name`, container.name));
    else errors.push(...dnsLabel(container.name).map((why) => fieldError.invalid(`${at}.name`, container.name, why)));
    seen.add(container.name);
    if (!container.image) errors.push(fieldError.required(`${at}.image`));
    errors.push(...oneOf(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never'], `${at}.imagePullPolicy`));
    return [...errors, ...portErrors(container, at), ...containerPartErrors(container, at)];
  });
}

function portErrors(container: V1Container, path: string): FieldError[] {
  const names = new Set<string>();
  return (container.ports ?? []).flatMap((port, index) => {
    const at = `${path}.ports[${index}]`;
    const errors: FieldError[] = [];
    if (port.name) {
      if (names.has(port.name)) errors.push(fieldError.duplicate(`${at}.name`, port.name));
      names.add(port.name);
      errors.push(...portName(port.name).map((why) => fieldError.invalid(`${at}.name`, port.name, why)));
    }
    if (!port.containerPort) errors.push(fieldError.required(`${at}.containerPort`));
    else errors.push(...portNumber(port.containerPort).map((why) => fieldError.invalid(`${at}.containerPort`, port.containerPort, why)));
    if (port.hostPort) errors.push(...portNumber(port.hostPort).map((why) => fieldError.invalid(`${at}.hostPort`, port.hostPort, why)));
    return [...errors, ...oneOf(port.protocol, PROTOCOLS, `${at}.protocol`)];
  });
}

function volumeErrors(spec: V1PodSpec, path: string): FieldError[] {
  const volumes = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    if (!volume.name) errors.push(fieldError.required(`${path}.volumes[${index}].name`));
    else if (volumes.has(volume.name)) errors.push(fieldError.duplicate(`${path}.volumes[${index}].name`, volume.name));
    else errors.push(...dnsLabel(volume.name).map((why) => fieldError.invalid(`${path}.volumes[${index}].name`, volume.name, why)));
    volumes.add(volume.name);
    errors.push(...sourceErrors(volume, `${path}.volumes[${index}]`));
  }
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [at, mount] of (container.volumeMounts ?? []).entries()) {
      if (!volumes.has(mount.name)) errors.push(fieldError.notFound(`${path}.containers[${index}].volumeMounts[${at}].name`, mount.name));
      if (!mount.mountPath) errors.push(fieldError.required(`${path}.containers[${index}].volumeMounts[${at}].mountPath`));
    }
  }
  return errors;
}

/** One source, of which the kinds that people write by hand are looked at. */
function sourceErrors(volume: V1Volume, at: string): FieldError[] {
  const second = Object.keys(volume).filter((field) => field !== 'name')[1];
  if (second !== undefined) return [fieldError.forbidden(`${at}.${second}`, 'may not specify more than 1 volume type')];
  if (volume.configMap !== undefined && !volume.configMap.name) return [fieldError.required(`${at}.configMap.name`)];
  if (volume.secret !== undefined && !volume.secret.secretName) return [fieldError.required(`${at}.secret.secretName`)];
  return volume.hostPath !== undefined && !volume.hostPath.path ? [fieldError.required(`${at}.hostPath.path`)] : [];
}

function hostPortErrors(spec: V1PodSpec, path: string): FieldError[] {
  return (spec.containers ?? []).flatMap((container, index) =>
    (container.ports ?? []).flatMap((port, at) => (port.hostPort === port.containerPort ? [] : [fieldError.invalid(`${path}.containers[${index}].ports[${at}].hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true')])),
  );
}

const UPDATABLE = 'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod's spec is fixed but for images, the deadline and more tolerations; its node comes by a binding. */
export function validatePodUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const before = bare(previous);
  const after = bare(object);
  return sameJson(before, after) && keepsTolerations(object, previous) ? [] : [fieldError.forbidden('spec', UPDATABLE)];
}

function keepsTolerations(object: KubeObject, previous: KubeObject): boolean {
  const [after, before] = [object, previous].map((one) => (one['spec'] as V1PodSpec | undefined)?.tolerations ?? []);
  return before!.every((old) => after!.some((one) => sameJson(one, old)));
}

function bare(object: KubeObject): Fields {
  const spec = structuredClone((object['spec'] ?? {}) as V1PodSpec & Fields) as Fields;
  for (const list of ['containers', 'initContainers']) {
    for (const container of (spec[list] as Fields[] | undefined) ?? []) delete container['image'];
  }
  for (const field of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'schedulingGates', 'ephemeralContainers']) delete spec[field];
  return spec;
}
