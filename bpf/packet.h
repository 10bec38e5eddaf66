// What the stages know of one packet, filled from parse to forward. Lives on
// the program's stack.
#pragma once
#include "kernel.h"
#include "abi.h"

enum packet_flags {
	PACKET_LATER = 1,       // fragment without the transport header
	PACKET_FIRST = 2,       // fragment with it
	PACKET_OPTIONS = 4,     // IPv4 options, IPv6 extension headers: the host stack handles them
	PACKET_ICMP_ERROR = 8,
	PACKET_ICMP_ROUTING = 16, // redirect, router advertisement
	PACKET_ANSWER = 32,     // can only answer a flow, never open one
	PACKET_SOURCE_IS_B = 64,// in the flow key
	PACKET_FROM_HOST = 128, // sent by the node's own processes
	PACKET_TO_HOST = 256,   // destination is an address of the node
	PACKET_NEW = 512,       // its flow is in canal_ctnew, not in canal_ct
	PACKET_REVOKED = 1024,  // it ended its flow: judged again and denied
	PACKET_VIA_STACK = 2048,// seen on its way out of the host stack
	PACKET_SERVICE = 4096,  // was sent to a service; its destination is the backend by now
	PACKET_JOINED = 8192,   // of several, with a tunnel's mark (vxlan_arrive.h)
	PACKET_PLACED = 16384,  // where both ends are was looked up, but the source's pod if the packet is a pod's
};

struct packet {
	struct FAMILY_STRUCT(addr) source;
	struct FAMILY_STRUCT(addr) destination;
	struct FAMILY_STRUCT(canal_flow_key) key;
	__u64 rule;                // that decided last
	__u64 rule_egress;
	__u64 rule_ingress;
	__u32 direction;           // judged last: 0 egress, 1 ingress
	__u32 flags;               // enum packet_flags
	__u32 now_s;
	__u32 length;              // bytes from the IP header on
	__u32 segment;             // the same, of the largest segment it will be cut into
	__u32 transport;           // offset of the transport header in the frame
	__u32 end;                 // offset behind the IP packet
	__u32 source_ifindex;      // cali* device of the source; 0: not a pod of this node
	__u32 destination_ifindex;
	__u32 fragment_id;
	__u16 source_port_be;
	__u16 destination_port_be;
	__u16 policy_port_be;      // what rules compare
	__u8 protocol;
	__u8 tcp_flags;
	__u8 ttl;
	__u8 zero[3];
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16
// Ours, in the place of URG: sent to elsewhere by a TCP socket of the pod itself, not passed on by it.
#define TCP_OWN 32
// What a flow keeps of those that a side has sent.
#define TCP_KEPT (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_OWN)

// A connection request: always judged, never covered by an old entry.
static __always_inline bool packet_opens(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline bool address_equal(const struct FAMILY_STRUCT(addr) *left,
					  const struct FAMILY_STRUCT(addr) *right)
{
#if CANAL_FAMILY == 4
	return left->word_be[0] == right->word_be[0];
#else
	return left->word_be[0] == right->word_be[0] && left->word_be[1] == right->word_be[1] &&
	       left->word_be[2] == right->word_be[2] && left->word_be[3] == right->word_be[3];
#endif
}
