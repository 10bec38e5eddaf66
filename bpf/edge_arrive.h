// Packets that come in from outside the node, over the uplink or the overlay,
// and are translated: to a pod, to the node itself, or out again.
#pragma once
#include "edge_icmp.h"
#include "edge_service.h"
#include "fragment.h"
#include "track.h"

// To a pod of this node. Policy sees the backend, and the client where it kept
// its address.
static __noinline int edge_deliver(struct __sk_buff *skb, struct packet *packet)
{
	const struct canal_config *config = config_get();
	struct decision found = {};
	struct canal_flow *flow;
	int reason;

	if (!config)
		return TC_ACT_UNSPEC;
	parse_key(packet);
	flow = flow_find(packet);
	reason = track(skb, packet, config, flow, &found, HOOK_FROM_OVERLAY);
	if (reason)
		return drop(skb, packet, reason);
	if (found.flow_flags & FLOW_STACK || !found.out_ifindex || !(config->flags & CONFIG_FAST_LOCAL) || !forward_fits(packet, config))
		return TC_ACT_UNSPEC;
	if (nat_answers(packet, found.flow_flags) && nat_answer(skb, packet))
		return drop(skb, packet, DROP_NAT_FAILED);
	return forward_local(skb, packet, found.out_ifindex);
}

// Where scratch->edge says.
static __always_inline int edge_go(struct __sk_buff *skb, struct packet *packet)
{
	const struct canal_config *config = config_get();
	struct scratch *scratch = scratch_get();
	const struct canal_local *local;
	int reason;

	if (!config || !scratch)
		return TC_ACT_UNSPEC;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &scratch->edge.destination);
	if (!local) {
		if (packet->ttl <= 1)
			return TC_ACT_UNSPEC;
		if (edge_oversize(skb, packet, config))
			return refuse_size(skb, packet, config->pod_mtu);
	}
	reason = edge_rewrite(skb, packet);
	if (reason)
		return drop(skb, packet, reason);
	if (!local)
		return edge_send(skb, packet);
	return local->ifindex ? edge_deliver(skb, packet) : TC_ACT_UNSPEC;
}

static __always_inline int edge_arrive_error(struct __sk_buff *skb, struct packet *packet)
{
	int reason = edge_error(skb, packet);

	if (reason)
		return reason > 0 ? drop(skb, packet, reason) : TC_ACT_UNSPEC;
	// The stack knows the way to pods, and what to do with the node's own.
	return bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->destination) ? TC_ACT_UNSPEC : edge_send(skb, packet);
}

// TC_ACT_UNSPEC: the stack goes on with the packet, translated or not. requests:
// flows may begin here.
static __always_inline int edge_arrive(struct __sk_buff *skb, struct packet *packet, bool requests)
{
	struct FAMILY_STRUCT(canal_edge) *row;
	struct scratch *scratch = scratch_get();
	bool whole;
	int verdict;

	if (!scratch || packet->flags & PACKET_ICMP_ROUTING)
		return TC_ACT_UNSPEC;
	if (packet->flags & (PACKET_FIRST | PACKET_LATER) && fragment_follow(packet))
		return TC_ACT_UNSPEC; // not ours, for all that is known: the node puts its own together
	if (packet->flags & PACKET_ICMP_ERROR)
		return edge_arrive_error(skb, packet);
	row = edge_find(packet);
	whole = row && edge_holds(skb, packet, row);
	if (whole) {
		edge_touch(row, packet);
		scratch->edge = *row;
		whole = edge_whole(packet);
	}
	if (!whole) {
		verdict = requests ? edge_request(skb, packet) : TC_ACT_UNSPEC;
		if (verdict != EDGE_GO)
			return verdict;
	}
	return edge_go(skb, packet);
}
