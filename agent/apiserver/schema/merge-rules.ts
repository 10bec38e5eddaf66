import type { MergeRule } from './schema.js';

/**
 * How lists and maps of the built-in kinds merge: `patchMergeKey`,
 * `patchStrategy`, `listType` and `listMapKey` tags of the Go types
 * (k8s.io/api), for the kinds this server knows. What is not listed is, for a
 * list, replaced whole by both kinds of patch; for a map or struct, merged key by key.
 */
const byName: MergeRule = { patchKey: 'name', listKeys: ['name'] };
const byType: MergeRule = { patchKey: 'type', listKeys: ['type'] };
const byKey: MergeRule = { patchKey: 'key', listKeys: ['key'] };
const set: MergeRule = { set: true };
const atomic: MergeRule = { atomic: true };

export const MERGE_RULES: Readonly<Record<string, MergeRule>> = {
  'V1ObjectMeta.finalizers': { patchKey: '', set: true },
  'V1ObjectMeta.ownerReferences': { patchKey: 'uid', listKeys: ['uid'] },

  'V1PodSpec.containers': byName,
  'V1PodSpec.initContainers': byName,
  'V1PodSpec.ephemeralContainers': byName,
  'V1PodSpec.imagePullSecrets': byName,
  'V1PodSpec.volumes': { ...byName, retainKeys: true },
  'V1PodSpec.hostAliases': { patchKey: 'ip', listKeys: ['ip'] },
  'V1PodSpec.resourceClaims': { ...byName, retainKeys: true },
  'V1PodSpec.schedulingGates': byName,
  'V1PodSpec.topologySpreadConstraints': { patchKey: 'topologyKey', listKeys: ['topologyKey', 'whenUnsatisfiable'] },
  'V1PodSpec.nodeSelector': atomic,
  'V1ControllerRevision.data': atomic,
  'V1ReplicationControllerSpec.selector': atomic,
  'V1Container.ports': { patchKey: 'containerPort', listKeys: ['containerPort', 'protocol'], keyDefaults: { protocol: 'TCP' } },
  'V1Container.env': byName,
  'V1Container.volumeMounts': { patchKey: 'mountPath', listKeys: ['mountPath'] },
  'V1Container.volumeDevices': { patchKey: 'devicePath', listKeys: ['devicePath'] },
  'V1EphemeralContainer.ports': { patchKey: 'containerPort', listKeys: ['containerPort', 'protocol'], keyDefaults: { protocol: 'TCP' } },
  'V1EphemeralContainer.env': byName,
  'V1EphemeralContainer.volumeMounts': { patchKey: 'mountPath', listKeys: ['mountPath'] },
  'V1ResourceRequirements.claims': { listKeys: ['name'] },
  'V1ProjectedVolumeSource.sources': atomic,
  'V1PodDNSConfig.nameservers': atomic,
  'V1PodStatus.conditions': byType,
  'V1PodStatus.podIPs': { patchKey: 'ip', listKeys: ['ip'] },
  'V1PodStatus.hostIPs': { patchKey: 'ip', listKeys: ['ip'] },
  'V1TopologySpreadConstraint.matchLabelKeys': atomic,

  'V1ServiceSpec.ports': { patchKey: 'port', listKeys: ['port', 'protocol'], keyDefaults: { protocol: 'TCP' } },
  'V1ServiceSpec.selector': atomic,
  'V1ServiceSpec.clusterIPs': atomic,
  'V1ServiceStatus.conditions': byType,
  'V1NamespaceStatus.conditions': byType,
  'V1NodeSpec.podCIDRs': { patchKey: '', set: true },
  'V1NodeStatus.addresses': { patchKey: 'type', listKeys: ['type'] },
  'V1NodeStatus.conditions': byType,
  'V1Secret.data': {},
  'V1ServiceAccount.secrets': byName,
  'V1ServiceAccount.imagePullSecrets': atomic,
  'V1LabelSelector.matchExpressions': atomic,
  'V1LabelSelector': atomic,
  'V1NodeSelector': atomic,
  'V1ObjectReference': atomic,
  'V1RoleRef': atomic,
  'V1ServiceBackendPort': atomic,
  'V1LocalObjectReference': atomic,
  'V1SecretKeySelector': atomic,
  'V1ConfigMapKeySelector': atomic,
  'V1ObjectFieldSelector': atomic,
  'V1ResourceFieldSelector': atomic,
  'V1TypedLocalObjectReference': atomic,
  'CoreV1EndpointPort': atomic,

  'V1DeploymentSpec.strategy': { retainKeys: true },
  'V1DeploymentStatus.conditions': byType,
  'V1ReplicaSetStatus.conditions': byType,
  'V1StatefulSetStatus.conditions': byType,
  'V1DaemonSetStatus.conditions': byType,
  'V1StatefulSetSpec.volumeClaimTemplates': atomic,
  'V1JobStatus.conditions': { patchKey: 'type', atomic: true },
  'V1PodDisruptionBudgetStatus.conditions': byType,

  'V1EndpointSlice.endpoints': atomic,
  'V1EndpointSlice.ports': atomic,
  'V1Endpoint.addresses': set,
  'V1Endpoint.deprecatedTopology': atomic,
  'V1IngressSpec.rules': atomic,
  'V1IngressSpec.tls': atomic,
  'V1AggregationRule.clusterRoleSelectors': atomic,
  'V1CustomResourceDefinitionStatus.conditions': { listKeys: ['type'] },
  'V1Taint': byKey,
};
