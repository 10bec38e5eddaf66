// ICMP errors about packets that were translated at the edge: whoever reads one
// finds the packet in it that it sent itself.
#pragma once
#include "edge.h"
#include "nat_icmp.h"

#define EDGE_NO_ROW (-1)

// 0: translated; EDGE_NO_ROW: about nothing of ours; or a drop reason.
static __noinline int edge_error(struct __sk_buff *skb, struct packet *packet)
{
	struct scratch *scratch = scratch_get();
	const struct FAMILY_STRUCT(canal_edge) *row;
	struct FAMILY_STRUCT(canal_backend) end = {};
	struct packet *quoted;

	if (!scratch)
		return EDGE_NO_ROW;
	quoted = &scratch->quoted;
	__builtin_memset(quoted, 0, sizeof(*quoted));
	if (icmp_parse_quoted(skb, quoted, packet->transport + ICMP_HEADER))
		return EDGE_NO_ROW;
	// The error goes the way of the quoted packet's answers.
	edge_key(&scratch->edge_way, &quoted->destination, quoted->destination_port_be, &quoted->source, quoted->source_port_be, quoted->protocol);
	row = bpf_map_lookup_elem(&CANAL_MAP(canal_edge), &scratch->edge_way);
	if (!row)
		return EDGE_NO_ROW;
	scratch->edge = *row;
	end.addr = scratch->edge.destination;
	end.port_be = scratch->edge.destination_port_be;
	if (nat_quoted(skb, packet, quoted, &end, false))
		return DROP_NAT_FAILED;
	end.port_be = packet->destination_port_be; // ICMP has none
	if (address_equal(&packet->destination, &quoted->source) && rewrite_destination(skb, packet, &end))
		return DROP_NAT_FAILED;
	end.addr = scratch->edge.source;
	end.port_be = scratch->edge.source_port_be;
	if (nat_quoted(skb, packet, quoted, &end, true))
		return DROP_NAT_FAILED;
	end.port_be = packet->source_port_be;
	// A router on the way speaks for itself.
	if (address_equal(&packet->source, &quoted->destination) && rewrite_source(skb, packet, &end))
		return DROP_NAT_FAILED;
	return 0;
}
