// To and from other nodes: what both ends of the overlay have in common with
// the device and without.
#pragma once
#include "forward.h"
#include "nat.h"
#include "parse.h"
#include "track.h"
#include "vxlan.h"

#define OVERLAY_STACK (-1) // the host stack's, untouched
#define OVERLAY_SPECIAL (PACKET_FIRST | PACKET_LATER | PACKET_ICMP_ERROR | PACKET_ICMP_ROUTING)

// Through the device; its neighbour entry gives the MAC.
static __always_inline int overlay_device(struct __sk_buff *skb, const struct packet *packet, __u32 ifindex,
					  const struct FAMILY_STRUCT(addr) *gateway)
{
	struct bpf_redir_neigh neighbour = { .nh_family = CANAL_FAMILY == 4 ? AF_INET : AF_INET6 };

	__builtin_memcpy(neighbour.ipv6_nh, gateway, sizeof(*gateway));
	if (!forward_hop(skb, NULL))
		return TC_ACT_OK;
	if (bpf_redirect_neigh(ifindex, &neighbour, sizeof(neighbour), 0) != TC_ACT_REDIRECT)
		return drop(skb, packet, DROP_REDIRECT_FAILED);
	return TC_ACT_REDIRECT;
}

#if CANAL_FAMILY == 4
static __always_inline int overlay_send(struct __sk_buff *skb, const struct packet *packet)
{
	struct hop *hop = hop_find(skb, packet->destination.word_be[0]);
	struct addr4 gateway;
	int verdict;

	if (!hop || !(hop->flags & HOP_OVERLAY))
		return TC_ACT_OK;
	if (hop->flags & HOP_DIRECT) {
		verdict = vxlan_send(skb, packet, hop);
		if (likely(verdict != VXLAN_GO))
			return verdict;
	}
	gateway.word_be[0] = hop->gateway_be;
	return overlay_device(skb, packet, hop->ifindex, &gateway);
}
#else
// The outer header would be IPv6, whose UDP checksum must not be zero.
static __always_inline int overlay_send(struct __sk_buff *skb, const struct packet *packet)
{
	struct canal_cidr_key6 key = { .prefixlen = 128, .addr = packet->destination };
	const struct canal_nexthop6 *nexthop = bpf_map_lookup_elem(&canal_route6, &key);

	if (!nexthop || nexthop->kind != NEXTHOP_OVERLAY)
		return TC_ACT_OK;
	return overlay_device(skb, packet, nexthop->ifindex, &nexthop->gateway);
}
#endif

static __always_inline bool overlay_is_local(const struct FAMILY_STRUCT(addr) *address)
{
	return bpf_map_lookup_elem(&CANAL_MAP(canal_local), address);
}

// Is the destination a pod of this node? The source is known to be none.
static __always_inline bool overlay_place(struct packet *packet)
{
	packet->destination_ifindex = local_ifindex(&packet->destination, 0);
	if (packet->destination_ifindex)
		packet->flags |= PACKET_PLACED;
	return packet->destination_ifindex;
}

// A packet of another node. 0: allowed, to found->out_ifindex; OVERLAY_STACK;
// or a drop reason. Where its flow says that it came from elsewhere and is for
// a pod of ours, nobody need be asked who its ends are.
//
// A packet without a flow may be the answer to one that the host stack
// translated (a service of kube-proxy): only the stack can tell. A connection
// request cannot be.
static __always_inline int overlay_judge(struct __sk_buff *skb, struct packet *packet, const struct canal_config *config,
					 struct decision *found)
{
	struct canal_flow *flow = NULL;
	bool known = false;
	int reason;

	if (!(packet->flags & OVERLAY_SPECIAL)) {
		parse_key(packet);
		flow = flow_find_judging(packet);
		known = flow && flow_destination_ifindex(flow, packet) && !flow_source_ifindex(flow, packet);
	}
	if (packet->flags & PACKET_JOINED && !(known && flow_destination_tcp(flow, packet) & TCP_OWN))
		return OVERLAY_STACK;
	if (!known && overlay_is_local(&packet->source))
		return DROP_OVERLAY_SOURCE;
	if (packet->flags & OVERLAY_SPECIAL || !forward_fits(packet, config))
		return OVERLAY_STACK;
	if ((!flow || flow->flags & FLOW_STACK) && !packet_opens(packet))
		return OVERLAY_STACK;
	if (!known && !overlay_place(packet))
		return OVERLAY_STACK;
	reason = track(skb, packet, config, flow, found, HOOK_FROM_OVERLAY);
	if (reason)
		return reason;
	return found->flow_flags & FLOW_STACK || !found->out_ifindex ? OVERLAY_STACK : 0;
}

// Into the pod, by the frame's headers as they are now.
static __always_inline int overlay_deliver(struct __sk_buff *skb, struct packet *packet, const struct decision *found)
{
	if (nat_answers(packet, found->flow_flags) && nat_answer(skb, packet))
		return drop(skb, packet, DROP_NAT_FAILED);
	return forward_local(skb, packet, found->out_ifindex);
}
