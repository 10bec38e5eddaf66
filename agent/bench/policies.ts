import { PORT } from './lab-plan.js';
import type { Size } from './size.js';

/** The `i`th CIDR of policies: a single address, none of them a pod's. */
export const policyCidr = (i: number): string => `${60 + ((i >> 22) & 31)}.${(i >> 14) & 255}.${(i >> 6) & 255}.${(i & 63) * 4}/32`;

/** CIDRs of one policy of several. */
export function cidrsOf(size: Size, policy: number): string[] {
  const each = Math.max(1, Math.floor(size.cidrs / size.policies));
  return Array.from({ length: each }, (_, i) => policyCidr(policy * each + i));
}

/**
 * NetworkPolicies as `kubectl apply` takes them: every pod of the namespace is
 * under every one, and only the last in order lets the pods in, so that lists
 * are walked to their end.
 */
export function policyObjects(size: Size, namespace: string): Readonly<Record<string, unknown>>[] {
  return Array.from({ length: size.policies }, (_, i) => {
    const blocks = cidrsOf(size, i).map((cidr) => ({ ipBlock: { cidr } }));
    const pods = i === size.policies - 1 ? [{ podSelector: {} }] : [];
    const ports = [{ protocol: 'TCP', port: PORT }, { protocol: 'UDP', port: PORT }];
    return {
      apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name: `p${String(i).padStart(6, '0')}` },
      spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [...blocks, ...pods], ports }] },
    };
  });
}
