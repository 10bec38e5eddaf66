import { NAMESPACES, NODES, PODS, type Resource } from '../../datastore/resource.js';

const of = (group: string, version: string, plural: string, kind: string): Resource => ({ group, version, plural, kind, namespaced: true });

export { NAMESPACES, NODES, PODS };
export const SERVICES = of('', 'v1', 'services', 'Service');
export const SERVICE_ACCOUNTS = of('', 'v1', 'serviceaccounts', 'ServiceAccount');
export const CONFIG_MAPS = of('', 'v1', 'configmaps', 'ConfigMap');
export const SECRETS = of('', 'v1', 'secrets', 'Secret');
export const EVENTS = of('', 'v1', 'events', 'Event');
export const ENDPOINT_SLICES = of('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice');
export const DEPLOYMENTS = of('apps', 'v1', 'deployments', 'Deployment');
export const REPLICA_SETS = of('apps', 'v1', 'replicasets', 'ReplicaSet');
export const STATEFUL_SETS = of('apps', 'v1', 'statefulsets', 'StatefulSet');
export const DAEMON_SETS = of('apps', 'v1', 'daemonsets', 'DaemonSet');
export const CONTROLLER_REVISIONS = of('apps', 'v1', 'controllerrevisions', 'ControllerRevision');
export const JOBS = of('batch', 'v1', 'jobs', 'Job');

/** A pod's `binding` subresource as a collection to create in. */
export const bindingOf = (pod: string): Resource => of('', 'v1', `pods/${encodeURIComponent(pod)}/binding`, 'Binding');
