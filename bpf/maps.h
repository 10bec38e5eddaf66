// Every map, with BTF, pinned by name so that both families' objects, their
// next version and bpftool share them. Names end in the family where the rows
// hold addresses. Sizes are those of a node with 4 to 28 GB of memory: 31 MB for one
// family while the agent's own maps are empty. The agent changes them before load
// (agent/daemon/map-plan.ts): LRU maps by the node's memory, its own as its rows need.
#pragma once
#include "kernel.h"
#include "abi.h"

#define CANAL_MAP(name) FAMILY_STRUCT(name)

// ---- written by the agent. BPF_F_NO_PREALLOC: memory grows with the rows, but for
// a hash's buckets, which are allocated at once, 16 bytes each: 262,144 rows would
// cost 4 MB while empty. So hashes begin small; a trie's limit costs nothing.

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct canal_config);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // ifindex
	__type(value, struct canal_endpoint);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_endpoint SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(addr));
	__type(value, struct canal_local);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_local) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(addr));
	__type(value, __u64); // class
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_peer) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(canal_cidr_key));
	__type(value, __u64); // class
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_cidr) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct canal_table_key);
	__type(value, __u64); // rows
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct canal_rule_key);
	__type(value, struct canal_verdict);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_rule SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(canal_cidr_key));
	__type(value, struct FAMILY_STRUCT(canal_nexthop));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_route) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(canal_front_key));
	__type(value, struct canal_front);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_front) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct canal_back_key);
	__type(value, struct FAMILY_STRUCT(canal_backend));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_back) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(canal_live_key));
	__type(value, __u32); // 0
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_live) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(canal_range_key));
	__type(value, __u32); // 0
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_range) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // ifindex
	__type(value, struct canal_outside);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_outside SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct FAMILY_STRUCT(canal_cidr_key));
	__type(value, __u32); // 0
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_nomasq) SEC(".maps");

// ---- written by the programs

// Flows that were answered, and apart from them flows that were not (and TCP
// that was reset): whoever opens a million flows evicts only of the latter.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct FAMILY_STRUCT(canal_flow_key));
	__type(value, struct canal_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_ct) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 24576);
	__type(key, struct FAMILY_STRUCT(canal_flow_key));
	__type(value, struct canal_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_ctnew) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct FAMILY_STRUCT(canal_frag_key));
	__type(value, struct canal_frag);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_frag) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct FAMILY_STRUCT(canal_affin_key));
	__type(value, struct FAMILY_STRUCT(canal_affin));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_affin) SEC(".maps");

// Two rows a flow.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct FAMILY_STRUCT(canal_nat_key));
	__type(value, struct FAMILY_STRUCT(canal_nat));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_nat) SEC(".maps");

// Two rows a flow.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct FAMILY_STRUCT(canal_edge_key));
	__type(value, struct FAMILY_STRUCT(canal_edge));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_edge) SEC(".maps");

// One row a TCP socket that asked for a service, two a UDP one.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 24576);
	__type(key, struct FAMILY_STRUCT(canal_sock_key));
	__type(value, struct FAMILY_STRUCT(canal_sock));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} CANAL_MAP(canal_sock) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64); // rule
	__type(value, struct canal_counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_rulestat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS);
	__type(key, __u32); // enum canal_drop_reason
	__type(value, struct canal_counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_drop SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FULL_MAPS);
	__type(key, __u32); // enum canal_full
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_full SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct canal_rate);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_rate SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); // bytes
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_events SEC(".maps");

static __always_inline const struct canal_config *config_get(void)
{
	__u32 zero = 0;
	const struct canal_config *config = bpf_map_lookup_elem(&canal_config, &zero);

	// An array always has its row; vni and epoch of a row nobody wrote are 0.
	return config && config->epoch ? config : NULL;
}

static __always_inline void full_count(__u32 map)
{
	__u64 *count = bpf_map_lookup_elem(&canal_full, &map);

	if (count)
		*count += 1;
}
