// Shared structs: services and translation. Included by abi.h alone.
#ifndef CANAL_ABI_SERVICE_H
#define CANAL_ABI_SERVICE_H

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

#endif // CANAL_ABI_SERVICE_H

// ---- what holds an address, once for each family

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
