import type { V1Service, V1ServicePort, V1ServiceSpec } from '@kubernetes/client-node';
import { Cidr } from '../../base/address.js';
import { GoText, goStrings } from '../go-text.js';
import type { KubeObject } from '../kube-object.js';
import { labelErrors } from '../registry/metadata-rules.js';
import { dnsLabel, dnsSubdomain, portName, portNumber, qualifiedName } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';
import { NOT_CIDR, ordinaryAddressErrors } from './address-rules.js';
import { fill } from './pod-defaults.js';
import { oneOf } from './pod-rules.js';

const specOf = (object: KubeObject): V1ServiceSpec => (object as unknown as V1Service).spec ?? {};

/** pkg/apis/core/v1/defaults.go and the service registry's defaulting of policies and families. */
export function defaultService(draft: KubeObject): void {
  const spec = (draft['spec'] ??= {}) as V1ServiceSpec;
  fill(spec, 'sessionAffinity', 'None');
  if (spec.sessionAffinity === 'ClientIP') spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10_800, ...spec.sessionAffinityConfig?.clientIP } };
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  fill(spec, 'type', 'ClusterIP');
  for (const port of spec.ports ?? []) {
    fill(port, 'protocol', 'TCP');
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
  }
  if (isExternal(spec)) fill(spec, 'externalTrafficPolicy', 'Cluster');
  if (spec.type !== 'ExternalName') fill(spec, 'internalTrafficPolicy', 'Cluster');
  if (spec.type === 'LoadBalancer') fill(spec, 'allocateLoadBalancerNodePorts', true);
  else delete spec.allocateLoadBalancerNodePorts;
}

/** What an update may leave out is kept from before: clients send back what they read, or less. */
export function keepServiceAllocations(draft: KubeObject, previous: KubeObject): void {
  const [spec, before] = [specOf(draft), specOf(previous)];
  dropWithType(spec, before);
  if (spec.type === 'ExternalName') return;
  if (before.type !== 'ExternalName' && spec.clusterIP === undefined && before.clusterIP !== undefined) {
    spec.clusterIP = before.clusterIP;
    fill(spec, 'clusterIPs', before.clusterIPs ?? [before.clusterIP]);
  }
  if (before.ipFamilies !== undefined) fill(spec, 'ipFamilies', before.ipFamilies);
  if (before.ipFamilyPolicy !== undefined) fill(spec, 'ipFamilyPolicy', before.ipFamilyPolicy);
  if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') {
    // Leaving NodePort: ports that the client merely read back go with it.
    for (const port of spec.ports ?? []) if (before.type !== spec.type && before.ports?.some((old) => old.nodePort === port.nodePort)) delete port.nodePort;
    return;
  }
  for (const port of spec.ports ?? []) {
    const same = before.ports?.find((old) => old.port === port.port && (old.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
    if (port.nodePort === undefined && same?.nodePort !== undefined) port.nodePort = same.nodePort;
  }
}

/** What a service of the former type had, and a client merely read back, goes with the type (pkg/registry/core/service dropTypeDependentFields). */
function dropWithType(spec: V1ServiceSpec, before: V1ServiceSpec): void {
  if (spec.type === 'ExternalName' && before.type !== 'ExternalName' && spec.clusterIP === before.clusterIP) for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) delete spec[field];
  if (isExternal(before) && !isExternal(spec) && spec.externalTrafficPolicy === before.externalTrafficPolicy) delete spec.externalTrafficPolicy;
}

/** Whether clients outside of the cluster have an address or port of it. */
const isExternal = ({ type, externalIPs = [] }: V1ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && externalIPs.length > 0);

