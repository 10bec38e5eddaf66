// From packet to decision: known flows by conntrack, others by policy. The
// hooks differ only in which ends they vouch for (enum track_hook).
#pragma once
#include "conntrack.h"
#include "event.h"
#include "fragment.h"
#include "parse.h"
#include "policy.h"
#include "revoke.h"

enum track_hook {
	HOOK_FROM_POD, // the source is the pod behind skb->ifindex
	HOOK_TO_POD,   // the destination is
	HOOK_FROM_OVERLAY, // the destination is a pod of this node, the source is not
};

struct decision {
	__u32 flow_flags;  // of the flow, once decided
	__u32 out_ifindex; // cali* device of the destination; 0: not a pod of this node
};

// Do the flow's ends agree with the device the packet was met on? A flow of an
// earlier owner of an address does not.
static __always_inline bool track_ends_agree(const struct __sk_buff *skb, const struct canal_flow *flow,
					     const struct packet *packet, enum track_hook hook)
{
	if (hook == HOOK_FROM_POD)
		return flow_source_ifindex(flow, packet) == skb->ifindex;
	if (hook == HOOK_TO_POD)
		return flow_destination_ifindex(flow, packet) == skb->ifindex;
	return flow_destination_ifindex(flow, packet) && !flow_source_ifindex(flow, packet);
}

// Was this very packet judged and counted on its way in? from_pod did so for
// both ends, unless the host stack has since made it a packet of another flow.
static __always_inline bool track_seen(const struct __sk_buff *skb, const struct canal_flow *flow,
				       const struct packet *packet, enum track_hook hook)
{
	__u32 source = flow_source_ifindex(flow, packet);

	return hook == HOOK_TO_POD && source && source == skb->ingress_ifindex && !(flow->flags & FLOW_STACK);
}

// Is this address the pod's behind the device?
static __always_inline int track_source(const struct __sk_buff *skb, const struct packet *packet, __u32 config_flags)
{
	__u32 ifindex = skb->ifindex;
	const struct canal_endpoint *endpoint = bpf_map_lookup_elem(&canal_endpoint, &ifindex);

	if (!endpoint || endpoint->flags & ENDPOINT_DISABLED)
		return DROP_NO_ENDPOINT;
	if (config_flags & CONFIG_ALLOW_SPOOF)
		return 0;
#if CANAL_FAMILY == 4
	if (!endpoint->addr4_be || endpoint->addr4_be != packet->source.word_be[0])
		return DROP_SPOOFED;
#else
	struct addr6 address;

	__builtin_memcpy(&address, endpoint->addr6_be, sizeof(address));
	if (!(address.word_be[0] | address.word_be[1] | address.word_be[2] | address.word_be[3]) ||
	    !address_equal(&address, &packet->source))
		return DROP_SPOOFED;
#endif
	return 0;
}

// Who is at both ends, and may the source claim to be it?
static __always_inline int track_ends(struct __sk_buff *skb, struct packet *packet, __u32 config_flags, enum track_hook hook)
{
	const struct canal_local *local;
	int reason;

	if (hook == HOOK_FROM_POD) {
		reason = track_source(skb, packet, config_flags);
		if (reason)
			return reason;
		packet->source_ifindex = skb->ifindex;
	} else if (!(packet->flags & PACKET_PLACED)) {
		packet->source_ifindex = local_ifindex(&packet->source, 0);
	}
	if (hook == HOOK_TO_POD) {
		packet->destination_ifindex = skb->ifindex;
		// A pod's address that did not come from that pod. (Ours when the
		// node's own process uses it, as transparent proxies do.)
		if (packet->source_ifindex && skb->ingress_ifindex && packet->source_ifindex != skb->ingress_ifindex &&
		    !(config_flags & CONFIG_ALLOW_SPOOF))
			return DROP_SPOOFED;
		return 0;
	}
	if (packet->flags & PACKET_PLACED)
		return 0;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->destination);
	if (local) {
		packet->destination_ifindex = local->ifindex;
		if (!local->ifindex)
			packet->flags |= PACKET_TO_HOST;
	}
	return 0;
}

