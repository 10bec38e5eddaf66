// Services for clients outside of the node: NodePorts, hostPorts, external and
// load balancers' addresses, as they come over the uplink. Where the backend is
// on this node the client keeps its address; where it is not, it gets the
// node's, so that the answers come back this way.
#pragma once
#include "edge_forward.h"
#include "nat.h"

// Does the flow keep to its backend? As nat_holds.
static __always_inline bool edge_holds(struct __sk_buff *skb, const struct packet *packet, const struct FAMILY_STRUCT(canal_edge) *row)
{
	struct FAMILY_STRUCT(canal_backend) backend = {};
	bool opens = nat_opens(skb, packet);

	if (!row->service || row->flags & EDGE_ANSWER)
		return true;
	if (opens && packet->now_s - row->opened_s > NAT_REPEATS)
		return false;
	if (!opens && (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_SCTP))
		return true;
	backend.addr = row->destination;
	backend.port_be = row->destination_port_be;
	return service_live(row->service, &backend);
}

// Which address other nodes answer to over the way that leads to the backend.
static __noinline bool edge_source(struct scratch *scratch, const struct canal_config *config)
{
	struct FAMILY_STRUCT(canal_cidr_key) key = { .prefixlen = ADDR_WORDS * 32 };
	const struct FAMILY_STRUCT(canal_nexthop) *nexthop;

	if (!scratch || !config)
		return false;
	key.addr = scratch->edge.destination;
	nexthop = bpf_map_lookup_elem(&CANAL_MAP(canal_route), &key);
	scratch->edge.source = edge_address(config, nexthop && nexthop->kind == NEXTHOP_OVERLAY);
	return !edge_is_zero(&scratch->edge.source);
}

// Both rows of a flow to one of the service's backends. 0 or a drop reason.
static __noinline int edge_choose(struct __sk_buff *skb, const struct packet *packet, const struct canal_front *front)
{
	const struct canal_config *config = config_get();
	struct FAMILY_STRUCT(canal_backend) backend = {};
	struct scratch *scratch = scratch_get();
	bool here;

	if (!config || !scratch || !front)
		return DROP_CONFIG;
	__builtin_memset(&scratch->client, 0, sizeof(scratch->client));
	__builtin_memset(&scratch->edge, 0, sizeof(scratch->edge));
	scratch->client.service = front->service;
	scratch->client.client = packet->source;
	if (!service_choose(front, &scratch->client, &backend, packet->now_s, nat_hash(packet)))
		return DROP_NO_BACKEND;
	scratch->edge.service = front->service;
	scratch->edge.destination = backend.addr;
	scratch->edge.destination_port_be = backend.port_be;
	scratch->edge.source = packet->source;
	scratch->edge.source_port_be = packet->source_port_be;
	here = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &backend.addr);
	if (!here && !edge_source(scratch, config))
		return DROP_NAT_FAILED;
	return edge_open(skb, packet, !here);
}

#define EDGE_GO (-2) // no verdict: scratch->edge says where to

// The first packet of a flow from outside: a verdict (TC_ACT_UNSPEC: to no
// service of ours), or EDGE_GO.
static __always_inline int edge_request(struct __sk_buff *skb, const struct packet *packet)
{
	const struct canal_front *front;
	int reason;

	if (!has_ports(packet->protocol) || packet->flags & PACKET_LATER || (packet->protocol == IPPROTO_TCP && !packet_opens(packet)))
		return TC_ACT_UNSPEC;
	front = service_front(&packet->destination, packet->destination_port_be, packet->protocol, FRONT_OUTSIDE, SERVICE_NODE);
	if (!front)
		return TC_ACT_UNSPEC;
	if (bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->source))
		return drop(skb, packet, DROP_SPOOFED);
	if (!service_in_range(front, &packet->source))
		return drop(skb, packet, DROP_SOURCE_RANGE);
	reason = front->backends ? edge_choose(skb, packet, front) : DROP_NO_BACKEND;
	if (reason == DROP_NO_BACKEND)
		return nat_refuse(skb, packet, front);
	return reason ? drop(skb, packet, reason) : EDGE_GO;
}