/** pkg/apis/core/validation ValidateService. */
export function validateService(object: KubeObject): FieldError[] {
  const spec = specOf(object);
  const errors: FieldError[] = [];
  const headless = spec.clusterIP === 'None';
  if ((spec.ports ?? []).length === 0 && !headless && spec.type !== 'ExternalName') errors.push(fieldError.required('spec.ports'));
  errors.push(...portsErrors(spec, headless));
  errors.push(...labelErrors(spec.selector ?? {}, 'spec.selector'));
  errors.push(...oneOf(spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'], 'spec.type'));
  errors.push(...oneOf(spec.sessionAffinity, ['ClientIP', 'None'], 'spec.sessionAffinity'));
  errors.push(...oneOf(spec.internalTrafficPolicy, ['Cluster', 'Local'], 'spec.internalTrafficPolicy'));
  if (spec.externalTrafficPolicy !== undefined && !isExternal(spec)) errors.push(fieldError.invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'));
  else errors.push(...oneOf(spec.externalTrafficPolicy, ['Cluster', 'Local'], 'spec.externalTrafficPolicy'));
  if (headless && spec.type === 'NodePort') errors.push(fieldError.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services"));
  if (headless && spec.type === 'LoadBalancer') errors.push(fieldError.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services"));
  if (spec.type === 'ExternalName') {
    if (!spec.externalName) errors.push(fieldError.required('spec.externalName'));
    else errors.push(...dnsSubdomain(spec.externalName.replace(/\.$/, '')).map((why) => fieldError.invalid('spec.externalName', spec.externalName, why)));
    if (spec.clusterIP !== undefined && spec.clusterIP !== '') errors.push(fieldError.forbidden('spec.clusterIPs', 'may not be set for ExternalName services'));
  }
  return [...errors, ...oddFieldErrors(spec), ...(spec.externalIPs ?? []).flatMap((address, index) => ordinaryAddressErrors(address, `spec.externalIPs[${index}]`)), ...sourceRangeErrors(spec), ...affinityErrors(spec)];
}

/** Fields of some services only, and values that there are none of. */
function oddFieldErrors(spec: V1ServiceSpec): FieldError[] {
  const errors = [...oneOf(spec.ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack'], 'spec.ipFamilyPolicy'), ...oneOf(spec.trafficDistribution, ['PreferClose'], 'spec.trafficDistribution')];
  if (spec.loadBalancerClass !== undefined && spec.type !== 'LoadBalancer') errors.push(fieldError.forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"));
  if (spec.healthCheckNodePort && !(spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')) errors.push(fieldError.invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"));
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) if (spec.ipFamilies?.indexOf(family) !== index) errors.push(fieldError.duplicate(`spec.ipFamilies[${index}]`, family));
  for (const [index, { appProtocol }] of (spec.ports ?? []).entries()) if (appProtocol !== undefined) errors.push(...qualifiedName(appProtocol).map((why) => fieldError.invalid(`spec.ports[${index}].appProtocol`, appProtocol, why)));
  return errors;
}

function sourceRangeErrors({ type, loadBalancerSourceRanges: ranges = [] }: V1ServiceSpec): FieldError[] {
  const field = 'spec.LoadBalancerSourceRanges';
  if (ranges.length > 0 && type !== 'LoadBalancer') return [fieldError.forbidden(field, "may only be used when `type` is 'LoadBalancer'")];
  return ranges.flatMap((text, index) => (Cidr.parseSloppy(text.trim()) === undefined ? [fieldError.invalid(`${field}[${index}]`, text, NOT_CIDR)] : []));
}

const DAY_S = 86_400;

function affinityErrors({ sessionAffinity, sessionAffinityConfig }: V1ServiceSpec): FieldError[] {
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity !== 'ClientIP' || seconds === undefined || (seconds > 0 && seconds <= DAY_S)) return [];
  return [fieldError.invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, `must be greater than 0 and less than ${DAY_S}`)];
}

function portsErrors(spec: V1ServiceSpec, headless: boolean): FieldError[] {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const pairs = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `spec.ports[${index}]`;
    const errors: FieldError[] = [];
    if (!port.name && ports.length > 1) errors.push(fieldError.required(`${at}.name`));
    if (port.name) {
      errors.push(...dnsLabel(port.name).map((why) => fieldError.invalid(`${at}.name`, port.name, why)));
      if (names.has(port.name)) errors.push(fieldError.duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    errors.push(...portNumber(port.port).map((why) => fieldError.invalid(`${at}.port`, port.port, why)));
    errors.push(...oneOf(port.protocol, ['SCTP', 'TCP', 'UDP'], `${at}.protocol`));
    errors.push(...targetErrors(port, at));
    const pair = `${port.protocol}/${port.port}`;
    if (pairs.has(pair) && !headless) errors.push(fieldError.duplicate(at, new GoText(`core.ServicePort{Name:"", Protocol:${JSON.stringify(port.protocol)}, AppProtocol:(*string)(nil), Port:${port.port}, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}`)));
    pairs.add(pair);
    if (port.nodePort && spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') errors.push(fieldError.forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${spec.type ?? ''}'`));
    return errors;
  });
}

function targetErrors(port: V1ServicePort, at: string): FieldError[] {
  const target = port.targetPort;
  if (typeof target === 'number') return portNumber(target).map((why) => fieldError.invalid(`${at}.targetPort`, target, why));
  return typeof target === 'string' ? portName(target).map((why) => fieldError.invalid(`${at}.targetPort`, target, why)) : [];
}

export function validateServiceUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const [after, before] = [specOf(object), specOf(previous)];
  const had = before.clusterIP;
  if (before.type === 'ExternalName' || after.type === 'ExternalName' || had === undefined || had === '' || after.clusterIP === had) return [];
  return [fieldError.invalid('spec.clusterIPs[0]', goStrings([after.clusterIP ?? '']), 'may not change once set')];
}
