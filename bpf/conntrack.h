// Flows in two LRU maps: canal_ctnew until the other side answers, canal_ct
// from then on, canal_ctnew again when TCP is reset. Rows expire at lookup; of a
// TCP connection that both sides have ended, closed.h keeps a word.
//
// An LRU element may be given to another flow while a program holds a pointer
// to it. Counters and times may suffer that; what decides (flags, epoch,
// ifindexes) is only ever written as a whole new row.
#pragma once
#include "closed.h"
#include "maps.h"
#include "packet.h"

// Seconds, as nf_conntrack's defaults (nf_conntrack_proto_*.c).
#define TIMEOUT_SHORTEST 10
#define TIMEOUT_TCP_SYN 120
#define TIMEOUT_TCP_SYN_ACK 60
#define TIMEOUT_TCP_ESTABLISHED (5 * 24 * 3600)
#define TIMEOUT_TCP_UNACKNOWLEDGED 300
#define TIMEOUT_TCP_CLOSING 120
#define TIMEOUT_TCP_RESET 10
#define TIMEOUT_UDP 30
#define TIMEOUT_UDP_REPLIED 120
#define TIMEOUT_ICMP 30
#define TIMEOUT_SCTP 30
#define TIMEOUT_SCTP_REPLIED 210
#define TIMEOUT_OTHER 600

static __always_inline __u32 flow_timeout_tcp(const struct canal_flow *flow)
{
	__u8 either = flow->tcp_a | flow->tcp_b;

	if (either & TCP_RST)
		return TIMEOUT_TCP_RESET;
	if (either & TCP_FIN)
		return TIMEOUT_TCP_CLOSING;
	if (flow->tcp_a & flow->tcp_b & TCP_ACK)
		return TIMEOUT_TCP_ESTABLISHED;
	if (flow->flags & FLOW_REPLIED)
		return TIMEOUT_TCP_SYN_ACK;
	return either & TCP_SYN ? TIMEOUT_TCP_SYN : TIMEOUT_TCP_UNACKNOWLEDGED;
}

static __noinline __u32 flow_timeout(const struct canal_flow *flow, __u32 protocol)
{
	bool replied;

	if (!flow) // never; the verifier of a function by itself cannot know
		return 0;
	replied = flow->flags & FLOW_REPLIED;
	switch (protocol) {
	case IPPROTO_TCP:
		return flow_timeout_tcp(flow);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return replied ? TIMEOUT_UDP_REPLIED : TIMEOUT_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return TIMEOUT_ICMP;
	case IPPROTO_SCTP:
		return replied ? TIMEOUT_SCTP_REPLIED : TIMEOUT_SCTP;
	}
	return TIMEOUT_OTHER;
}

static __always_inline bool flow_expired(const struct canal_flow *flow, const struct packet *packet)
{
	__s32 idle = packet->now_s - flow->seen_s;

	if (likely(idle <= TIMEOUT_SHORTEST))
		return false;
	return (__u32)idle > flow_timeout(flow, packet->protocol);
}

// Not in canal_ct, or expired there: a row that stayed would hide the flow's next
// one, which begins in canal_ctnew. The second look in canal_ct is for a flow that
// another CPU moved between our two lookups; a request is judged anew anyway.
static __noinline struct canal_flow *flow_find_new(struct packet *packet, bool expired)
{
	struct canal_flow *flow;

	if (expired)
		bpf_map_delete_elem(&CANAL_MAP(canal_ct), &packet->key);
	flow = bpf_map_lookup_elem(&CANAL_MAP(canal_ctnew), &packet->key);
	if (flow)
		packet->flags |= PACKET_NEW;
	else if (!packet_opens(packet))
		flow = bpf_map_lookup_elem(&CANAL_MAP(canal_ct), &packet->key);
	return flow && !flow_expired(flow, packet) ? flow : NULL;
}

// The packet's flow; NULL: none, or expired.
static __always_inline struct canal_flow *flow_find(struct packet *packet)
{
	struct canal_flow *flow = bpf_map_lookup_elem(&CANAL_MAP(canal_ct), &packet->key);

	if (likely(flow && !flow_expired(flow, packet)))
		return flow;
	return flow_find_new(packet, flow);
}

// The same where the packet is judged if it is a connection request: whether an
// earlier one waits for its answer does not matter then.
static __always_inline struct canal_flow *flow_find_judging(struct packet *packet)
{
	struct canal_flow *flow = bpf_map_lookup_elem(&CANAL_MAP(canal_ct), &packet->key);

	if (likely(flow && !flow_expired(flow, packet)))
		return flow;
	return !flow && packet_opens(packet) ? NULL : flow_find_new(packet, flow);
}

static __always_inline __u32 flow_source_ifindex(const struct canal_flow *flow, const struct packet *packet)
{
	return packet->flags & PACKET_SOURCE_IS_B ? flow->ifindex_b : flow->ifindex_a;
}

static __always_inline __u32 flow_destination_ifindex(const struct canal_flow *flow, const struct packet *packet)
{
	return packet->flags & PACKET_SOURCE_IS_B ? flow->ifindex_a : flow->ifindex_b;
}

