// Translation at the node's edge: flows whose packets come or go over the
// uplink under other ends than those they have behind it. Rows of canal_edge
// say both ends at once, for each way one (abi_service.h); a flow lives in them alone
// where no pod of this node is at either end, so they carry what ends it too.
//
// A source port is free if no living flow's answers come to it: that row is put
// there with BPF_NOEXIST, so two CPUs never share one. Where the source is the
// node's own address, its sockets and frontends keep their ports as well; a
// socket of the node that comes later is translated itself (masquerade.h).
#pragma once
#include "conntrack.h"
#include "rewrite.h"
#include "scratch.h"
#include "service.h"

#define EDGE_TRIES 128 // at 95 of 100 ports taken, 1 in 700 finds none

static __always_inline bool edge_on(const struct canal_config *config)
{
	return config->flags & (CONFIG_SERVICES | CONFIG_MASQUERADE);
}

// The overlay's own, whichever way: none of ours.
static __always_inline bool edge_is_overlay(const struct packet *packet, const struct canal_config *config)
{
	return packet->protocol == IPPROTO_UDP && packet->destination_port_be == config->vxlan_port_be && config->vxlan_port_be;
}

static __always_inline bool edge_is_zero(const struct FAMILY_STRUCT(addr) *address)
{
	struct FAMILY_STRUCT(addr) zero = {};

	return address_equal(address, &zero);
}

static __always_inline struct FAMILY_STRUCT(addr) edge_address(const struct canal_config *config, bool overlay)
{
	struct FAMILY_STRUCT(addr) address;

#if CANAL_FAMILY == 4
	address.word_be[0] = overlay ? config->overlay_addr4_be : config->node_addr4_be;
#else
	if (overlay)
		__builtin_memcpy(&address, config->overlay_addr6_be, sizeof(address));
	else
		__builtin_memcpy(&address, config->node_addr6_be, sizeof(address));
#endif
	return address;
}

// The node's address on a device that leads outside: what leaves there gets it.
static __always_inline struct FAMILY_STRUCT(addr) edge_device_address(const struct canal_config *config, __u32 ifindex)
{
	const struct canal_outside *outside = bpf_map_lookup_elem(&canal_outside, &ifindex);
	struct FAMILY_STRUCT(addr) address = {};

#if CANAL_FAMILY == 4
	if (outside)
		address.word_be[0] = outside->addr4_be;
#else
	if (outside)
		__builtin_memcpy(&address, outside->addr6_be, sizeof(address));
#endif
	return edge_is_zero(&address) ? edge_address(config, false) : address;
}

static __always_inline void edge_key(struct FAMILY_STRUCT(canal_edge_key) *key, const struct FAMILY_STRUCT(addr) *source, __u16 source_port_be,
				     const struct FAMILY_STRUCT(addr) *destination, __u16 destination_port_be, __u8 protocol)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->source = *source;
	key->destination = *destination;
	key->source_port_be = source_port_be;
	key->destination_port_be = destination_port_be;
	key->protocol = protocol;
}

static __always_inline struct FAMILY_STRUCT(canal_edge) *edge_find(const struct packet *packet)
{
	struct FAMILY_STRUCT(canal_edge_key) key;

	edge_key(&key, &packet->source, packet->source_port_be, &packet->destination, packet->destination_port_be, packet->protocol);
	return bpf_map_lookup_elem(&CANAL_MAP(canal_edge), &key);
}

static __always_inline void edge_touch(struct FAMILY_STRUCT(canal_edge) *row, const struct packet *packet)
{
	__u8 flags = packet->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);

	if (row->seen_s != packet->now_s)
		row->seen_s = packet->now_s;
	if (flags & TCP_SYN)
		row->tcp = flags;
	else if (flags & ~row->tcp)
		row->tcp |= flags;
}

// Timeouts are conntrack's.
static __noinline bool edge_lives(const struct FAMILY_STRUCT(canal_edge) *row, const struct FAMILY_STRUCT(canal_edge) *other,
				  __u32 now_s, __u8 protocol)
{
	struct canal_flow flow = {};
	__u32 seen_s;

	if (!row || !other)
		return false;
	flow.tcp_a = row->tcp;
	flow.tcp_b = other->tcp;
	if (row->seen_s && other->seen_s)
		flow.flags = FLOW_REPLIED;
	seen_s = row->seen_s > other->seen_s ? row->seen_s : other->seen_s;
	return now_s <= seen_s || now_s - seen_s <= flow_timeout(&flow, protocol);
}

