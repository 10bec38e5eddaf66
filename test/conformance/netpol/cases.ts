import { all, type Reachability } from './reachability.js';

/**
 * Every case of Kubernetes' network policy suite (test/e2e/network/netpol of
 * Kubernetes 1.33) by its name, as data. The suite's three SCTP cases need SCTP
 * sockets, and its two API cases are about the API server; they are not here.
 */
export interface NetpolCase {
  readonly name: string;
  readonly steps: (lab: Facts) => readonly Step[];
}

export interface Facts {
  /** Address of a pod, `x/a`. */
  readonly address: (pod: string) => string;
}

export type Step =
  | { readonly apply: Manifest; readonly namespace: string }
  | { readonly deletePolicies: string }
  | { readonly label: 'namespace' | 'pod'; readonly name: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly expect: Reachability; readonly protocol: 'TCP' | 'UDP'; readonly port: number };

type Manifest = Readonly<Record<string, unknown>>;
type Selector = Readonly<Record<string, unknown>>;
type Rules = readonly Readonly<Record<string, unknown>>[];

const labels = (matchLabels: Readonly<Record<string, string>>): Selector => ({ matchLabels });
const expression = (key: string, operator: string, ...values: string[]): Selector => ({ matchExpressions: [{ key, operator, values }] });
const pod = (name: string): Selector => labels({ pod: name });
const namespace = (name: string): Selector => labels({ ns: name });

function policy(name: string, podSelector: Selector, rules: { ingress?: Rules; egress?: Rules }): Manifest {
  const policyTypes = [...(rules.ingress === undefined ? [] : ['Ingress']), ...(rules.egress === undefined ? [] : ['Egress'])];
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name }, spec: { podSelector, policyTypes, ...rules } };
}

const inX = (manifest: Manifest): Step => ({ apply: manifest, namespace: 'x' });
const inY = (manifest: Manifest): Step => ({ apply: manifest, namespace: 'y' });
const tcp = (port: number, expect: Reachability): Step => ({ expect, protocol: 'TCP', port });
const udp = (port: number, expect: Reachability): Step => ({ expect, protocol: 'UDP', port });

/** One policy in namespace x, then one look. */
const simple = (name: string, manifest: Manifest, expect: () => Reachability, port = 80): NetpolCase => ({
  name,
  steps: () => [inX(manifest), tcp(port, expect())],
});

const onlyYtoXa = (): Reachability => all().deny('x', 'x/a').deny('z', 'x/a');
const denyAllToXa = (): Reachability => all().deny('*', 'x/a');
const largeCidr = (address: string): string => `${address.split('.').slice(0, 2).join('.')}.0.0/16`;
const cidrPolicy = (ipBlock: Readonly<Record<string, unknown>>): Manifest => policy('allow-client-a-via-cidr-egress-rule', pod('a'), { egress: [{ to: [{ ipBlock }] }] });

