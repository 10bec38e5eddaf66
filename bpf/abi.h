// Every struct that the eBPF programs and the TypeScript agent share, once.
// The agent's codecs are generated from the BTF of these types at build time
// and compared with the loaded object's BTF at start: change them only here.
//
// Byte order: addresses and ports of packets are in network order (suffix _be
// or stated); everything else is in host order. No struct has implicit padding.
// Identifiers that are content hashes (class, table, rows, rule) are 64 bits
// wide, so that equal content has one id on every run and collisions do not
// matter in practice (20,000 ids: 1 in 10^11). Zero is never a hash: see each.
//
// The first part knows no family. The second holds addresses as long as
// CANAL_FAMILY (4 or 6) needs; names in BTF end in the family. Including this
// file once with each family gives both (abi.c).
#ifndef CANAL_ABI_H
#define CANAL_ABI_H

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

// canal_rulestat (per-CPU hash): rule -> packets it judged (a flow's first
// packet, every denied packet). Rule 0 has no row: canal_drop counts it.
// canal_drop (per-CPU array): packets dropped for a reason.
struct canal_counter {
	__u64 packets;
	__u64 bytes;
};

// ---- next hops

enum canal_nexthop_kind {
	NEXTHOP_STACK = 0,   // leave it to the host stack
	NEXTHOP_LOCAL = 1,   // bpf_redirect_peer(ifindex)
	NEXTHOP_OVERLAY = 2, // VXLAN to vtep
	NEXTHOP_DIRECT = 3,  // routed without overlay (DirectRouting, host-gw): host stack
};

// ---- conntrack

enum canal_flow_flags {
	FLOW_ORIGIN_B = 1, // side b sent the first packet (else side a)
	FLOW_REPLIED = 2,  // the other side has answered
	FLOW_DEAD = 4,     // policy was revoked: nothing passes until a new connection request is allowed
	FLOW_HOST = 8,     // opened by this node's own processes: not policed at the pod
	FLOW_STACK = 16,   // first met on its way out of the host stack, which may have translated it: stays there
	FLOW_NAT = 32,     // the origin asked for a service: answers get its address back (canal_nat)
};

// canal_ct4/6, canal_ctnew4/6 (LRU hashes): canal_flow_key4/6 -> flow. One
// cache line. Words that two CPUs may write at once (one a direction) are
// apart; flags, epoch and ifindexes change only by replacing the whole row.
struct canal_flow {
	__u32 epoch;        // policy epoch it was judged in
	__u16 flags;        // enum canal_flow_flags
	__u8 tcp_a;         // TCP flags that side a has sent since its SYN: FIN 1, SYN 2, RST 4, ACK 16, and 32 where a socket of the pod sent
	__u8 tcp_b;
	__u32 ifindex_a;    // cali* device of side a; 0: side a is not a pod of this node
	__u32 ifindex_b;
	__u32 seen_s;       // CLOCK_MONOTONIC seconds of the last packet that passed
	__u32 opened_s;     // of the first
	__u32 packets_a;    // sent by side a, wrapping
	__u32 packets_b;
	__u64 bytes_a;      // IP bytes
	__u64 bytes_b;
	__u64 rule_egress;  // that let it leave the origin's pod; 0: not isolated, or not a pod of this node
	__u64 rule_ingress; // that let it enter the other pod
};

// canal_frag4/6 (LRU hash): what a datagram's first fragment says of all.
struct canal_frag {
	__u16 source_port_be;      // as in the flow key
	__u16 destination_port_be;
	__u16 policy_port_be;      // as in canal_rule_key
	__u8 protocol;
	__u8 zero;
	__u32 seen_s;
};

// ---- drops: exactly one reason, counted once, in canal_drop (per-CPU array of
// canal_counter, index = reason). The names are the metric's label, lower-cased
// without DROP_. TTL exceeded and packets too big are no drops: the host stack
// answers them.