// Is somebody of the node itself there for packets of scratch->edge_way?
static __noinline bool edge_node_has(struct __sk_buff *skb, const struct scratch *scratch)
{
	const struct FAMILY_STRUCT(canal_edge_key) *way = &scratch->edge_way;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sock;

	if (service_front(&way->destination, way->destination_port_be, way->protocol, FRONT_OUTSIDE, SERVICE_NODE))
		return true;
#if CANAL_FAMILY == 4
#define EDGE_TUPLE tuple.ipv4
	tuple.ipv4.saddr = way->source.word_be[0];
	tuple.ipv4.daddr = way->destination.word_be[0];
#else
#define EDGE_TUPLE tuple.ipv6
	__builtin_memcpy(tuple.ipv6.saddr, &way->source, sizeof(way->source));
	__builtin_memcpy(tuple.ipv6.daddr, &way->destination, sizeof(way->destination));
#endif
	EDGE_TUPLE.sport = way->source_port_be;
	EDGE_TUPLE.dport = way->destination_port_be;
	if (way->protocol == IPPROTO_TCP)
		sock = bpf_skc_lookup_tcp(skb, &tuple, sizeof(EDGE_TUPLE), BPF_F_CURRENT_NETNS, 0);
	else if (way->protocol == IPPROTO_UDP)
		sock = bpf_sk_lookup_udp(skb, &tuple, sizeof(EDGE_TUPLE), BPF_F_CURRENT_NETNS, 0);
	else
		return false;
	if (!sock)
		return false;
	bpf_sk_release(sock);
	return true;
}

// Are packets of scratch->edge_way somebody's answers already, other than those
// that scratch->edge_answer describes? A row whose flow is over goes, and so does
// one of the flow itself, which begins anew. own: the node's sockets count too.
//
// Not static: so the verifier looks at it once, not for each turn of the loop
// that calls it.
__noinline int edge_taken(struct __sk_buff *skb, __u32 own, __u32 now_s)
{
	struct scratch *scratch = scratch_get();
	const struct FAMILY_STRUCT(canal_edge) *row, *other, *answer;
	struct FAMILY_STRUCT(canal_edge_key) *way;

	if (!scratch)
		return true;
	way = &scratch->edge_way;
	answer = &scratch->edge_answer;
	row = bpf_map_lookup_elem(&CANAL_MAP(canal_edge), way);
	if (row) {
		bool same = address_equal(&row->destination, &answer->destination) && row->destination_port_be == answer->destination_port_be &&
			    address_equal(&row->source, &answer->source) && row->source_port_be == answer->source_port_be;

		if (!same) {
			edge_key(&scratch->edge_other, &row->destination, row->destination_port_be, &row->source, row->source_port_be, way->protocol);
			other = bpf_map_lookup_elem(&CANAL_MAP(canal_edge), &scratch->edge_other);
			if (other && other->source_port_be == way->destination_port_be && address_equal(&other->source, &way->destination) &&
			    edge_lives(row, other, now_s, way->protocol))
				return true;
		}
		bpf_map_delete_elem(&CANAL_MAP(canal_edge), way);
	}
	return own && edge_node_has(skb, scratch);
}

static __always_inline bool edge_port_moves(const struct packet *packet)
{
	switch (packet->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
	case ICMP_PROTOCOL:
		return true;
	case IPPROTO_SCTP:
		return !(packet->flags & PACKET_FIRST); // sctp.h
	}
	return false; // others have none
}

// Puts the answers' row at the first port that is free: the packet's own, else
// any of the configured. The port, network order; -1: none.
static __noinline int edge_reserve(struct __sk_buff *skb, const struct packet *packet, bool own)
{
	const struct canal_config *config = config_get();
	struct scratch *scratch = scratch_get();
	__u32 span, port_be;

	if (!config || !scratch)
		return -1;
	span = config->edge_port_max - config->edge_port_min + 1;
	if (!edge_port_moves(packet) || !config->edge_port_min)
		span = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < EDGE_TRIES; i++) {
		port_be = scratch->edge_way.destination_port_be;
		if (!edge_taken(skb, own, packet->now_s) &&
		    !bpf_map_update_elem(&CANAL_MAP(canal_edge), &scratch->edge_way, &scratch->edge_answer, BPF_NOEXIST))
			return port_be;
		if (!span)
			return -1;
		scratch->edge_way.destination_port_be =
			bpf_htons(config->edge_port_min + (__u16)((__u64)bpf_get_prandom_u32() * span >> 32));
	}
	return -1;
}

