// From a service to a backend, for sockets and packets alike (layout and order
// of writes: abi.h).
#pragma once
#include "maps.h"

static __always_inline const struct canal_front *service_front(const struct FAMILY_STRUCT(addr) *address, __u16 port_be,
							       __u8 protocol)
{
	struct FAMILY_STRUCT(canal_front_key) key = {
		.addr = *address,
		.port_be = port_be,
		.protocol = protocol,
		.scope = FRONT_INSIDE,
	};

	return bpf_map_lookup_elem(&CANAL_MAP(canal_front), &key);
}

// Is it still one of the service's backends?
static __noinline bool service_live(__u64 service, const struct FAMILY_STRUCT(canal_backend) *backend)
{
	struct FAMILY_STRUCT(canal_live_key) key = { .service = service };

	key.backend = *backend;
	return bpf_map_lookup_elem(&CANAL_MAP(canal_live), &key);
}

static __always_inline const struct FAMILY_STRUCT(canal_backend) *service_random(const struct canal_front *front)
{
	struct canal_back_key key = {
		.service = front->service,
		.slot = (__u64)bpf_get_prandom_u32() * front->backends >> 32,
	};
	const struct FAMILY_STRUCT(canal_backend) *backend = bpf_map_lookup_elem(&CANAL_MAP(canal_back), &key);

	if (backend)
		return backend;
	key.slot = 0; // read between two writes
	return bpf_map_lookup_elem(&CANAL_MAP(canal_back), &key);
}

// A backend for a new flow of this client. false: there is none.
static __noinline bool service_choose(const struct canal_front *front, const struct FAMILY_STRUCT(canal_affin_key) *client,
				      struct FAMILY_STRUCT(canal_backend) *chosen, __u32 now_s)
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
	backend = service_random(front);
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