enum canal_drop_reason {
	DROP_NONE = 0,
	DROP_POLICY_INGRESS,     // denied by what enters the destination pod
	DROP_POLICY_EGRESS,      // denied by what leaves the source pod
	DROP_REVOKED,            // its flow was allowed once and is not any more
	DROP_SPOOFED,            // source address is not the pod's
	DROP_NO_ENDPOINT,        // device without an endpoint row, or disabled
	DROP_UNPARSED,           // truncated, malformed or VLAN-tagged
	DROP_UNKNOWN_ETHERTYPE,  // neither IP of this family nor ARP nor neighbour discovery
	DROP_FRAGMENT,           // fragment without its first
	DROP_ICMP_UNRELATED,     // ICMP error about no flow we know; redirects and router advertisements of pods
	DROP_IP_OPTIONS,         // source routing
	DROP_TUNNEL,             // VXLAN or IPIP from a pod
	DROP_CONFIG,             // no configuration row: the agent has never run
	DROP_TABLE_MISSING,      // endpoint points at a table without default row: fail closed
	DROP_OVERLAY_SOURCE,     // overlay packet that claims one of our own addresses
	DROP_HOST_DENIED,        // pod to own node with DefaultEndpointToHostAction=Drop
	DROP_REDIRECT_FAILED,    // a helper refused
	DROP_NO_BACKEND,         // service without a ready backend; TCP gets a reset, the rest ICMP port unreachable (but FRONT_DROP_EMPTY)
	DROP_NAT_UNKNOWN,        // TCP to a service, neither a request nor of a known flow; gets a reset
	DROP_NAT_FAILED,         // cannot be translated: SCTP whose port would change (CRC over the packet), headers not writable
	DROP_NAT_EXHAUSTED,      // no free source port towards this destination; the event's source is the pod or client that wanted one
	DROP_SOURCE_RANGE,       // client outside of the service's loadBalancerSourceRanges
	DROP_REASONS             // number of reasons
};

// canal_full (per-CPU array of __u64): writes that found a map full or failed, by map.
enum canal_full {
	FULL_CT = 0,
	FULL_FRAG,
	FULL_EVENTS,
	FULL_RULESTAT,
	FULL_SERVICE, // canal_nat, canal_affin, canal_sock
	FULL_EDGE,    // canal_edge
	FULL_MAPS
};

// ---- services: (address, port, protocol) -> service; (service, slot) -> backend
//
// A service here is one port of a Service with one set of backends: ClusterIP,
// externalIPs and load balancer addresses of a port share it; the set of local
// endpoints only is another. Its id is a content hash of its name (as in
// canal_table), so it is the same on every run, and never 0.
//
// Slots 0 to backends-1 hold the backends in any order: a packet takes
// a random one. canal_live has the same backends by address: what affinity,
// UDP flows and UDP sockets hold on to is good as long as its row is there.
//
// Order of writes, right at every moment and three rows at any size (a front
// row for each address of the service):
//   add       live(B), back(n) = B, every front.backends = n+1
//   replace A live(B), back(i) = B, delete live(A)
//   remove i  back(i) = backend of n-1 (where i is not n-1), every front.backends = n-1,
//             delete back(n-1), delete live(A)
//   new       live and back rows, then fronts       gone: fronts, then back and live rows
//   to 0      as remove: the front stays with backends = 0 and refuses
// After front.backends = n-1 no new flow takes the removed backend. Deleting its live
// row moves UDP flows and affinity with their next packet; TCP flows that exist go on
// (drain) until they end or policy ends them. A backend that terminates but still serves others' TCP
// is removed like any other. Who finds no row at a slot it read (a reader between two
// writes) takes slot 0.

// Address 0 (0.0.0.0, ::) in a front row's key stands for every address of the
// node itself (canal_local with ifindex 0; for the node's own processes
// 127.0.0.0/8 and ::1 too): looked up where the exact address has no row. NodePorts and
// hostPorts without hostIP are such rows, so they do not depend on the node's
// addresses. Scopes are apart: a service reached from both sides has two rows,
// which may name different sets.
//
//   ClusterIP       inside  address           set by internalTrafficPolicy
//   externalIP, LB  inside  address           all endpoints
//                   outside address           set by externalTrafficPolicy
//   NodePort        inside  0                 all endpoints
//                   node    0                 all endpoints, other nodes' by their node's address and node port (externalTrafficPolicy Local alone; so the two above)
//                   outside 0                 set by externalTrafficPolicy
//   hostPort        both    0, or its hostIP  the pod alone
//
// What comes from outside keeps its source address where the backend is on this
// node (a pod, or the node itself), and gets the node's where it is not: so
// externalTrafficPolicy Local is nothing but a set of local endpoints.

enum canal_front_flags {
	FRONT_DROP_EMPTY = 1,    // without backends: dropped, not refused (a Local policy with endpoints elsewhere)
	FRONT_SOURCE_RANGES = 2, // only clients with a row in canal_range*; written before the front. Not asked of the node's own processes
	FRONT_HASH = 4,          // slot by a hash of the packet's ends that is the same on every node (Maglev tables: slots repeat backends), not at random. Sockets take random ones
	FRONT_NODE_APART = 8,    // of FRONT_INSIDE: the node's own processes have a row of FRONT_NODE with the same key
};

