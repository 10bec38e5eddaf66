// TCP connections that are over, both sides having said so: a word each instead
// of a row. What still comes of them (a FIN sent again, the ACK of one) would
// be judged as the beginning of something, in whichever direction it goes.
//
// A row would have to be taken from the least recently used one of thousands,
// whose memory and neighbours no cache holds any more: 2 % of a connection.
#pragma once
#include "maps.h"
#include "packet.h"

#define CLOSED_SLOTS 32768 // a power of two, 256 kB. Where two meet in one, it is the later's
#define CLOSED_SECONDS 120 // nf_conntrack_tcp_timeout_time_wait

// From the top: print of the connection 38 bits, its flow's flags 6, CLOCK_MONOTONIC seconds 20.
#define CLOSED_FLAGS_AT 20
#define CLOSED_PRINT_AT 26
#define CLOSED_TIME ((1u << CLOSED_FLAGS_AT) - 1)
#define CLOSED_FLAGS ((1u << (CLOSED_PRINT_AT - CLOSED_FLAGS_AT)) - 1)
_Static_assert((FLOW_ORIGIN_B | FLOW_REPLIED | FLOW_DEAD | FLOW_HOST | FLOW_STACK | FLOW_NAT) <= CLOSED_FLAGS, "a flow's flags have their place");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLOSED_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} CANAL_MAP(canal_closed) SEC(".maps");

// So that nobody can choose connections that look like another.
static volatile __u64 closed_secret;

static __always_inline __u64 closed_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

// Of the connection between these devices, allowed in this epoch. *slot: where it
// is kept. Clients take their ports one after another, so that connections to one
// place are kept side by side, in a line that a cache still holds.
static __always_inline __u64 closed_hash(const struct FAMILY_STRUCT(canal_flow_key) *key, __u32 ifindex_a, __u32 ifindex_b, __u32 epoch,
					 __u32 *slot)
{
	__u64 hash = closed_secret;

	if (!hash) {
		hash = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
		closed_secret = hash;
	}
#pragma unroll
	for (int i = 0; i < ADDR_WORDS; i++)
		hash = closed_mix(hash, (__u64)key->addr_a.word_be[i] << 32 | key->addr_b.word_be[i]);
	*slot = ((hash >> CLOSED_PRINT_AT) + bpf_ntohs(key->port_a_be) + bpf_ntohs(key->port_b_be)) & (CLOSED_SLOTS - 1);
	hash = closed_mix(hash, (__u64)key->port_a_be << 48 | (__u64)key->port_b_be << 32 | epoch);
	hash = closed_mix(hash, (__u64)ifindex_a << 32 | ifindex_b);
	return closed_mix(hash, 0);
}

static __always_inline void closed_add(const struct packet *packet, const struct canal_flow *flow)
{
	__u32 slot;
	__u64 hash = closed_hash(&packet->key, flow->ifindex_a, flow->ifindex_b, flow->epoch, &slot);
	__u64 *word = bpf_map_lookup_elem(&CANAL_MAP(canal_closed), &slot);

	if (word)
		*word = hash >> CLOSED_PRINT_AT << CLOSED_PRINT_AT | (flow->flags & CLOSED_FLAGS) << CLOSED_FLAGS_AT | (packet->now_s & CLOSED_TIME);
}

// The flags of the connection that the packet belongs to, whose ends are known;
// -1: of none that is over.
static __noinline int closed_find(const struct packet *packet, __u32 epoch)
{
	bool reverse = packet->flags & PACKET_SOURCE_IS_B;
	__u64 hash, known, *word;
	__u32 slot;

	if (packet->protocol != IPPROTO_TCP || packet->tcp_flags & TCP_SYN)
		return -1;
	hash = closed_hash(&packet->key, reverse ? packet->destination_ifindex : packet->source_ifindex,
			   reverse ? packet->source_ifindex : packet->destination_ifindex, epoch, &slot);
	word = bpf_map_lookup_elem(&CANAL_MAP(canal_closed), &slot);
	known = word ? *word : 0;
	if (known >> CLOSED_PRINT_AT != hash >> CLOSED_PRINT_AT || ((packet->now_s - known) & CLOSED_TIME) > CLOSED_SECONDS)
		return -1;
	return known >> CLOSED_FLAGS_AT & CLOSED_FLAGS;
}
