// IPv6 neighbour discovery and multicast membership of a link: outside of
// policy, as in Felix (compat.md 6.12), but only where it cannot travel on.
#pragma once
#include "kernel.h"

#define MLD_QUERY 130
#define MLD_REPORT 131
#define MLD_DONE 132
#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT 134
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT 136
#define ND_REDIRECT 137
#define MLD2_REPORT 143

static __always_inline bool neighbour_type(__u8 type, __u8 hop_limit, bool from_host)
{
	switch (type) {
	case MLD_QUERY:
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return hop_limit == 1;
	case ND_ROUTER_SOLICIT:
	case ND_NEIGHBOUR_SOLICIT:
	case ND_NEIGHBOUR_ADVERT:
		return hop_limit == 255;
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT: // a pod must not route its node
		return from_host && hop_limit == 255;
	}
	return false;
}

// Is this frame one of them? Destinations are link-local or multicast, so the
// node does not forward it.
static __noinline bool is_neighbour(struct __sk_buff *skb, bool from_host)
{
	__u32 offset = ETH_HLEN + sizeof(struct ipv6hdr);
	struct ipv6hdr ip;
	__u8 header[8], next, *to = (__u8 *)&ip.daddr;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) ||
	    bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
		return false;
	next = ip.nexthdr;
	if (next == IPPROTO_HOPOPTS && !header[1]) { // MLD carries a router alert
		next = header[0];
		if (bpf_skb_load_bytes(skb, offset + sizeof(header), header, sizeof(header)))
			return false;
	}
	if (ip.version != 6 || next != IPPROTO_ICMPV6)
		return false;
	if (to[0] != 0xff && !(to[0] == 0xfe && (to[1] & 0xc0) == 0x80))
		return false;
	return neighbour_type(header[0], ip.hop_limit, from_host);
}
