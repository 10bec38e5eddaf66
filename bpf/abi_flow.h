// Shared structs: conntrack, drops, counters, flow events. Included by abi.h alone.
#ifndef CANAL_ABI_FLOW_H
#define CANAL_ABI_FLOW_H

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
	__u8 tcp_a;         // TCP flags that side a has sent since its SYN: FIN 1, SYN 2, RST 4, ACK 16, and 32 where a socket of the pod sent to elsewhere
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

// ---- counters

// canal_rulestat (per-CPU hash): rule -> packets it judged (a flow's first
// packet, every denied packet). Rule 0 has no row: canal_drop counts it.
// canal_drop (per-CPU array): packets dropped for a reason.
struct canal_counter {
	__u64 packets;
	__u64 bytes;
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

#endif // CANAL_ABI_FLOW_H

// ---- what holds an address, once for each family

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
