// Shared structs: configuration, devices, endpoints, policy, next hops. Included by abi.h alone.
#ifndef CANAL_ABI_POLICY_H
#define CANAL_ABI_POLICY_H

// ---- configuration: one row, written by the agent, read by every program

enum canal_config_flags {
	CONFIG_FAST_LOCAL = 1,   // same-node delivery by bpf_redirect_peer
	CONFIG_FAST_OVERLAY = 2, // overlay sends by bpf_redirect_neigh, arrivals by bpf_redirect_peer
	CONFIG_DIRECT_VXLAN = 4, // programs write and strip the VXLAN header themselves
	CONFIG_EVENTS = 8,       // flow events go to canal_events
	CONFIG_HOST_DENY = 16,   // pod to its own node is dropped after egress policy (DefaultEndpointToHostAction=Drop)
	CONFIG_OTHER_FAMILY = 32,// programs of the other family are attached too: leave its packets to them
	CONFIG_ALLOW_VXLAN = 64, // pods may send VXLAN themselves (allowVXLANPacketsFromWorkloads)
	CONFIG_ALLOW_IPIP = 128, // pods may send IPIP themselves (allowIPIPPacketsFromWorkloads)
	CONFIG_ALLOW_SPOOF = 256,// workloadSourceSpoofing=Any
	CONFIG_SERVICES = 512,   // canal_front* is in force; off: no lookup is made
	CONFIG_MASQUERADE = 1024,// what pods send out through canal_outside's devices leaves with the node's address there, but to canal_nomasq*
};

struct canal_config {
	__u32 epoch;          // from 1 (0: not configured, everything drops); grows whenever a verdict may have changed; conntrack entries of another epoch are judged again
	__u32 flags;          // enum canal_config_flags
	__u32 overlay_ifindex;// flannel.<VNI>; 0: no overlay
	__u32 uplink_ifindex; // device that carries VXLAN; 0: none
	__u32 vni;            // of the overlay
	__u16 vxlan_port_be;  // UDP destination port of the overlay, network order
	__u16 pod_mtu;        // largest IP packet that the fast path carries; larger ones go to the host stack. 0: all
	__u32 vtep_addr_be;   // this node's outer IPv4 source
	__u8 vtep_mac[6];     // of flannel.<VNI>
	__u8 uplink_mac[6];
	__u32 log_rate;       // events a second and CPU at most; 0: no limit
	__u16 edge_port_min;  // source ports that translation at the edge chooses from, where a packet's own is taken; both 0: none
	__u16 edge_port_max;  // included
	__u64 host_netns;     // cookie of the node's network namespace; 0: not known. Connected UDP sockets of others are left to from_pod
	__u32 node_addr4_be;  // the node's address on the uplink: source of services' flows that go on from here. 0: nothing of this family is
	__u32 overlay_addr4_be; // the node's address on the overlay device: source of what goes to other nodes' pods translated
	__u32 node_addr6_be[4];
	__u32 overlay_addr6_be[4];
};

// ---- devices that lead out of the node

// canal_outside: ifindex of a device with canal_from_upl and canal_to_upl (the
// uplink is one) -> the node's addresses there, which masquerade gives.
struct canal_outside {
	__u32 addr4_be; // 0: none, node_addr4_be is given
	__u32 addr6_be[4];
};

// ---- endpoints

enum canal_endpoint_flags {
	ENDPOINT_HOST_ALLOWED = 1, // the node's own processes always reach it (set for pods)
	ENDPOINT_DISABLED = 2,     // finished or half-made: nothing passes either way
};

// canal_endpoint: ifindex of the host side of a pod's veth -> endpoint.
// The only place that says which policy is in force on a pod: one write
// changes it as a whole. A cali* device without a row drops everything; who
// removes or disables a row also raises config.epoch, which ends the pod's
// flows (the programs do not read the row for each packet of a known flow).
struct canal_endpoint {
	__u64 ingress_table; // what enters the pod; 0: not isolated, all allowed
	__u64 egress_table;  // what leaves it; 0: not isolated
	__u32 flags;         // enum canal_endpoint_flags
	__u32 addr4_be;      // the pod's IPv4 address; 0: none
	__u32 addr6_be[4];   // the pod's IPv6 address; ::: none
	__u8 pod_mac[6];     // of eth0 in the pod
	__u8 host_mac[6];    // of the cali* device
	__u32 zero;
};

// canal_local4/6 (hash): every address on this node -> where it is. Pods'
// addresses and the node's own: one lookup tells pod, node and elsewhere apart.
struct canal_local {
	__u32 ifindex; // host side of the pod's veth; 0: an address of the node itself
};

// ---- policy: address -> class; (table, class) -> rows; (rows, protocol, port) -> verdict

// canal_table (hash): (table, class) -> __u64 rows. Class 0 is the table's default
// and always present; a class that the table does not single out has no row.
struct canal_table_key {
	__u64 table;
	__u64 class_id;
};

// canal_rule (LPM): (rows, protocol, port prefix) -> verdict.
// prefixlen 64: any protocol; 80: this protocol, any port; 80+n: n leading bits of port.
// ICMP and ICMPv6: port is type << 8 | code. Protocols without ports: port 0.
struct canal_rule_key {
	__u32 prefixlen;
	__u8 rows[8];   // little endian, as __u64 on the machines we run on
	__u8 zero;      // so that protocol and port are 16-bit aligned
	__u8 protocol;  // IP protocol number
	__u16 port_be;
};

enum canal_action {
	ACTION_DENY = 0,
	ACTION_ALLOW = 1,
};

struct canal_verdict {
	__u64 rule;   // hash of kind, namespace, name, direction and index of the deciding rule; 0: no rule (end of tier, default deny)
	__u32 action; // enum canal_action
	__u32 flags;  // bit 0: log (a Calico Log rule matched on the way)
};

// ---- next hops

enum canal_nexthop_kind {
	NEXTHOP_STACK = 0,   // leave it to the host stack
	NEXTHOP_LOCAL = 1,   // bpf_redirect_peer(ifindex)
	NEXTHOP_OVERLAY = 2, // VXLAN to vtep
	NEXTHOP_DIRECT = 3,  // routed without overlay (DirectRouting, host-gw): host stack
};

#endif // CANAL_ABI_POLICY_H

// ---- what holds an address, once for each family

// canal_peer4/6 (hash): address -> __u64 class. Class 0: every table's default row.
// canal_cidr4/6 (LPM): prefix -> __u64 class; a row carries the atoms of every CIDR that covers it.
struct FAMILY_STRUCT(canal_cidr_key) {
	__u32 prefixlen;
	struct FAMILY_STRUCT(addr) addr;
};

// canal_route4/6 (LPM over canal_cidr_key): pod CIDR of another node -> next hop.
struct FAMILY_STRUCT(canal_nexthop) {
	__u32 kind;            // enum canal_nexthop_kind
	__u32 ifindex;         // device to send through
	struct FAMILY_STRUCT(addr) gateway; // neighbour on that device (the peer's subnet base for VXLAN)
	__u32 vtep_addr_be;    // outer IPv4 destination
	__u8 vtep_mac[6];      // inner destination MAC
	__u8 prefixlen;        // of the key: what a CPU's copy of this row is good for (hop.h)
	__u8 zero;
};

// canal_nomasq4/6 (LPM over canal_cidr_key): prefix -> __u32 0: pods keep their
// address towards it (flannel's networks, multicast, non-masquerade CIDRs).
