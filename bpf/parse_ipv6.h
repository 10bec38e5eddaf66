// IPv6 header with its extension headers, and what ICMPv6's types mean.
#pragma once
#include "packet.h"

#define EXTENSIONS_MAX 6 // headers before the transport's; more is no honest packet
#define IP6_OFFSET 0xfff8
#define IP6_MF 1

static __always_inline bool icmp_is_error(__u8 type)
{
	return type >= 1 && type <= 4;
}

static __always_inline bool icmp_is_routing(__u8 type)
{
	return type == 134 || type == 137;
}

static __always_inline bool icmp_is_query(__u8 type) // echo, node information
{
	return type == 128 || type == 139;
}

// The query type that an answer is for; 0: no answer.
static __always_inline __u32 icmp_answered(__u8 type)
{
	return type == 129 || type == 140 ? type - 1 : 0;
}

static __always_inline int parse_fragment6(struct packet *packet, const __u8 *header)
{
	__u16 offset = bpf_ntohs(*(__be16 *)(header + 2));

	if (!(offset & (IP6_OFFSET | IP6_MF)))
		return 0; // atomic fragment: a whole packet
	packet->fragment_id = *(__be32 *)(header + 4);
	packet->flags |= offset & IP6_OFFSET ? PACKET_LATER : PACKET_FIRST;
	return header[0] == IPPROTO_TCP && (offset & IP6_OFFSET) == 8 ? DROP_FRAGMENT : 0;
}

// Walks to the transport header. protocol is the next header so far.
static __noinline int parse_extensions(struct __sk_buff *skb, struct packet *packet)
{
	__u8 header[8];

	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		__u8 type = packet->protocol;
		int reason;

		if (type != IPPROTO_HOPOPTS && type != IPPROTO_DSTOPTS && type != IPPROTO_ROUTING &&
		    type != IPPROTO_FRAGMENT && type != IPPROTO_AH)
			return 0;
		packet->flags |= PACKET_OPTIONS;
		if (packet->transport + sizeof(header) > packet->end ||
		    bpf_skb_load_bytes(skb, packet->transport, header, sizeof(header)))
			return DROP_UNPARSED;
		packet->protocol = header[0];
		if (type == IPPROTO_ROUTING && header[3]) // segments left: goes on elsewhere
			return DROP_IP_OPTIONS;
		if (type == IPPROTO_FRAGMENT) {
			packet->transport += 8;
			reason = parse_fragment6(packet, header);
			if (reason || packet->flags & PACKET_LATER)
				return reason;
		} else if (type == IPPROTO_AH) {
			packet->transport += (header[1] + 2) * 4;
		} else {
			packet->transport += (header[1] + 1) * 8;
		}
	}
	return DROP_UNPARSED;
}

// quoted: the header inside an ICMP error, whose packet is cut short.
static __always_inline int parse_network(struct __sk_buff *skb, struct packet *packet, __u32 offset, bool quoted)
{
	struct ipv6hdr ip;
	__u32 total;

	if (quoted ? bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) : !parse_read(skb, offset, &ip))
		return DROP_UNPARSED;
	total = bpf_ntohs(ip.payload_len) + sizeof(ip);
	if (!ip.payload_len && skb->gso_size) // BIG TCP: longer than the field can say
		total = packet->length;
	if (quoted)
		total = skb->len - offset;
	if (ip.version != 6 || offset + total > skb->len)
		return DROP_UNPARSED;
	__builtin_memcpy(&packet->source, &ip.saddr, sizeof(packet->source));
	__builtin_memcpy(&packet->destination, &ip.daddr, sizeof(packet->destination));
	packet->protocol = ip.nexthdr;
	packet->ttl = ip.hop_limit;
	packet->transport = offset + sizeof(ip);
	packet->end = offset + total;
	if (likely(ip.nexthdr == IPPROTO_TCP || ip.nexthdr == IPPROTO_UDP || ip.nexthdr == IPPROTO_ICMPV6))
		return 0;
	return parse_extensions(skb, packet);
}
