// What leaves over the uplink: answers of services get their address back, pods'
// flows to the outside the node's address, and the node's own flows another
// port where a pod's has theirs.
#pragma once
#include "drop.h"
#include "edge_icmp.h"
#include "fragment.h"
#include "revoke.h"

// Towards these pods keep their address (flannel's rules; abi_policy.h).
static __always_inline bool masquerade_exempts(const struct FAMILY_STRUCT(addr) *destination)
{
	struct FAMILY_STRUCT(canal_cidr_key) key = { .prefixlen = ADDR_WORDS * 32, .addr = *destination };

	return bpf_map_lookup_elem(&CANAL_MAP(canal_nomasq), &key);
}

// Does the packet answer somebody who sees the pod's own address?
static __noinline bool masquerade_answers(struct packet *packet)
{
	const struct canal_config *config = config_get();
	const struct canal_flow *flow;
	int flags;

	parse_key(packet);
	flow = flow_find(packet);
	if (flow)
		return !flow_is_original(flow, packet);
	packet->source_ifindex = local_ifindex(&packet->source, 0);
	flags = config ? closed_find(packet, config->epoch) : -1;
	if (flags >= 0)
		return !(flags & FLOW_ORIGIN_B) != !(packet->flags & PACKET_SOURCE_IS_B);
	return packet->flags & PACKET_ANSWER;
}

// A flow under the device's address from now on, of the node itself only under
// another port. 0 or a drop reason.
static __noinline int masquerade_open(struct __sk_buff *skb, const struct packet *packet, bool pod)
{
	const struct canal_config *config = config_get();
	struct scratch *scratch = scratch_get();
	struct FAMILY_STRUCT(canal_edge) *row;

	if (!config || !scratch)
		return DROP_CONFIG;
	row = &scratch->edge;
	__builtin_memset(row, 0, sizeof(*row));
	row->source = pod ? edge_device_address(config, skb->ifindex) : packet->source;
	row->source_port_be = packet->source_port_be;
	row->destination = packet->destination;
	row->destination_port_be = packet->destination_port_be;
	return edge_is_zero(&row->source) ? DROP_NAT_FAILED : edge_open(skb, packet, true);
}

// A new flow of the node itself under ends whose answers a pod's flow gets: the
// newcomer moves.
static __noinline bool masquerade_clashes(struct __sk_buff *skb, const struct packet *packet)
{
	struct scratch *scratch = scratch_get();

	if (!scratch || packet->flags & (PACKET_ANSWER | PACKET_LATER) || !edge_port_moves(packet) ||
	    (packet->protocol == IPPROTO_TCP && !packet_opens(packet)))
		return false;
	edge_key(&scratch->edge_way, &packet->destination, packet->destination_port_be, &packet->source, packet->source_port_be, packet->protocol);
	edge_answer_of(packet, scratch);
	return edge_taken(skb, false, packet->now_s);
}

static __noinline int masquerade_pod(struct __sk_buff *skb, struct packet *packet, bool masquerade)
{
	if (!masquerade || masquerade_answers(packet) || masquerade_exempts(&packet->destination))
		return TC_ACT_UNSPEC;
	if (packet->flags & PACKET_LATER)
		return DROP_FRAGMENT;
	return masquerade_open(skb, packet, true);
}
