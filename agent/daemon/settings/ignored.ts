/**
 * Settings of flanneld, Felix and calico/node that have no meaning in canal and
 * are accepted so that a configuration can be carried over (compat.md 1.8, 4.4,
 * 7.2 columns A and M). Each is logged once when set. Anything in neither list
 * is an error naming the key.
 */

/** flanneld flags that take no part here. `refuse`: what it asks for cannot be had, so it is an error. */
export const IGNORED_FLAGS: readonly { readonly flag: string; readonly refuse?: string }[] = [
  { flag: 'kube-subnet-mgr' },
  { flag: 'ip-masq-fully-random-disable' },
  { flag: 'iptables-resync' },
  { flag: 'iptables-forward-rules' },
  { flag: 'subnet-lease-renew-margin' },
  ...['etcd-endpoints', 'etcd-prefix', 'etcd-keyfile', 'etcd-certfile', 'etcd-cafile', 'etcd-username', 'etcd-password'].map((flag) => ({
    flag,
    refuse: 'leases from etcd are not supported; canal takes them from the Kubernetes API',
  })),
];

/** Felix's parameters, by their YAML name. */
export const IGNORED_FELIX: readonly string[] = [
  'awsSrcDstCheck', 'bpfConnectTimeLoadBalancing', 'bpfConnectTimeLoadBalancingEnabled', 'bpfConntrackLogLevel', 'bpfLogLevel',
  'bpfConntrackMode', 'bpfConntrackTimeouts', 'bpfCTLBLogFilter', 'bpfLogFilters', 'bpfDisableGROForIfaces',
  'bpfDisableUnprivileged', 'bpfDSROptoutCIDRs', 'bpfEnabled', 'bpfEnforceRPF', 'bpfExcludeCIDRsFromNAT', 'bpfExportBufferSizeMB',
  'bpfExternalServiceMode', 'bpfExtToServiceConnmark', 'bpfForceTrackPacketsFromIfaces', 'bpfHostConntrackBypass',
  'bpfHostNetworkedNATWithoutCTLB', 'bpfIPFragmentReassemblyEnabled', 'bpfIPFragTimeout', 'bpfJITHardening', 'bpfKubeProxyHealthzPort',
  'bpfKubeProxyIptablesCleanupEnabled', 'bpfKubeProxyMinSyncPeriod', 'bpfL3IfacePattern', 'bpfMaglevMaxEndpointsPerService',
  'bpfMaglevMaxServices', 'bpfMapSizeConntrack', 'bpfMapSizeConntrackCleanupQueue', 'bpfMapSizeConntrackScaling',
  'bpfMapSizePerCpuConntrack', 'bpfMapSizeIPSets', 'bpfMapSizeIfState', 'bpfMapSizeRoute', 'bpfMapSizeNATFrontend',
  'bpfMapSizeNATBackend', 'bpfMapSizeNATAffinity', 'bpfOverlayHostSourceIP', 'bpfPolicyDebugEnabled', 'bpfProfiling', 'bpfPSNATPorts',
  'bpfRedirectToPeer', 'cgroupV2Path', 'chainInsertMode', 'dataplaneDriver', 'useInternalDataplaneDriver', 'dataplaneWatchdogTimeout',
  'deviceRouteSourceAddress', 'deviceRouteSourceAddressIPv6', 'disableConntrackInvalidCheck', 'endpointStatusPathPrefix',
  'externalNodesList', 'failsafeInboundHostPorts', 'failsafeOutboundHostPorts', 'featureDetectOverride', 'featureGates', 'floatingIPs',
  'flowLogsFlushInterval', 'flowLogsGoldmaneServer', 'flowLogsLocalReporter', 'flowLogsPolicyEvaluationMode', 'genericXDPEnabled',
  'xdpEnabled', 'xdpRefreshInterval', 'goGCThreshold', 'goMaxProcs', 'goMemoryLimitMB', 'healthTimeoutOverrides', 'interfaceExclude',
  'interfaceRefreshInterval', 'ipipEnabled', 'ipipMTU', 'ipsetsRefreshInterval', 'maxIpsetSize', 'iptablesBackend',
  'iptablesFilterAllowAction', 'iptablesFilterDenyAction', 'iptablesMangleAllowAction', 'iptablesLockProbeInterval',
  'iptablesPostWriteCheckInterval', 'iptablesRefreshInterval', 'iptablesMarkMask', 'nftablesMarkMask',
  'iptablesNATOutgoingInterfaceFilter', 'ipv4ElevatedRoutePriority', 'ipv6NormalRoutePriority', 'ipv6ElevatedRoutePriority',
  'ipv6Support', 'istioAmbientMode', 'istioDSCPMark', 'kubeNodePortRanges', 'liveMigrationRouteConvergenceTime',
  'localSubnetL2Reachability', 'logActionRateLimit', 'logActionRateLimitBurst', 'logPrefix', 'logDebugFilenameRegex', 'logFilePath',
  'logSeverityFile', 'logSeveritySys', 'mtuIfacePattern', 'requireMTUFile', 'natOutgoingAddress', 'natOutgoingExclusions',
  'natPortRange', 'netlinkTimeout', 'netlinkTimeoutSecs', 'nftablesMode', 'nftablesRefreshInterval', 'policySyncPathPrefix',
  'programClusterRoutes', 'prometheusGoMetricsEnabled', 'prometheusProcessMetricsEnabled', 'prometheusWireGuardMetricsEnabled',
  'prometheusMetricsCAFile', 'prometheusMetricsCertFile', 'prometheusMetricsKeyFile', 'prometheusMetricsClientAuth',
  'removeExternalRoutes', 'routeRefreshInterval', 'routeSource', 'routeSyncDisabled', 'routeTableRange', 'routeTableRanges',
  'serviceLoopPrevention', 'sidecarAccelerationEnabled', 'usageReportingEnabled', 'usageReportingInitialDelay',
  'usageReportingInterval', 'vxlanEnabled', 'vxlanMTU', 'vxlanMTUV6', 'vxlanPort', 'vxlanVNI', 'wireguardEnabled',
  'wireguardEnabledV6', 'wireguardHostEncryptionEnabled', 'reportingInterval', 'endpointReportingEnabled',
  'endpointReportingDelay', 'datastoreType', 'typhaAddr', 'typhaK8sServiceName', 'typhaK8sNamespace', 'nodeSelector',
];
