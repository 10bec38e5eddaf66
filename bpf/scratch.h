// Room for what does not fit on the stack (512 bytes for all calls together):
// rare paths only. Programs on one CPU do not interrupt each
// other. Not pinned: means nothing to another version or object.
#pragma once
#include "maps.h"
#include "packet.h"

struct scratch {
	struct packet original; // of revoke_judge
	struct packet quoted;   // of icmp_related
	struct canal_flow row;  // of revoke_judge
	struct FAMILY_STRUCT(canal_nat) nat; // of nat_request
	struct FAMILY_STRUCT(canal_nat) nat_answer;
	struct FAMILY_STRUCT(canal_affin_key) client;
	struct FAMILY_STRUCT(canal_edge) edge; // of edge.h
	struct FAMILY_STRUCT(canal_edge) edge_answer;
	struct FAMILY_STRUCT(canal_edge_key) edge_way;
	struct FAMILY_STRUCT(canal_edge_key) edge_other;
	__u8 reply[96]; // of refuse
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} CANAL_MAP(canal_scratch) SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&CANAL_MAP(canal_scratch), &zero);
}