const BY_SELECTOR: readonly NetpolCase[] = [
  simple("should support a 'default-deny-ingress' policy", policy('deny-ingress', {}, { ingress: [] }), () => all().deny('*', 'x')),
  simple("should support a 'default-deny-all' policy", policy('deny-all', {}, { ingress: [], egress: [] }), () => all().deny('*', 'x').deny('x', '*')),
  simple(
    'should enforce policy to allow traffic from pods within server namespace based on PodSelector',
    policy('x-a-allows-x-b', pod('a'), { ingress: [{ from: [{ podSelector: pod('b') }] }] }),
    () => denyAllToXa().allow('x/b', 'x/a'),
  ),
  {
    name: 'should enforce policy to allow ingress traffic for a target',
    steps: () => [
      inX(policy('deny-all', {}, { ingress: [] })),
      inX(policy('allow-all-to-a', pod('a'), { ingress: [{ from: [{ podSelector: {}, namespaceSelector: {} }] }] })),
      tcp(80, all().deny('*', 'x/b').deny('*', 'x/c')),
    ],
  },
  simple(
    'should enforce policy to allow ingress traffic from pods in all namespaces',
    policy('allow-from-another-ns', pod('a'), { ingress: [{ from: [{ namespaceSelector: {} }] }] }),
    all,
  ),
  simple(
    'should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector',
    policy('allow-client-a-via-ns-selector', pod('a'), { ingress: [{ from: [{ namespaceSelector: namespace('y') }] }] }),
    onlyYtoXa,
  ),
  simple(
    'should enforce policy based on PodSelector with MatchExpressions',
    policy('x-a-allows-x-b', pod('a'), { ingress: [{ from: [{ podSelector: expression('pod', 'In', 'b') }] }] }),
    () => denyAllToXa().allow('x/b', 'x/a'),
  ),
  simple(
    'should enforce policy based on NamespaceSelector with MatchExpressions',
    policy('allow-ns-y-match-selector', pod('a'), { ingress: [{ from: [{ namespaceSelector: expression('ns', 'In', 'y') }] }] }),
    onlyYtoXa,
  ),
  simple(
    'should enforce policy based on PodSelector or NamespaceSelector',
    policy('allow-ns-y-match-selector', pod('a'), {
      ingress: [{ from: [{ namespaceSelector: expression('ns', 'NotIn', 'x') }, { podSelector: pod('b') }] }],
    }),
    () => all().deny('x/a', 'x/a').deny('x/c', 'x/a'),
  ),
  simple(
    'should enforce policy based on PodSelector and NamespaceSelector',
    policy('allow-ns-y-podselector-and-nsselector', pod('a'), {
      ingress: [{ from: [{ namespaceSelector: expression('ns', 'NotIn', 'x'), podSelector: pod('b') }] }],
    }),
    () => denyAllToXa().allow('y/b', 'x/a').allow('z/b', 'x/a'),
  ),
  simple(
    'should enforce policy based on Multiple PodSelectors and NamespaceSelectors',
    policy('allow-ns-y-z-pod-b-c', pod('a'), {
      ingress: [{ from: [{ namespaceSelector: expression('ns', 'NotIn', 'x'), podSelector: expression('pod', 'In', 'b', 'c') }] }],
    }),
    () => all().deny('x', 'x/a').deny('y/a', 'x/a').deny('z/a', 'x/a'),
  ),
  simple(
    'should enforce policy based on any PodSelectors',
    policy('allow-ns-x-pod-b-c', pod('a'), { ingress: [{ from: [{ podSelector: pod('b') }, { podSelector: pod('c') }] }] }),
    () => denyAllToXa().allow('x/b', 'x/a').allow('x/c', 'x/a'),
  ),
  simple(
    'should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector',
    policy('allow-ns-y-pod-a-via-namespace-pod-selector', pod('a'), { ingress: [{ from: [{ namespaceSelector: namespace('y'), podSelector: pod('a') }] }] }),
    () => denyAllToXa().allow('y/a', 'x/a'),
  ),
  simple(
    'should deny ingress from pods on other namespaces',
    policy('deny-empty-policy', {}, { ingress: [{ from: [{ podSelector: {} }] }] }),
    () => all().deny('y', 'x').deny('z', 'x'),
  ),
  simple('should deny egress from pods based on PodSelector', policy('deny-egress-pod-a', pod('a'), { egress: [] }), () => all().deny('x/a', '*')),
  simple('should deny egress from all pods in a namespace', policy('deny-egress-ns-x', {}, { egress: [] }), () => all().deny('x', '*')),
  simple(
    'should enforce egress policy allowing traffic to a server in a different namespace based on PodSelector and NamespaceSelector',
    policy('allow-to-ns-y-pod-a', pod('a'), { egress: [{ to: [{ namespaceSelector: namespace('y'), podSelector: pod('a') }] }] }),
    () => all().deny('x/a', '*').allow('x/a', 'y/a'),
  ),
  simple(
    'should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label',
    policy('allow-client-a-via-ns-selector-for-immutable-ns-label', pod('a'), {
      ingress: [{ from: [{ namespaceSelector: labels({ 'kubernetes.io/metadata.name': 'y' }) }] }],
    }),
    onlyYtoXa,
  ),
  simple(
    'should enforce policy based on NamespaceSelector with MatchExpressions using default ns label',
    policy('allow-ns-y-match-selector-for-immutable-ns-label', pod('a'), {
      egress: [{ to: [{ namespaceSelector: expression('kubernetes.io/metadata.name', 'NotIn', 'y') }] }],
    }),
    () => all().deny('x/a', 'y'),
  ),
  {
    name: 'should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)',
    steps: () => {
      const fromXa = [{ from: [{ namespaceSelector: namespace('x'), podSelector: pod('a') }] }];
      return [
        inX(policy('allow-to-ns-y-pod-a', pod('a'), { egress: [{ to: [{ namespaceSelector: namespace('y'), podSelector: pod('a') }] }] })),
        inY(policy('allow-from-xa-on-ya-match-selector', pod('a'), { ingress: fromXa })),
        inY(policy('allow-from-xa-on-yb-match-selector', pod('b'), { ingress: fromXa })),
        tcp(80, all().deny('x/a', '*').deny('*', 'y/a').allow('x/a', 'y/a').deny('*', 'y/b')),
      ];
    },
  },
];

