// Ways out of the node that the host stack would not or need not take: it
// refuses to forward what has an address of its own as source, and costs more
// than a look at its routing table.
#pragma once
#include "edge.h"
#include "overlay.h"
#include "refuse.h"

#define IP_DF 0x4000
#define FIB_SUCCESS 0   // BPF_FIB_LKUP_RET_SUCCESS
#define FIB_NO_NEIGHBOUR 7 // BPF_FIB_LKUP_RET_NO_NEIGH: the device and gateway are right

// The kernel's next hop for the packet. Device, or 0: the stack's business.
static __noinline __u32 edge_route(struct __sk_buff *skb, const struct packet *packet, struct bpf_redir_neigh *neighbour)
{
	struct bpf_fib_lookup fib = { .ifindex = skb->ifindex, .l4_protocol = packet->protocol };
	long result;

	if (!neighbour) // never; the verifier cannot know
		return 0;
#if CANAL_FAMILY == 4
	fib.family = AF_INET;
	fib.ipv4_src = packet->source.word_be[0];
	fib.ipv4_dst = packet->destination.word_be[0];
#else
	fib.family = AF_INET6;
	__builtin_memcpy(fib.ipv6_src, &packet->source, sizeof(packet->source));
	__builtin_memcpy(fib.ipv6_dst, &packet->destination, sizeof(packet->destination));
#endif
	result = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (result != FIB_SUCCESS && result != FIB_NO_NEIGHBOUR)
		return 0;
	neighbour->nh_family = fib.family;
#if CANAL_FAMILY == 4
	neighbour->ipv4_nh = fib.ipv4_dst;
#else
	__builtin_memcpy(neighbour->ipv6_nh, fib.ipv6_dst, sizeof(fib.ipv6_dst));
#endif
	return fib.ifindex;
}

static __always_inline int edge_redirect(struct __sk_buff *skb, const struct packet *packet, __u32 ifindex, struct bpf_redir_neigh *neighbour)
{
	if (!forward_hop(skb, NULL) || bpf_redirect_neigh(ifindex, neighbour, sizeof(*neighbour), 0) != TC_ACT_REDIRECT)
		return drop(skb, packet, DROP_REDIRECT_FAILED);
	return TC_ACT_REDIRECT;
}

// A pod's packet to where no other node's pods are: straight to the device that
// the routing table says, past the host stack (and its netfilter), if that leads outside.
static __noinline int edge_forward_pod(struct __sk_buff *skb, const struct packet *packet)
{
	const struct canal_config *config = config_get();
	struct bpf_redir_neigh neighbour = {};
	__u32 ifindex;

	if (!config || !config->uplink_ifindex || !edge_on(config) ||
	    bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->destination))
		return TC_ACT_OK;
	ifindex = edge_route(skb, packet, &neighbour);
	if (!ifindex || (ifindex != config->uplink_ifindex && !bpf_map_lookup_elem(&canal_outside, &ifindex)))
		return TC_ACT_OK;
	return edge_redirect(skb, packet, ifindex, &neighbour);
}

// A translated packet to anywhere but this node.
static __noinline int edge_send(struct __sk_buff *skb, const struct packet *packet)
{
	const struct canal_config *config = config_get();
	struct bpf_redir_neigh neighbour = {};
	__u32 ifindex;
	int verdict;

	// The device cuts the outer packet where the inner one is too large.
	verdict = config && forward_fits(packet, config) ? overlay_send(skb, packet) : TC_ACT_OK;
	if (verdict != TC_ACT_OK)
		return verdict;
	ifindex = edge_route(skb, packet, &neighbour);
	return ifindex ? edge_redirect(skb, packet, ifindex, &neighbour) : drop(skb, packet, DROP_REDIRECT_FAILED);
}

// Is it too large for the overlay, and may not be cut? (What may is: its outer
// packet has no DF, as flannel's.)
static __always_inline bool edge_oversize(struct __sk_buff *skb, const struct packet *packet, const struct canal_config *config)
{
	__be16 fragment = bpf_htons(IP_DF);

	if (!config->pod_mtu || packet->segment <= config->pod_mtu)
		return false;
	if (CANAL_FAMILY == 4 && bpf_skb_load_bytes(skb, ETH_HLEN + 6, &fragment, sizeof(fragment)))
		return true;
	return fragment & bpf_htons(IP_DF);
}
