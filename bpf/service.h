// From a service to a backend, for sockets and packets alike (layout and order
// of writes: abi_service.h).
#pragma once
#include "maps.h"

static __always_inline bool service_is_loopback(const struct FAMILY_STRUCT(addr) *address)
{
#if CANAL_FAMILY == 4
	return (address->word_be[0] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
#else
	return !(address->word_be[0] | address->word_be[1] | address->word_be[2]) && address->word_be[3] == bpf_htonl(1);
#endif
}

enum service_rows {
	SERVICE_EXACT,    // the address's own row: it is known to be none of the node's
	SERVICE_NODE,     // and that of all the node's addresses
	SERVICE_LOOPBACK, // to which the loopback's belong too: the node itself asks
};

// The row of the address, or where that is one of the node's own, the row of
// all of them (abi_service.h).
static __noinline const struct canal_front *service_front(const struct FAMILY_STRUCT(addr) *address, __u16 port_be, __u8 protocol,
							  __u8 scope, enum service_rows rows)
{
	struct FAMILY_STRUCT(canal_front_key) key = {
		.addr = *address,
		.port_be = port_be,
		.protocol = protocol,
		.scope = scope,
	};
	const struct canal_front *front = bpf_map_lookup_elem(&CANAL_MAP(canal_front), &key);
	const struct canal_local *local;

	if (front || rows == SERVICE_EXACT)
		return front;
	if (service_is_loopback(address)) {
		if (rows != SERVICE_LOOPBACK)
			return NULL;
	} else {
		local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), address);
		if (!local || local->ifindex)
			return NULL;
	}
	__builtin_memset(&key.addr, 0, sizeof(key.addr));
	return bpf_map_lookup_elem(&CANAL_MAP(canal_front), &key);
}

// May this client ask the service?
static __noinline bool service_in_range(const struct canal_front *front, const struct FAMILY_STRUCT(addr) *client)
{
	struct FAMILY_STRUCT(canal_range_key) key = { .prefixlen = 64 + ADDR_WORDS * 32, .addr = *client };

	if (!front || !(front->flags & FRONT_SOURCE_RANGES))
		return true;
	__builtin_memcpy(key.service, &front->service, sizeof(key.service));
	return bpf_map_lookup_elem(&CANAL_MAP(canal_range), &key);
}

// The same on every node for the same packet, also after a restart.
static __always_inline __u32 service_mix(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0xcc9e2d51;
	return hash ^ hash >> 15;
}

// Is it still one of the service's backends?
static __noinline bool service_live(__u64 service, const struct FAMILY_STRUCT(canal_backend) *backend)
{
	struct FAMILY_STRUCT(canal_live_key) key = { .service = service };

	key.backend = *backend;
	return bpf_map_lookup_elem(&CANAL_MAP(canal_live), &key);
}

// any: which of the slots, as 32 bits that fall evenly.
static __always_inline const struct FAMILY_STRUCT(canal_backend) *service_slot(const struct canal_front *front, __u32 any)
{
	struct canal_back_key key = {
		.service = front->service,
		.slot = (__u64)any * front->backends >> 32,
	};
	const struct FAMILY_STRUCT(canal_backend) *backend = bpf_map_lookup_elem(&CANAL_MAP(canal_back), &key);

	if (backend)
		return backend;
	key.slot = 0; // read between two writes
	return bpf_map_lookup_elem(&CANAL_MAP(canal_back), &key);
}

// A backend for a new flow of this client. hash: of the packet's ends, for
// FRONT_HASH. false: there is none.
static __noinline bool service_choose(const struct canal_front *front, const struct FAMILY_STRUCT(canal_affin_key) *client,
				      struct FAMILY_STRUCT(canal_backend) *chosen, __u32 now_s, __u32 hash)
{
	const struct FAMILY_STRUCT(canal_backend) *backend;
	struct FAMILY_STRUCT(canal_affin) *affinity, row = {};

	if (!front || !front->backends)
		return false;
	if (front->affinity_s) {
		affinity = bpf_map_lookup_elem(&CANAL_MAP(canal_affin), client);
		if (affinity && now_s - affinity->seen_s <= front->affinity_s) {
			*chosen = affinity->backend;
			if (service_live(front->service, chosen)) {
				affinity->seen_s = now_s;
				return true;
			}
		}
	}
	backend = service_slot(front, front->flags & FRONT_HASH ? hash : bpf_get_prandom_u32());
	if (!backend)
		return false;
	*chosen = *backend;
	if (front->affinity_s) {
		row.backend = *backend;
		row.seen_s = now_s;
		if (bpf_map_update_elem(&CANAL_MAP(canal_affin), client, &row, BPF_ANY))
			full_count(FULL_SERVICE);
	}
	return true;
}