enum canal_front_scope {
	FRONT_INSIDE = 0,  // for what pods and the node's own processes send
	FRONT_OUTSIDE = 1, // for what comes in over the uplink
	FRONT_NODE = 2,    // for the node's own processes, where FRONT_INSIDE says FRONT_NODE_APART
};

// canal_front4/6 (hash): canal_front_key4/6 -> front.
struct canal_front {
	__u64 service;    // id
	__u32 backends;   // ready ones; 0: refused at once
	__u32 affinity_s; // ClientIP session affinity: seconds since the client's last new flow; 0: none
	__u32 flags;      // enum canal_front_flags
	__u32 zero;
};

// canal_back4/6 (hash): (service, slot) -> canal_backend4/6.
struct canal_back_key {
	__u64 service;
	__u32 slot;
	__u32 zero;
};

enum canal_nat_way {
	NAT_REQUEST = 0, // as the client sends: peer is the service, the value its backend
	NAT_ANSWER = 1,  // as the backend answers: peer is the backend, the value the service
};

enum canal_nat_flags {
	NAT_HAIRPIN = 1,        // the client is the backend: both ends change (bpf/README.md)
	NAT_HAIRPIN_ANSWER = 2, // the same of its answers
};

enum canal_edge_flags {
	EDGE_ANSWER = 1, // this row's way is the answer's
};

enum canal_sock_way {
	SOCK_SENDS = 0,   // key: service; value: backend that the socket's datagrams go to
	SOCK_RECEIVES = 1,// key: backend; value: service, for recvmsg and getpeername
};

// ---- events (canal_events, ring buffer)

enum canal_event_kind {
	EVENT_FLOW_ALLOWED = 1, // first packet of a flow, one event for each pod of this node that judged it
	EVENT_FLOW_DENIED = 2,  // packet dropped by policy
	EVENT_DROP = 3,         // packet dropped for any other reason
	EVENT_REVOKED = 4,      // flow re-judged and denied
};

// canal_rate (per-CPU array, one row): events of the running second.
struct canal_rate {
	__u32 second;
	__u32 events;
};

#endif // CANAL_ABI_H

// ---- what holds an address, once for each family ----------------------------

#ifndef CANAL_FAMILY
#define CANAL_FAMILY 4
#endif
#undef FAMILY_STRUCT
#undef ADDR_WORDS
#if CANAL_FAMILY == 4
#define FAMILY_STRUCT(name) name##4
#define ADDR_WORDS 1
#else
#define FAMILY_STRUCT(name) name##6
#define ADDR_WORDS 4
#endif

#if (CANAL_FAMILY == 4 && !defined(CANAL_ABI_4)) || (CANAL_FAMILY == 6 && !defined(CANAL_ABI_6))
#if CANAL_FAMILY == 4
#define CANAL_ABI_4
#else
#define CANAL_ABI_6
#endif

struct FAMILY_STRUCT(addr) {
	__u32 word_be[ADDR_WORDS]; // network order
};

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

// Both ends, ordered so that both directions find one entry:
// (addr_a, port_a) < (addr_b, port_b) compared as network-order bytes.
// ICMP queries: the asking side's port is the identifier, the answering side's
// is the query's type << 8 | code, so that an answer is never taken for a query.
struct FAMILY_STRUCT(canal_flow_key) {
	struct FAMILY_STRUCT(addr) addr_a;
	struct FAMILY_STRUCT(addr) addr_b;
	__u16 port_a_be;
	__u16 port_b_be;
	__u8 protocol;
	__u8 zero[3];
};

struct FAMILY_STRUCT(canal_frag_key) {
	struct FAMILY_STRUCT(addr) source;
	struct FAMILY_STRUCT(addr) destination;
	__u32 id;       // network order
	__u32 protocol; // IPv6: 0
};

struct FAMILY_STRUCT(canal_front_key) {
	struct FAMILY_STRUCT(addr) addr;
	__u16 port_be;
	__u8 protocol; // IP protocol number
	__u8 scope;    // enum canal_front_scope
};

// canal_range4/6 (LPM): (service, prefix) -> __u32 0: a source range of FRONT_SOURCE_RANGES.
// prefixlen: 64 + the prefix's length.
struct FAMILY_STRUCT(canal_range_key) {
	__u32 prefixlen;
	__u8 service[8]; // little endian, as __u64 on the machines we run on
	struct FAMILY_STRUCT(addr) addr;
};

struct FAMILY_STRUCT(canal_backend) {
	struct FAMILY_STRUCT(addr) addr;
	__u16 port_be;
	__u16 zero;
};

// canal_live4/6 (hash): (service, backend) -> __u32 0.
struct FAMILY_STRUCT(canal_live_key) {
	__u64 service;
	struct FAMILY_STRUCT(canal_backend) backend;
#if CANAL_FAMILY == 6
	__u32 zero;
#endif
};