const port81FromY = (protocol: string): Rules => [{ from: [{ namespaceSelector: namespace('y') }], ports: [{ port: 81, protocol }] }];

const BY_PORT: readonly NetpolCase[] = [
  simple('should enforce policy based on Ports', policy('allow-client-a-via-ns-selector', pod('a'), { ingress: port81FromY('TCP') }), onlyYtoXa, 81),
  {
    name: 'should enforce multiple, stacked policies with overlapping podSelectors',
    steps: () => [
      inX(policy('allow-client-a-via-ns-selector', pod('a'), { ingress: port81FromY('TCP') })),
      tcp(81, onlyYtoXa()),
      tcp(80, denyAllToXa()),
      inX(policy('allow-client-a-via-ns-selector-80', pod('a'), { ingress: [{ from: [{ namespaceSelector: namespace('y') }], ports: [{ port: 80, protocol: 'TCP' }] }] })),
      tcp(80, onlyYtoXa()),
    ],
  },
  { name: 'should support allow-all policy', steps: () => [inX(policy('allow-all', {}, { ingress: [{}] })), tcp(80, all()), tcp(81, all())] },
  {
    name: 'should allow ingress access on one named port',
    steps: () => [inX(policy('allow-all', {}, { ingress: [{ ports: [{ port: 'serve-81-tcp' }] }] })), tcp(81, all()), tcp(80, all().deny('*', 'x'))],
  },
  {
    name: 'should allow ingress access from namespace on one named port',
    steps: () => [
      inX(policy('allow-client-a-via-ns-selector-80', pod('a'), { ingress: [{ from: [{ namespaceSelector: namespace('y') }], ports: [{ port: 'serve-80-tcp', protocol: 'TCP' }] }] })),
      tcp(80, onlyYtoXa()),
      tcp(81, denyAllToXa()),
    ],
  },
  {
    name: 'should allow egress access on one named port',
    steps: () => [inX(policy('allow-egress', {}, { egress: [{ ports: [{ port: 'serve-80-tcp' }] }] })), tcp(80, all()), tcp(81, all().deny('x', '*'))],
  },
  {
    name: 'should work with Ingress, Egress specified together',
    steps: () => [
      inX(policy('allow-client-a-via-pod-selector', pod('a'), { ingress: [{ from: [{ podSelector: pod('b') }] }], egress: [{ ports: [{ port: 80 }] }] })),
      tcp(80, denyAllToXa().allow('x/b', 'x/a')),
      tcp(81, denyAllToXa().deny('x/a', '*').allow('x/b', 'x/a')),
    ],
  },
  {
    name: 'should enforce ingress policy allowing any port traffic to a server on a specific protocol',
    steps: () => [inX(policy('allow-ingress-by-proto', pod('a'), { ingress: [{ ports: [{ protocol: 'TCP' }] }] })), tcp(80, all()), udp(80, denyAllToXa())],
  },
  {
    name: 'should enforce multiple ingress policies with ingress allow-all policy taking precedence',
    steps: () => [
      inX(policy('allow-ingress-port-80', {}, { ingress: [{ ports: [{ port: 80 }] }] })),
      tcp(81, all().deny('*', 'x')),
      inX(policy('allow-ingress', {}, { ingress: [{}] })),
      tcp(81, all()),
    ],
  },
  {
    name: 'should enforce multiple egress policies with egress allow-all policy taking precedence',
    steps: () => [
      inX(policy('allow-egress-port-80', {}, { egress: [{ ports: [{ port: 80 }] }] })),
      tcp(81, all().deny('x', '*')),
      inX(policy('allow-egress', {}, { egress: [{}] })),
      tcp(81, all()),
    ],
  },
  {
    name: "should not mistakenly treat 'protocol: SCTP' as 'protocol: TCP', even if the plugin doesn't support SCTP",
    steps: () => [
      inX(policy('deny-ingress', {}, { ingress: [] })),
      inX(policy('allow-only-sctp-ingress-on-port-81', pod('a'), { ingress: [{ ports: [{ port: 81, protocol: 'SCTP' }] }] })),
      tcp(81, all().deny('*', 'x')),
    ],
  },
  simple(
    "should properly isolate pods that are selected by a policy allowing SCTP, even if the plugin doesn't support SCTP",
    policy('allow-only-sctp-ingress-on-port-80', pod('a'), { ingress: [{ ports: [{ port: 80, protocol: 'SCTP' }] }] }),
    denyAllToXa,
    81,
  ),
  simple(
    'should not allow access by TCP when a policy specifies only UDP',
    policy('allow-only-udp-ingress-on-port-81', pod('a'), { ingress: [{ ports: [{ port: 81, protocol: 'UDP' }] }] }),
    denyAllToXa,
    81,
  ),
];

