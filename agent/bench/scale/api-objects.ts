import type { KubeObject } from '../../apiserver/kube-object.js';
import { DEFAULT_ANNOTATION_PREFIX } from '../../datastore/decode/annotation-prefix.js';
import { HERE, LOCAL_SUBNET, nodeAddress, podAddress, type ClusterSize } from './cluster.js';

/** kubelet reports so many images (nodeStatusMaxImages), which are most of a Node's bytes. */
const IMAGES = 50;
const WHEN = Date.UTC(2026, 0, 1);
const time = (change: number): string => new Date(WHEN + change * 1000).toISOString().replace('.000', '');

export const nodeName = (i: number): string => (i === 0 ? HERE : `node-${i}`);

/** A Node as long as a kubelet and flannel write it. @param moved another one has another address */
export function nodeObject(i: number, moved = 0): KubeObject {
  const mac = `02:00:00:00:${[i >> 8, i & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
  const lease = { 'backend-type': 'vxlan', 'backend-data': JSON.stringify({ VNI: 1, VtepMAC: mac }), 'public-ip': moved === 0 ? nodeAddress(i) : `192.169.${(moved >> 8) & 255}.${moved & 255}`, 'kube-subnet-manager': 'true' };
  const annotations = { 'node.alpha.kubernetes.io/ttl': '0', 'volumes.kubernetes.io/controller-managed-attach-detach': 'true', ...(i === 0 ? {} : Object.fromEntries(Object.entries(lease).map(([key, value]) => [`${DEFAULT_ANNOTATION_PREFIX}/${key}`, value]))) };
  const labels = { 'beta.kubernetes.io/arch': 'amd64', 'beta.kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', 'kubernetes.io/hostname': nodeName(i), 'kubernetes.io/os': 'linux', 'topology.kubernetes.io/region': 'region-1', 'topology.kubernetes.io/zone': `zone-${i % 3}`, 'node.kubernetes.io/instance-type': 'm.xlarge' };
  const podCIDR = i === 0 ? LOCAL_SUBNET : `11.${(i >> 8) & 255}.${i & 255}.0/24`;
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName(i), labels, annotations }, spec: { podCIDR, podCIDRs: [podCIDR], providerID: `cloud:///zone-${i % 3}/instance-${i}` }, status: nodeStatus(i, 0) } as KubeObject;
}

/** What a kubelet writes every five minutes where nothing changes: the conditions' times. */
export function nodeStatus(i: number, beat: number): Record<string, unknown> {
  const condition = (type: string, reason: string, message: string, status = 'False') => ({ type, status, reason, message, lastHeartbeatTime: time(beat), lastTransitionTime: time(0) });
  const resources = { cpu: '4', 'ephemeral-storage': '101430960Ki', 'hugepages-1Gi': '0', 'hugepages-2Mi': '0', memory: '16203028Ki', pods: '110' };
  return {
    addresses: [{ type: 'InternalIP', address: nodeAddress(i) }, { type: 'Hostname', address: nodeName(i) }],
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'), condition('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'), condition('Ready', 'KubeletReady', 'kubelet is posting ready status', 'True'),
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: { architecture: 'amd64', bootID: `b-${i}`, containerRuntimeVersion: 'containerd://2.1.4', kernelVersion: '6.8.0-60-generic', kubeProxyVersion: 'v1.34.1', kubeletVersion: 'v1.34.1', machineID: `m-${i}`, operatingSystem: 'linux', osImage: 'Ubuntu 24.04.2 LTS', systemUUID: `u-${i}` },
    images: Array.from({ length: IMAGES }, (_, n) => ({ names: [`registry.example.com/team-${n % 7}/service-${n}@sha256:${String(n).padStart(64, '0')}`, `registry.example.com/team-${n % 7}/service-${n}:v1.${n}.0`], sizeBytes: 10_000_000 + n })),
  };
}

/** A pod of a Deployment as long as one usually is. @param change another one gives other labels */
export function podObject(i: number, size: ClusterSize, change = 0): KubeObject {
  const [namespace, ip] = [`ns-${i % size.namespaces}`, podAddress(i, size)];
  const env = Array.from({ length: 8 }, (_, n) => ({ name: `SETTING_${n}`, value: `the value of setting ${n}` }));
  const probe = { httpGet: { path: '/healthz', port: 8000, scheme: 'HTTP' }, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 };
  const container = { name: 'app', image: `registry.example.com/app-${i % 20}:v1`, env, ports: [{ name: 'http', containerPort: 8000, protocol: 'TCP' }], resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } }, readinessProbe: probe, livenessProbe: probe, volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }] };
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `app-${i % 20}-5d4f8c7b9`, uid: `rs-${i % 20}`, controller: true, blockOwnerDeletion: true };
  return {
    apiVersion: 'v1', kind: 'Pod',
    metadata: { namespace, name: `pod-${i}`, labels: { app: `app-${i % 20}`, tier: ['front', 'back', 'data'][(i + change) % 3]!, 'pod-template-hash': `${i % 997}`, instance: `i-${i}-${change}` }, ownerReferences: [owner] },
    spec: { nodeName: nodeName(i < size.localPods ? 0 : 1 + (i % Math.max(1, size.nodes - 1))), serviceAccountName: 'default', restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', containers: [container], volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3607 } }] } }] },
    status: podStatus(ip, 0),
  } as unknown as KubeObject;
}

/** @param restarts a change that a node's network has nothing to do with */
export function podStatus(ip: string, restarts: number): Record<string, unknown> {
  const conditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True', lastTransitionTime: time(0) }));
  const state = { running: { startedAt: time(restarts) } };
  const statuses = [{ name: 'app', ready: true, started: true, restartCount: restarts, image: 'registry.example.com/app:v1', imageID: `registry.example.com/app@sha256:${'0'.repeat(64)}`, containerID: `containerd://${String(restarts).padStart(64, '0')}`, state, lastState: {} }];
  return { phase: 'Running', conditions, hostIP: '192.168.0.2', hostIPs: [{ ip: '192.168.0.2' }], podIP: ip, podIPs: [{ ip }], startTime: time(0), qosClass: 'Burstable', containerStatuses: statuses };
}
