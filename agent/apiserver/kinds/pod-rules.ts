import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { sameJson, type Fields, type KubeObject } from '../kube-object.js';
import { dnsLabel, portName, portNumber } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';
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
  if (spec.hostNetwork === true) errors.push(...hostPortErrors(spec, path));
  return errors;
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
  }
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [at, mount] of (container.volumeMounts ?? []).entries()) {
      if (!volumes.has(mount.name)) errors.push(fieldError.notFound(`${path}.containers[${index}].volumeMounts[${at}].name`, mount.name));
      if (!mount.mountPath) errors.push(fieldError.required(`${path}.containers[${index}].volumeMounts[${at}].mountPath`));
    }
  }
  return errors;
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