static __always_inline void track_announce(struct __sk_buff *skb, struct packet *packet)
{
	if (packet->source_ifindex && !(packet->flags & PACKET_FROM_HOST)) {
		packet->rule = packet->rule_egress;
		packet->direction = POLICY_EGRESS;
		event_emit(skb, packet, EVENT_FLOW_ALLOWED, DROP_NONE);
	}
	if (packet->destination_ifindex) {
		packet->rule = packet->rule_ingress;
		packet->direction = POLICY_INGRESS;
		event_emit(skb, packet, EVENT_FLOW_ALLOWED, DROP_NONE);
	}
}

// Answers and refusals may pass where policy lets them, but begin nothing.
static __always_inline bool track_creates(const struct packet *packet)
{
	if (packet->flags & PACKET_ANSWER)
		return false;
	return !(packet->tcp_flags & TCP_RST) && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK);
}

// A packet that no live flow covers.
static __noinline int track_first(struct __sk_buff *skb, struct packet *packet, struct decision *decision, bool replaces)
{
	const struct canal_config *config = config_get();
	int reason;

	if (!config)
		return DROP_CONFIG;
	decision->flow_flags = packet->flags & PACKET_VIA_STACK ? FLOW_STACK : 0;
	if (packet->flags & PACKET_SERVICE)
		decision->flow_flags |= FLOW_NAT;
	decision->out_ifindex = packet->destination_ifindex;
	if (packet->flags & PACKET_FROM_HOST) {
		decision->flow_flags |= FLOW_HOST;
	} else {
		reason = policy_judge_ends(packet, config->flags & CONFIG_HOST_DENY);
		if (reason)
			return reason;
	}
	if (track_creates(packet))
		flow_create(packet, config->epoch, decision->flow_flags, replaces && !(packet->flags & PACKET_NEW));
	track_announce(skb, packet);
	return 0;
}

// Everything but a packet of a live, judged flow: which is inline below.
static __noinline int track_slow(struct __sk_buff *skb, struct packet *packet, struct canal_flow *flow,
				 struct decision *decision, enum track_hook hook)
{
	const struct canal_config *config = config_get();
	int flags, reason;

	if (!config)
		return DROP_CONFIG;
	reason = track_ends(skb, packet, config->flags, hook);
	if (reason)
		return reason;
	if (!flow || packet_opens(packet)) {
		flags = flow ? -1 : closed_find(packet, config->epoch);
		if (flags < 0)
			return track_first(skb, packet, decision, flow);
		decision->flow_flags = flags;
		decision->out_ifindex = packet->destination_ifindex;
		return 0;
	}
	flags = flow->flags;
	if (flow->epoch != config->epoch) {
		flags = revoke_judge(packet, flow, config);
		// The row was replaced.
		flow = flow_find(packet);
	}
	if (flags & FLOW_DEAD)
		return DROP_REVOKED;
	if (!flow || !track_ends_agree(skb, flow, packet, hook))
		return track_first(skb, packet, decision, flow);
	decision->flow_flags = flags;
	decision->out_ifindex = flow_destination_ifindex(flow, packet);
	flow_touch(packet, flow);
	return 0;
}

// 0: allowed, with *decision filled; or a drop reason. flow: what flow_find says
// of the packet.
static __always_inline int track(struct __sk_buff *skb, struct packet *packet, const struct canal_config *config,
				 struct canal_flow *flow, struct decision *decision, enum track_hook hook)
{
	if (likely(flow && flow->epoch == config->epoch && !(flow->flags & FLOW_DEAD) &&
		   track_ends_agree(skb, flow, packet, hook))) {
		decision->flow_flags = flow->flags;
		decision->out_ifindex = flow_destination_ifindex(flow, packet);
		if (track_seen(skb, flow, packet, hook))
			return 0;
		if (likely(!packet_opens(packet))) {
			flow_touch(packet, flow);
			return 0;
		}
	}
	return track_slow(skb, packet, flow, decision, hook);
}