const UPDATES: readonly NetpolCase[] = [
  {
    name: 'should enforce updated policy',
    steps: () => [
      inX(policy('allow-all-mutate-to-deny-all', {}, { ingress: [{}] })),
      tcp(81, all()),
      inX(policy('allow-all-mutate-to-deny-all', {}, { ingress: [] })),
      tcp(81, all().deny('*', 'x')),
    ],
  },
  {
    name: 'should allow ingress access from updated namespace',
    steps: () => [
      inX(policy('allow-client-a-via-ns-selector', pod('a'), { ingress: [{ from: [{ namespaceSelector: labels({ ns2: 'updated' }) }] }] })),
      tcp(80, denyAllToXa()),
      { label: 'namespace', name: 'y', labels: { ns2: 'updated' } },
      tcp(80, denyAllToXa().allow('y', 'x/a')),
    ],
  },
  {
    name: 'should allow ingress access from updated pod',
    steps: () => [
      inX(policy('allow-client-a-via-pod-selector', pod('a'), { ingress: [{ from: [{ podSelector: labels({ pod: 'b', pod2: 'updated' }) }] }] })),
      tcp(80, denyAllToXa()),
      { label: 'pod', name: 'x/b', labels: { pod2: 'updated' } },
      tcp(80, denyAllToXa().allow('x/b', 'x/a')),
    ],
  },
  {
    name: 'should deny ingress access to updated pod',
    steps: () => [
      inX(policy('deny-ingress-via-label-selector', labels({ target: 'isolated' }), { ingress: [] })),
      tcp(80, all()),
      { label: 'pod', name: 'x/a', labels: { target: 'isolated' } },
      tcp(80, denyAllToXa()),
    ],
  },
  {
    name: 'should stop enforcing policies after they are deleted',
    steps: () => [
      inX(policy('deny-all', {}, { ingress: [], egress: [] })),
      tcp(80, all().deny('x', '*').deny('*', 'x')),
      { deletePolicies: 'x' },
      tcp(80, all()),
    ],
  },
  {
    name: 'should enforce policies to check ingress and egress policies can be controlled independently based on PodSelector',
    steps: () => [
      inX(policy('allow-egress-for-target', pod('a'), { egress: [{}] })),
      tcp(80, all()),
      inX(policy('deny-ingress-via-label-selector', pod('a'), { ingress: [] })),
      tcp(80, denyAllToXa()),
    ],
  },
];

const BY_CIDR: readonly NetpolCase[] = [
  {
    name: 'should allow egress access to server in CIDR block',
    steps: ({ address }) => [inX(cidrPolicy({ cidr: `${address('y/b')}/32` })), tcp(80, all().deny('x/a', '*').allow('x/a', 'y/b'))],
  },
  {
    name: 'should enforce except clause while egress access to server in CIDR block',
    steps: ({ address }) => [
      inX(cidrPolicy({ cidr: largeCidr(address('x/b')), except: [`${address('x/b')}/32`] })),
      tcp(80, all().deny('x/a', 'x/b')),
    ],
  },
  {
    name: 'should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed',
    steps: ({ address }) => [
      inX(cidrPolicy({ cidr: largeCidr(address('x/b')), except: [`${address('x/b')}/32`] })),
      tcp(80, all().deny('x/a', 'x/b')),
      inX(cidrPolicy({ cidr: `${address('x/b')}/32` })),
      tcp(80, all().deny('x/a', '*').allow('x/a', 'x/b')),
    ],
  },
];

const BY_UDP: readonly NetpolCase[] = [
  { name: "UDP: should support a 'default-deny-ingress' policy", steps: () => [inX(policy('deny-all', {}, { ingress: [] })), udp(80, all().deny('*', 'x'))] },
  {
    name: 'UDP: should enforce policy based on Ports',
    steps: () => [inX(policy('allow-ingress-on-port-81-ns-x', pod('a'), { ingress: port81FromY('UDP') })), udp(81, onlyYtoXa())],
  },
  {
    name: 'UDP: should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector',
    steps: () => [
      inX(policy('allow-ns-y-pod-a-via-namespace-pod-selector', pod('a'), { ingress: [{ from: [{ namespaceSelector: namespace('y'), podSelector: pod('a') }] }] })),
      udp(80, denyAllToXa().allow('y/a', 'x/a')),
    ],
  },
];

export const CASES: readonly NetpolCase[] = [...BY_SELECTOR, ...BY_PORT, ...UPDATES, ...BY_CIDR, ...BY_UDP];
