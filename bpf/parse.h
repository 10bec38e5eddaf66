// Frame -> struct packet. Reads with bpf_skb_load_bytes, so it does not
// matter which part of the packet is linear. Returns 0 or a drop reason.
#pragma once
#include "packet.h"

#define ICMP_HEADER 8

// A header of `type` at an offset known at compile time: copied, in words, from
// where it lies if that is in the linear part, as headers nearly always are.
// False: too short.
#define parse_read(skb, offset, header)                                                              \
	({                                                                                           \
		const void *at = (const void *)(long)(skb)->data + (offset);                         \
		bool read = true;                                                                    \
		if (likely(at + sizeof(*(header)) <= (const void *)(long)(skb)->data_end))           \
			*(header) = *(const typeof(*(header)) *)at;                                  \
		else                                                                                 \
			read = !bpf_skb_load_bytes(skb, offset, header, sizeof(*(header)));          \
		read;                                                                                \
	})

#if CANAL_FAMILY == 4
#define PLAIN_TRANSPORT (ETH_HLEN + sizeof(struct iphdr)) // without options
#define ETH_P_FAMILY ETH_P_IP
#define ETH_P_OTHER_FAMILY ETH_P_IPV6
#define ICMP_PROTOCOL IPPROTO_ICMP
#include "parse_ipv4.h"
#else
#define PLAIN_TRANSPORT (ETH_HLEN + sizeof(struct ipv6hdr))
#define ETH_P_FAMILY ETH_P_IPV6
#define ETH_P_OTHER_FAMILY ETH_P_IP
#define ICMP_PROTOCOL IPPROTO_ICMPV6
#include "parse_ipv6.h"
#endif

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

struct tcp_start {
	__be16 source, destination;
	__be32 sequence, acknowledged;
	__u8 offset, flags;
	__be16 window;
};

// TCP: flags, and how big the segments will be that GSO cuts (skb->gso_size is
// payload only).
static __always_inline int parse_tcp(struct __sk_buff *skb, struct packet *packet, __u32 outer)
{
	struct tcp_start tcp;
	__u32 length;

	if (packet->transport + 20 > packet->end)
		return DROP_UNPARSED;
	if (likely(packet->transport == outer + PLAIN_TRANSPORT) ? !parse_read(skb, outer + PLAIN_TRANSPORT, &tcp)
							 : bpf_skb_load_bytes(skb, packet->transport, &tcp, sizeof(tcp)))
		return DROP_UNPARSED;
	packet->source_port_be = tcp.source;
	packet->destination_port_be = tcp.destination;
	packet->policy_port_be = tcp.destination;
	packet->tcp_flags = tcp.flags & ~TCP_OWN;
	length = (tcp.offset >> 4) * 4;
	if (length < 20 || packet->transport + length > packet->end)
		return DROP_UNPARSED;
	if (skb->gso_size)
		packet->segment = packet->transport - outer - ETH_HLEN + length + skb->gso_size;
	return 0;
}

static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *packet, __u32 outer)
{
	struct { __be16 source, destination; } ports;

	if (packet->transport + 8 > packet->end)
		return DROP_UNPARSED;
	if (likely(packet->transport == outer + PLAIN_TRANSPORT) ? !parse_read(skb, outer + PLAIN_TRANSPORT, &ports)
							 : bpf_skb_load_bytes(skb, packet->transport, &ports, sizeof(ports)))
		return DROP_UNPARSED;
	packet->source_port_be = ports.source;
	packet->destination_port_be = ports.destination;
	packet->policy_port_be = ports.destination;
	if (skb->gso_size)
		packet->segment = packet->transport - outer - ETH_HLEN + 8 + skb->gso_size;
	return 0;
}

// Queries: the asking side's port is the identifier, the answering side's the
// query's type and code (struct canal_flow_key).
static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	struct { __u8 type, code; __be16 checksum, id, sequence; } header;
	__u32 query;

	if (packet->transport + ICMP_HEADER > packet->end ||
	    bpf_skb_load_bytes(skb, packet->transport, &header, sizeof(header)))
		return DROP_UNPARSED;
	packet->policy_port_be = bpf_htons(header.type << 8 | header.code);
	packet->destination_port_be = packet->policy_port_be;
	if (icmp_is_error(header.type)) {
		packet->flags |= PACKET_ICMP_ERROR;
	} else if (icmp_is_routing(header.type)) {
		packet->flags |= PACKET_ICMP_ROUTING;
	} else if (icmp_is_query(header.type)) {
		packet->source_port_be = header.id;
	} else {
		query = icmp_answered(header.type);
		packet->flags |= PACKET_ANSWER; // anything else opens no flow either
		if (query) {
			packet->source_port_be = bpf_htons(query << 8 | header.code);
			packet->destination_port_be = header.id;
		}
	}
	return 0;
}

static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *packet, __u32 outer)
{
	if (packet->flags & PACKET_LATER)
		return 0;
	if (packet->protocol == IPPROTO_TCP)
		return parse_tcp(skb, packet, outer);
	if (packet->protocol == ICMP_PROTOCOL)
		return parse_icmp(skb, packet);
	if (has_ports(packet->protocol))
		return parse_ports(skb, packet, outer);
	return 0;
}

// The key both directions share.
static __always_inline void parse_key(struct packet *packet)
{
	struct FAMILY_STRUCT(canal_flow_key) *key = &packet->key;
	int order = 0;

#pragma unroll
	for (int i = 0; i < ADDR_WORDS; i++) {
		__u32 source = bpf_ntohl(packet->source.word_be[i]);
		__u32 destination = bpf_ntohl(packet->destination.word_be[i]);

		if (!order && source != destination)
			order = source < destination ? -1 : 1;
	}
	if (!order)
		order = bpf_ntohs(packet->source_port_be) <= bpf_ntohs(packet->destination_port_be) ? -1 : 1;
	if (order < 0) {
		packet->flags &= ~PACKET_SOURCE_IS_B;
		key->addr_a = packet->source;
		key->addr_b = packet->destination;
		key->port_a_be = packet->source_port_be;
		key->port_b_be = packet->destination_port_be;
	} else {
		packet->flags |= PACKET_SOURCE_IS_B;
		key->addr_a = packet->destination;
		key->addr_b = packet->source;
		key->port_a_be = packet->destination_port_be;
		key->port_b_be = packet->source_port_be;
	}
	key->protocol = packet->protocol;
}

// Network and transport header of the frame. Needs *packet zeroed but for now_s.
// outer: bytes of another frame's headers before the frame's own, known at compile time.
static __always_inline int parse_inside(struct __sk_buff *skb, struct packet *packet, __u32 outer)
{
	int reason;

	if (skb->vlan_present || skb->len < outer + ETH_HLEN)
		return DROP_UNPARSED;
	packet->length = skb->len - outer - ETH_HLEN;
	packet->segment = packet->length;
	reason = parse_network(skb, packet, outer + ETH_HLEN, false);
	if (reason)
		return reason;
	return parse_transport(skb, packet, outer);
}

static __always_inline int parse(struct __sk_buff *skb, struct packet *packet)
{
	return parse_inside(skb, packet, 0);
}
