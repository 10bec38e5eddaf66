import type { V1Endpoints, V1EndpointSlice, V1Ingress, V1NetworkPolicy, V1Service } from '@kubernetes/client-node';
import type { KubeObject } from '../kube-object.js';
import { ageColumn, column, nameColumn, type Column } from './column.js';
import { labelSelectorText, labelsText } from './selector-text.js';

const NONE = '<none>';
const serviceOf = (object: KubeObject): V1Service => object as unknown as V1Service;
const sliceOf = (object: KubeObject): V1EndpointSlice => object as unknown as V1EndpointSlice;
const ingressOf = (object: KubeObject): V1Ingress => object as unknown as V1Ingress;

function externalAddress({ spec, status }: V1Service): string {
  const given = spec?.externalIPs ?? [];
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  if (spec?.type !== 'LoadBalancer') return given.join(',') || NONE;
  const balanced = (status?.loadBalancer?.ingress ?? []).map((one) => one.ip ?? one.hostname ?? '');
  return [...balanced, ...given].join(',') || '<pending>';
}

const servicePorts = ({ spec }: V1Service): string =>
  (spec?.ports ?? []).map((port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`).join(',') || NONE;

const MAX_ENDPOINTS = 3;

/** The first three, and how many more (formatEndpoints). */
function firstFew(items: readonly string[]): string {
  if (items.length === 0) return NONE;
  const shown = items.slice(0, MAX_ENDPOINTS).join(',');
  return items.length > MAX_ENDPOINTS ? `${shown} + ${items.length - MAX_ENDPOINTS} more...` : shown;
}

function endpointAddresses(object: KubeObject): string {
  const { subsets } = object as unknown as V1Endpoints;
  return firstFew(
    (subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0 ? addresses.map(({ ip }) => ip) : ports.flatMap(({ port }) => addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`))),
    ),
  );
}

function ingressAddress({ status }: V1Ingress): string {
  return (status?.loadBalancer?.ingress ?? []).map((one) => one.ip ?? one.hostname ?? '').join(',');
}

export const NETWORK_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  Service: [
    nameColumn,
    column('Type', (object) => serviceOf(object).spec?.type ?? ''),
    column('Cluster-IP', (object) => serviceOf(object).spec?.clusterIP || NONE),
    column('External-IP', (object) => externalAddress(serviceOf(object))),
    column('Port(s)', (object) => servicePorts(serviceOf(object))),
    ageColumn,
    column('Selector', (object) => labelsText(serviceOf(object).spec?.selector), { wide: true }),
  ],
  Endpoints: [nameColumn, column('Endpoints', endpointAddresses), ageColumn],
  EndpointSlice: [
    nameColumn,
    column('AddressType', (object) => sliceOf(object).addressType),
    column('Ports', (object) => firstFew((sliceOf(object).ports ?? []).map((port) => (port.port === undefined ? '*' : String(port.port)))).replace(NONE, '<unset>')),
    column('Endpoints', (object) => firstFew((sliceOf(object).endpoints ?? []).flatMap(({ addresses }) => addresses)).replace(NONE, '<unset>')),
    ageColumn,
  ],
  NetworkPolicy: [nameColumn, column('Pod-Selector', (object) => labelSelectorText((object as unknown as V1NetworkPolicy).spec?.podSelector)), ageColumn],
  Ingress: [
    nameColumn,
    column('Class', (object) => ingressOf(object).spec?.ingressClassName ?? NONE),
    column('Hosts', (object) => (ingressOf(object).spec?.rules ?? []).map((rule) => rule.host || '*').join(',') || '*'),
    column('Address', (object) => ingressAddress(ingressOf(object))),
    column('Ports', (object) => ((ingressOf(object).spec?.tls ?? []).length > 0 ? '80, 443' : '80')),
    ageColumn,
  ],
  IngressClass: [
    nameColumn,
    column('Controller', (object) => ((object['spec'] as { controller?: string } | undefined)?.controller ?? '')),
    column('Parameters', () => NONE),
    ageColumn,
  ],
};
