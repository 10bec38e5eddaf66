// The one function that drops: counts the reason once and says so.
#pragma once
#include "event.h"

static __always_inline __u16 drop_kind(const struct packet *packet, __u32 reason)
{
	if (reason == DROP_POLICY_INGRESS || reason == DROP_POLICY_EGRESS)
		return EVENT_FLOW_DENIED;
	if (reason == DROP_REVOKED && packet->flags & PACKET_REVOKED)
		return EVENT_REVOKED;
	return EVENT_DROP;
}

static __noinline int drop(struct __sk_buff *skb, const struct packet *packet, __u32 reason)
{
	struct canal_counter *counter = bpf_map_lookup_elem(&canal_drop, &reason);

	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
	event_emit(skb, packet, drop_kind(packet, reason), reason);
	return TC_ACT_SHOT;
}
