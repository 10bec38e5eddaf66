// Policy in three lookups: address -> class; (table, class) -> rows;
// (rows, protocol, port) -> verdict (design 3.1; layouts in abi_policy.h).
#pragma once
#include "maps.h"
#include "packet.h"

enum policy_direction {
	POLICY_EGRESS = 0,  // what leaves the source pod
	POLICY_INGRESS = 1, // what enters the destination pod
};

static __always_inline __u64 policy_class(const struct FAMILY_STRUCT(addr) *peer)
{
	struct FAMILY_STRUCT(canal_cidr_key) key = { .prefixlen = ADDR_WORDS * 32, .addr = *peer };
	__u64 *found = bpf_map_lookup_elem(&CANAL_MAP(canal_peer), peer);

	if (!found)
		found = bpf_map_lookup_elem(&CANAL_MAP(canal_cidr), &key);
	return found ? *found : 0;
}

static __always_inline __u64 *policy_rows(__u64 table, __u64 class_id)
{
	struct canal_table_key key = { .table = table, .class_id = class_id };
	__u64 *rows = bpf_map_lookup_elem(&canal_table, &key);

	if (rows || !class_id)
		return rows;
	key.class_id = 0;
	return bpf_map_lookup_elem(&canal_table, &key);
}

static __always_inline struct canal_verdict *policy_verdict(__u64 rows, __u8 protocol, __be16 port)
{
	struct canal_rule_key key = { .prefixlen = 96, .protocol = protocol, .port_be = port };

	__builtin_memcpy(key.rows, &rows, sizeof(key.rows));
	return bpf_map_lookup_elem(&canal_rule, &key);
}

static __always_inline void policy_count(__u64 rule, __u32 length)
{
	struct canal_counter one = { .packets = 1, .bytes = length };
	struct canal_counter *counter;

	if (!rule)
		return;
	counter = bpf_map_lookup_elem(&canal_rulestat, &rule);
	if (counter) {
		counter->packets++;
		counter->bytes += length;
	} else if (bpf_map_update_elem(&canal_rulestat, &rule, &one, BPF_NOEXIST)) {
		full_count(FULL_RULESTAT);
	}
}

// One pod's verdict on the packet, in one direction. 0: allowed.
static __noinline int policy_judge(struct packet *packet, __u32 ifindex, __u32 direction)
{
	const struct canal_endpoint *endpoint = bpf_map_lookup_elem(&canal_endpoint, &ifindex);
	const struct canal_verdict *verdict;
	__u64 table, *rows;

	packet->rule = 0;
	packet->direction = direction;
	if (!endpoint || endpoint->flags & ENDPOINT_DISABLED)
		return DROP_NO_ENDPOINT;
	table = direction == POLICY_INGRESS ? endpoint->ingress_table : endpoint->egress_table;
	if (!table)
		return 0;
	rows = policy_rows(table, policy_class(direction == POLICY_INGRESS ? &packet->source : &packet->destination));
	if (!rows)
		return DROP_TABLE_MISSING;
	verdict = policy_verdict(*rows, packet->protocol, packet->policy_port_be);
	if (verdict) {
		packet->rule = verdict->rule;
		policy_count(verdict->rule, packet->length);
		if (verdict->action == ACTION_ALLOW)
			return 0;
	}
	return direction == POLICY_INGRESS ? DROP_POLICY_INGRESS : DROP_POLICY_EGRESS;
}

// Every pod of this node that has a say: the source's egress, the
// destination's ingress. Leaves both rules in the packet.
static __noinline int policy_judge_ends(struct packet *packet, __u32 host_deny)
{
	int reason;

	packet->rule_egress = 0;
	packet->rule_ingress = 0;
	if (packet->source_ifindex) {
		reason = policy_judge(packet, packet->source_ifindex, POLICY_EGRESS);
		if (reason)
			return reason;
		packet->rule_egress = packet->rule;
		if (packet->flags & PACKET_TO_HOST && host_deny)
			return DROP_HOST_DENIED;
	}
	if (packet->destination_ifindex) {
		reason = policy_judge(packet, packet->destination_ifindex, POLICY_INGRESS);
		if (reason)
			return reason;
		packet->rule_ingress = packet->rule;
	}
	return 0;
}