// canal_affin4/6 (LRU hash): (service, client) -> its backend.
struct FAMILY_STRUCT(canal_affin_key) {
	__u64 service;
	__u64 netns; // cookie of the client's network namespace, where a socket asked; 0: a packet did
	struct FAMILY_STRUCT(addr) client; // zero where a socket asked: it may have no address yet
#if CANAL_FAMILY == 4
	__u32 zero;
#endif
};

struct FAMILY_STRUCT(canal_affin) {
	struct FAMILY_STRUCT(canal_backend) backend;
	__u32 seen_s; // CLOCK_MONOTONIC seconds of the last new flow
};

// canal_nat4/6 (LRU hash): a packet's ends -> what takes the peer's place.
struct FAMILY_STRUCT(canal_nat_key) {
	struct FAMILY_STRUCT(addr) client;
	struct FAMILY_STRUCT(addr) peer;
	__u16 client_port_be;
	__u16 peer_port_be;
	__u8 protocol;
	__u8 way; // enum canal_nat_way
	__u16 zero;
};

struct FAMILY_STRUCT(canal_nat) {
	__u64 service;
	struct FAMILY_STRUCT(canal_backend) to;
	__u32 opened_s;      // CLOCK_MONOTONIC seconds of the choice
	__u16 flags;         // enum canal_nat_flags
	__u16 from_port_be;  // NAT_HAIRPIN*: source port that the packet leaves with
#if CANAL_FAMILY == 6
	__u32 zero;
#endif
};

// canal_nomasq4/6 (LPM over canal_cidr_key): prefix -> __u32 0: pods keep their
// address towards it (flannel's networks, multicast, non-masquerade CIDRs).
//
// canal_edge4/6 (LRU hash): translation at the node's edge (NodePort and what else
// comes over the uplink, masquerade): a packet's ends -> both ends as it goes on.
// Two rows a flow, one for each way; each is the other's answer:
//   masquerade       pod:p -> peer:d          | node:q -> peer:d
//   NodePort, here   client:c -> node:n       | client:c -> pod:b
//   NodePort, afar   client:c -> node:n       | node's overlay address:q -> pod:b
// and back with both sides swapped. ICMP queries: ports as in canal_flow_key.
struct FAMILY_STRUCT(canal_edge_key) {
	struct FAMILY_STRUCT(addr) source;
	struct FAMILY_STRUCT(addr) destination;
	__u16 source_port_be;
	__u16 destination_port_be;
	__u8 protocol;
	__u8 zero[3];
};

struct FAMILY_STRUCT(canal_edge) {
	__u64 service; // whose backend it goes to; 0: masquerade
	struct FAMILY_STRUCT(addr) source;
	struct FAMILY_STRUCT(addr) destination;
	__u16 source_port_be;
	__u16 destination_port_be;
	__u32 seen_s;   // CLOCK_MONOTONIC seconds of the last packet this way
	__u32 opened_s; // of the flow's first
	__u16 flags;    // enum canal_edge_flags
	__u8 tcp;       // TCP flags sent this way since the SYN, as in canal_flow
	__u8 zero;
};

// canal_sock4/6 (LRU hash): a socket and an address -> the other address.
struct FAMILY_STRUCT(canal_sock_key) {
	__u64 cookie; // of the socket
	struct FAMILY_STRUCT(canal_backend) peer;
	__u8 protocol;
	__u8 way; // enum canal_sock_way
#if CANAL_FAMILY == 4
	__u8 zero[6];
#else
	__u8 zero[2];
#endif
};

struct FAMILY_STRUCT(canal_sock) {
	__u64 service;
	struct FAMILY_STRUCT(canal_backend) peer;
#if CANAL_FAMILY == 6
	__u32 zero;
#endif
};

struct FAMILY_STRUCT(canal_event) {
	__u64 time_ns;     // CLOCK_MONOTONIC
	__u64 rule;        // deciding rule; 0: none
	__u32 family;      // 4 or 6: which struct this is
	__u16 kind;        // enum canal_event_kind
	__u16 reason;      // enum canal_drop_reason
	__u32 ifindex;     // device whose program decided
	__u32 length;      // bytes of the IP packet
	struct FAMILY_STRUCT(addr) source;
	struct FAMILY_STRUCT(addr) destination;
	__u16 source_port_be;
	__u16 destination_port_be; // ICMP: type << 8 | code
	__u8 protocol;
	__u8 direction;    // 0: egress of source pod, 1: ingress of destination pod
	__u16 zero;
};

#endif // once a family
