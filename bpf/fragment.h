// Fragments follow their datagram's first one, which alone has ports. One that
// overtakes its first is dropped; the sender repeats.
#pragma once
#include "maps.h"
#include "packet.h"

#define FRAGMENT_SECONDS 30 // net.ipv4.ipfrag_time

static __always_inline void fragment_remember(const struct packet *packet,
					      const struct FAMILY_STRUCT(canal_frag_key) *key)
{
	struct canal_frag row = {
		.source_port_be = packet->source_port_be,
		.destination_port_be = packet->destination_port_be,
		.policy_port_be = packet->policy_port_be,
		.protocol = packet->protocol,
		.seen_s = packet->now_s,
	};

	if (bpf_map_update_elem(&CANAL_MAP(canal_frag), key, &row, BPF_ANY))
		full_count(FULL_FRAG);
}

// Fills in what a later fragment lacks.
static __noinline int fragment_follow(struct packet *packet)
{
	struct FAMILY_STRUCT(canal_frag_key) key = {
		.source = packet->source,
		.destination = packet->destination,
		.id = packet->fragment_id,
		.protocol = CANAL_FAMILY == 4 ? packet->protocol : 0,
	};
	struct canal_frag *row;

	if (packet->flags & PACKET_FIRST) {
		fragment_remember(packet, &key);
		return 0;
	}
	row = bpf_map_lookup_elem(&CANAL_MAP(canal_frag), &key);
	if (!row || packet->now_s - row->seen_s > FRAGMENT_SECONDS)
		return DROP_FRAGMENT;
	packet->source_port_be = row->source_port_be;
	packet->destination_port_be = row->destination_port_be;
	packet->policy_port_be = row->policy_port_be;
	packet->protocol = row->protocol;
	return 0;
}