// TCP flags that the packet's destination has sent.
static __always_inline __u8 flow_destination_tcp(const struct canal_flow *flow, const struct packet *packet)
{
	return packet->flags & PACKET_SOURCE_IS_B ? flow->tcp_a : flow->tcp_b;
}

static __always_inline __u8 flow_source_tcp(const struct canal_flow *flow, const struct packet *packet)
{
	return packet->flags & PACKET_SOURCE_IS_B ? flow->tcp_b : flow->tcp_a;
}

static __always_inline bool flow_is_original(const struct canal_flow *flow, const struct packet *packet)
{
	return !(flow->flags & FLOW_ORIGIN_B) == !(packet->flags & PACKET_SOURCE_IS_B);
}

// Writes a row as a whole, where its flow is now.
static __always_inline void flow_store(const struct packet *packet, const struct canal_flow *row, bool established)
{
	long error;

	if (established) {
		error = bpf_map_update_elem(&CANAL_MAP(canal_ct), &packet->key, row, BPF_ANY);
		asm volatile(""); // one call for either map would be an indirect one in the kernel
	} else {
		error = bpf_map_update_elem(&CANAL_MAP(canal_ctnew), &packet->key, row, BPF_ANY);
	}
	if (error)
		full_count(FULL_CT);
}

// The first answer: out of the reach of floods.
static __noinline int flow_promote(struct packet *packet, const struct canal_flow *flow)
{
	struct canal_flow row;

	if (!flow)
		return 0;
	row = *flow;
	row.flags |= FLOW_REPLIED;
	flow_store(packet, &row, true);
	if (packet->flags & PACKET_NEW)
		bpf_map_delete_elem(&CANAL_MAP(canal_ctnew), &packet->key);
	return 0;
}

// TCP that was reset only waits for stray packets: not worth an established flow's place.
static __noinline int flow_demote(struct packet *packet, const struct canal_flow *flow)
{
	struct canal_flow row;

	if (!flow)
		return 0;
	row = *flow;
	flow_store(packet, &row, false);
	bpf_map_delete_elem(&CANAL_MAP(canal_ct), &packet->key);
	return 0;
}

// TCP flags the side had not sent before. May move the flow.
static __always_inline int flow_tcp(struct packet *packet, struct canal_flow *flow)
{
	bool reset;

	if (!flow)
		return 0;
	reset = (flow->tcp_a | flow->tcp_b) & TCP_RST;
	if (packet->flags & PACKET_SOURCE_IS_B)
		flow->tcp_b |= packet->tcp_flags & TCP_KEPT;
	else
		flow->tcp_a |= packet->tcp_flags & TCP_KEPT;
	if (!reset && packet->tcp_flags & TCP_RST && !(packet->flags & PACKET_NEW))
		return flow_demote(packet, flow);
	return 0;
}

// A packet behind both sides' FINs: nearly always the ACK of the later one, the
// last there is.
static __noinline int flow_end(const struct packet *packet, const struct canal_flow *flow)
{
	if (!flow || packet->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST) || packet->flags & PACKET_NEW)
		return 0;
	closed_add(packet, flow);
	bpf_map_delete_elem(&CANAL_MAP(canal_ct), &packet->key);
	return 0;
}

// Counts the packet and moves the flow to where it now belongs. The flow
// pointer is not to be used after.
static __always_inline void flow_touch(struct packet *packet, struct canal_flow *flow)
{
	__u8 seen;

	if (packet->flags & PACKET_SOURCE_IS_B) {
		flow->packets_b++;
		flow->bytes_b += packet->length;
		seen = flow->tcp_b;
	} else {
		flow->packets_a++;
		flow->bytes_a += packet->length;
		seen = flow->tcp_a;
	}
	if (flow->seen_s != packet->now_s) // spares a cache line that both CPUs read
		flow->seen_s = packet->now_s;
	if (packet->tcp_flags & ~seen & TCP_KEPT) {
		flow_tcp(packet, flow);
	} else if (unlikely(flow->tcp_a & flow->tcp_b & TCP_FIN)) {
		flow_end(packet, flow);
		return;
	}
	// A refusal is no answer worth a place among the established.
	if (!(flow->flags & FLOW_REPLIED) && !flow_is_original(flow, packet) && !(packet->tcp_flags & TCP_RST))
		flow_promote(packet, flow);
}

// A flow that this packet begins, judged in this epoch.
static __always_inline void flow_create(struct packet *packet, __u32 epoch, __u32 flags, bool established)
{
	struct canal_flow row = {
		.epoch = epoch,
		.flags = flags,
		.seen_s = packet->now_s,
		.opened_s = packet->now_s,
		.rule_egress = packet->rule_egress,
		.rule_ingress = packet->rule_ingress,
	};

	if (packet->flags & PACKET_SOURCE_IS_B) {
		row.flags |= FLOW_ORIGIN_B;
		row.ifindex_b = packet->source_ifindex;
		row.ifindex_a = packet->destination_ifindex;
		row.packets_b = 1;
		row.bytes_b = packet->length;
		row.tcp_b = packet->tcp_flags;
	} else {
		row.ifindex_a = packet->source_ifindex;
		row.ifindex_b = packet->destination_ifindex;
		row.packets_a = 1;
		row.bytes_a = packet->length;
		row.tcp_a = packet->tcp_flags;
	}
	flow_store(packet, &row, established);
}