// The answers' row of scratch->edge: they go where the packet came from.
static __always_inline void edge_answer_of(const struct packet *packet, struct scratch *scratch)
{
	struct FAMILY_STRUCT(canal_edge) *answer = &scratch->edge_answer;

	*answer = scratch->edge;
	answer->source = packet->destination;
	answer->destination = packet->source;
	answer->source_port_be = packet->destination_port_be;
	answer->destination_port_be = packet->source_port_be;
	answer->seen_s = 0; // never answered
	answer->tcp = 0;
	answer->flags = EDGE_ANSWER;
}

// Writes both rows of the flow that the packet begins. scratch->edge has both
// ends as they shall be, and the service; the source port may become another.
// own: the source will be the node's. 0 or a drop reason.
static __noinline int edge_open(struct __sk_buff *skb, const struct packet *packet, bool own)
{
	struct scratch *scratch = scratch_get();
	struct FAMILY_STRUCT(canal_edge) *row;
	int port_be;

	if (!scratch)
		return DROP_CONFIG;
	row = &scratch->edge;
	row->opened_s = packet->now_s;
	row->seen_s = packet->now_s;
	row->flags = 0;
	row->tcp = packet->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);
	row->zero = 0;
	edge_answer_of(packet, scratch);
	edge_key(&scratch->edge_way, &row->destination, row->destination_port_be, &row->source, row->source_port_be, packet->protocol);
	port_be = edge_reserve(skb, packet, own);
	if (port_be < 0)
		return DROP_NAT_EXHAUSTED;
	row->source_port_be = port_be;
	edge_key(&scratch->edge_other, &packet->source, packet->source_port_be, &packet->destination, packet->destination_port_be, packet->protocol);
	if (bpf_map_update_elem(&CANAL_MAP(canal_edge), &scratch->edge_other, row, BPF_ANY)) {
		full_count(FULL_EDGE);
		bpf_map_delete_elem(&CANAL_MAP(canal_edge), &scratch->edge_way);
		return DROP_NAT_FAILED;
	}
	// An LRU map that is full takes a row back at once that nobody has looked at yet.
	bpf_map_lookup_elem(&CANAL_MAP(canal_edge), &scratch->edge_way);
	bpf_map_lookup_elem(&CANAL_MAP(canal_edge), &scratch->edge_other);
	return 0;
}

// Does the flow of scratch->edge, a row that was there, still have its answers'
// row? The least recently used go one by one. A look keeps it, and one that is
// gone is made again; but who has lost its port to another flow meanwhile begins anew.
static __noinline bool edge_whole(const struct packet *packet)
{
	struct scratch *scratch = scratch_get();
	const struct FAMILY_STRUCT(canal_edge) *row, *answer;

	if (!scratch)
		return false;
	row = &scratch->edge;
	if (row->flags & EDGE_ANSWER)
		return true;
	edge_key(&scratch->edge_other, &row->destination, row->destination_port_be, &row->source, row->source_port_be, packet->protocol);
	answer = bpf_map_lookup_elem(&CANAL_MAP(canal_edge), &scratch->edge_other);
	if (answer)
		return answer->destination_port_be == packet->source_port_be && address_equal(&answer->destination, &packet->source) &&
		       answer->source_port_be == packet->destination_port_be && address_equal(&answer->source, &packet->destination);
	edge_answer_of(packet, scratch);
	return !bpf_map_update_elem(&CANAL_MAP(canal_edge), &scratch->edge_other, &scratch->edge_answer, BPF_NOEXIST);
}

// Both ends as scratch->edge says. 0 or a drop reason.
static __noinline int edge_rewrite(struct __sk_buff *skb, struct packet *packet)
{
	struct scratch *scratch = scratch_get();
	struct FAMILY_STRUCT(canal_backend) end = {};
	int reason = 0;

	if (!scratch)
		return DROP_CONFIG;
	end.addr = scratch->edge.source;
	end.port_be = scratch->edge.source_port_be;
	if (end.port_be != packet->source_port_be || !address_equal(&end.addr, &packet->source))
		reason = rewrite_source(skb, packet, &end);
	end.addr = scratch->edge.destination;
	end.port_be = scratch->edge.destination_port_be;
	if (!reason && (end.port_be != packet->destination_port_be || !address_equal(&end.addr, &packet->destination)))
		reason = rewrite_destination(skb, packet, &end);
	return reason;
}
