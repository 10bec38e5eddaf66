// A flow that was judged under another epoch: its original direction is judged
// again, once, by the pods that have a say now.
#pragma once
#include "conntrack.h"
#include "policy.h"
#include "scratch.h"

static __always_inline __u32 local_ifindex(const struct FAMILY_STRUCT(addr) *address, __u32 otherwise)
{
	const struct canal_local *local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), address);

	return local ? local->ifindex : otherwise;
}

// The flow's first packet as far as policy cares, from its key alone.
static __always_inline void revoke_original(struct packet *original, const struct packet *packet, const struct canal_flow *row)
{
	const struct FAMILY_STRUCT(canal_flow_key) *key = &packet->key;
	const struct canal_local *local;

	if (row->flags & FLOW_ORIGIN_B) {
		original->source = key->addr_b;
		original->destination = key->addr_a;
		original->policy_port_be = key->port_a_be;
		original->source_ifindex = local_ifindex(&key->addr_b, row->ifindex_b);
		original->destination_ifindex = local_ifindex(&key->addr_a, row->ifindex_a);
	} else {
		original->source = key->addr_a;
		original->destination = key->addr_b;
		original->policy_port_be = key->port_b_be;
		original->source_ifindex = local_ifindex(&key->addr_a, row->ifindex_a);
		original->destination_ifindex = local_ifindex(&key->addr_b, row->ifindex_b);
	}
	original->protocol = packet->protocol;
	original->length = packet->length;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &original->destination);
	if (local && !local->ifindex)
		original->flags |= PACKET_TO_HOST;
}

// Node's own processes still reach the pod, as long as the pod may be reached.
static __always_inline int revoke_judge_host(const struct packet *original)
{
	__u32 ifindex = original->destination_ifindex;
	const struct canal_endpoint *endpoint = bpf_map_lookup_elem(&canal_endpoint, &ifindex);

	if (!endpoint || endpoint->flags & ENDPOINT_DISABLED)
		return DROP_NO_ENDPOINT;
	return endpoint->flags & ENDPOINT_HOST_ALLOWED ? 0 : DROP_POLICY_INGRESS;
}

static __always_inline void revoke_update(struct canal_flow *row, const struct packet *original, __u32 epoch, int reason)
{
	row->flags = reason ? row->flags | FLOW_DEAD : row->flags & ~FLOW_DEAD;
	row->epoch = epoch;
	row->rule_egress = original->rule_egress;
	row->rule_ingress = original->rule_ingress;
	if (row->flags & FLOW_ORIGIN_B) {
		row->ifindex_b = original->source_ifindex;
		row->ifindex_a = original->destination_ifindex;
	} else {
		row->ifindex_a = original->source_ifindex;
		row->ifindex_b = original->destination_ifindex;
	}
}

// Returns the flow's new flags, stored with the new epoch.
static __noinline int revoke_judge(struct packet *packet, const struct canal_flow *flow, const struct canal_config *config)
{
	struct scratch *scratch = scratch_get();
	struct packet *original;
	int reason;

	if (!flow || !config || !scratch)
		return FLOW_DEAD;
	original = &scratch->original;
	__builtin_memset(original, 0, sizeof(*original));
	scratch->row = *flow;
	revoke_original(original, packet, &scratch->row);
	if (scratch->row.flags & FLOW_HOST)
		reason = revoke_judge_host(original);
	else
		reason = policy_judge_ends(original, config->flags & CONFIG_HOST_DENY);
	packet->rule = original->rule;
	packet->direction = original->direction;
	if (reason && !(scratch->row.flags & FLOW_DEAD))
		packet->flags |= PACKET_REVOKED;
	revoke_update(&scratch->row, original, config->epoch, reason);
	flow_store(packet, &scratch->row, !(packet->flags & PACKET_NEW));
	return scratch->row.flags;
}
