// ICMP errors belong to the flow whose packet they quote, and pass if that
// flow may. They count for nothing and keep nothing alive.
#pragma once
#include "conntrack.h"
#include "parse.h"
#include "revoke.h"

// The quoted packet's ends. Only 8 bytes of its transport header are sure.
static __always_inline int icmp_parse_quoted(struct __sk_buff *skb, struct packet *quoted, __u32 offset)
{
	struct { __be16 source, destination, id; } header;

	if (parse_network(skb, quoted, offset, true) || quoted->flags & PACKET_LATER)
		return DROP_ICMP_UNRELATED;
	if (quoted->protocol == ICMP_PROTOCOL)
		return parse_icmp(skb, quoted) || quoted->flags & PACKET_ICMP_ERROR ? DROP_ICMP_UNRELATED : 0;
	if (!has_ports(quoted->protocol))
		return 0;
	if (bpf_skb_load_bytes(skb, quoted->transport, &header, sizeof(header)))
		return DROP_ICMP_UNRELATED;
	quoted->source_port_be = header.source;
	quoted->destination_port_be = header.destination;
	return 0;
}

// 0: the error at packet is about a flow that may pass; its ends' devices are
// left in the packet.
static __noinline int icmp_related(struct __sk_buff *skb, struct packet *packet)
{
	const struct canal_config *config = config_get();
	struct scratch *scratch = scratch_get();
	struct packet *quoted;
	struct canal_flow *flow;
	int flags;

	if (!config || !scratch)
		return DROP_CONFIG;
	quoted = &scratch->quoted;
	__builtin_memset(quoted, 0, sizeof(*quoted));
	quoted->now_s = packet->now_s;
	quoted->length = packet->length;
	if (icmp_parse_quoted(skb, quoted, packet->transport + ICMP_HEADER))
		return DROP_ICMP_UNRELATED;
	// Errors go to who sent the packet.
	if (!address_equal(&quoted->source, &packet->destination))
		return DROP_ICMP_UNRELATED;
	parse_key(quoted);
	flow = flow_find(quoted);
	if (!flow)
		return DROP_ICMP_UNRELATED;
	// The error travels against the quoted packet.
	packet->destination_ifindex = flow_source_ifindex(flow, quoted);
	packet->source_ifindex = flow_destination_ifindex(flow, quoted);
	flags = flow->epoch == config->epoch ? flow->flags : revoke_judge(quoted, flow, config);
	return flags & FLOW_DEAD ? DROP_REVOKED : 0;
}
