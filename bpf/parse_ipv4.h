// IPv4 header, and what ICMPv4's types mean.
#pragma once
#include "packet.h"

#define IP_OPTION_END 0
#define IP_OPTION_NOP 1
#define IP_OPTION_LSRR 131
#define IP_OPTION_SSRR 137
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

static __always_inline bool icmp_is_error(__u8 type)
{
	return type == 3 || type == 4 || type == 11 || type == 12;
}

static __always_inline bool icmp_is_routing(__u8 type)
{
	return type == 5 || type == 9;
}

static __always_inline bool icmp_is_query(__u8 type) // echo, timestamp, information, mask
{
	return type == 8 || type == 13 || type == 15 || type == 17;
}

// The query type that an answer is for; 0: no answer.
static __always_inline __u32 icmp_answered(__u8 type)
{
	if (type == 0)
		return 8;
	return type == 14 || type == 16 || type == 18 ? type - 1 : 0;
}

// Source routes would make the packet go elsewhere than policy looked at.
// Not static: so the verifier looks at it once; and byte by byte rather than
// option by option, so that it knows where each look is.
__noinline int parse_options(struct __sk_buff *skb, __u32 offset, __u32 length)
{
	__u8 options[40] = {};
	__u32 next = 0; // where an option begins

	if (length < 4 || length > sizeof(options))
		return DROP_UNPARSED;
	if (bpf_skb_load_bytes(skb, offset, options, length))
		return DROP_UNPARSED;
#pragma clang loop unroll(disable)
	for (__u32 at = 0; at < sizeof(options) && at < length; at++) {
		__u8 type = options[at], size = 1;

		if (at != next)
			continue;
		if (type == IP_OPTION_END)
			return 0;
		if (type == IP_OPTION_LSRR || type == IP_OPTION_SSRR)
			return DROP_IP_OPTIONS;
		if (type != IP_OPTION_NOP) {
			if (at + 1 >= length || at + 1 >= sizeof(options))
				return DROP_UNPARSED;
			size = options[at + 1];
			if (size < 2 || at + size > length)
				return DROP_UNPARSED;
		}
		next = at + size;
	}
	return 0;
}

// quoted: the header inside an ICMP error, whose packet is cut short.
static __always_inline int parse_network(struct __sk_buff *skb, struct packet *packet, __u32 offset, bool quoted)
{
	struct iphdr ip;
	__u32 header, total;
	__u16 fragment;

	if (quoted ? bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) : !parse_read(skb, offset, &ip))
		return DROP_UNPARSED;
	header = ip.ihl * 4;
	total = bpf_ntohs(ip.tot_len);
	if (!total && skb->gso_size) // BIG TCP: longer than the field can say
		total = packet->length;
	if (quoted)
		total = skb->len - offset;
	if (ip.version != 4 || header < sizeof(ip) || total < header || offset + total > skb->len)
		return DROP_UNPARSED;
	packet->source.word_be[0] = ip.saddr;
	packet->destination.word_be[0] = ip.daddr;
	packet->protocol = ip.protocol;
	packet->ttl = ip.ttl;
	packet->transport = offset + header;
	packet->end = offset + total;
	fragment = bpf_ntohs(ip.frag_off);
	if (fragment & (IP_MF | IP_OFFSET)) {
		packet->fragment_id = ip.id;
		packet->flags |= fragment & IP_OFFSET ? PACKET_LATER : PACKET_FIRST;
		// RFC 1858: would overwrite the flags that policy looked at.
		if (ip.protocol == IPPROTO_TCP && (fragment & IP_OFFSET) == 1)
			return DROP_FRAGMENT;
	}
	if (header > sizeof(ip) && !quoted) {
		packet->flags |= PACKET_OPTIONS;
		return parse_options(skb, offset + sizeof(ip), header - sizeof(ip));
	}
	return 0;
}
