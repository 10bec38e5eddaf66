// tc ingress of flannel.<VNI>: packets of other nodes, decapsulated. Judges and
// delivers what it is sure of; the rest goes through the host stack to to_pod.
#include "drop.h"
#include "forward.h"
#include "nat.h"
#include "parse.h"
#include "track.h"

// A packet without a flow may be the answer to one that the host stack
// translated (a service of kube-proxy): only the stack can tell. A connection
// request cannot be.
static __always_inline int from_overlay_deliver(struct __sk_buff *skb, struct packet *packet,
						const struct canal_config *config)
{
	struct decision found = {};
	struct canal_flow *flow;
	int reason;

	parse_key(packet);
	flow = flow_find(packet);
	if ((!flow || flow->flags & FLOW_STACK) && !packet_opens(packet))
		return TC_ACT_OK;
	reason = track(skb, packet, flow, &found, HOOK_FROM_OVERLAY);
	if (reason)
		return drop(skb, packet, reason);
	if (found.flow_flags & FLOW_STACK || !found.out_ifindex || !forward_fits(packet, config))
		return TC_ACT_OK;
	if (nat_answers(packet, found.flow_flags) && nat_answer(skb, packet))
		return drop(skb, packet, DROP_NAT_FAILED);
	return forward_local(skb, packet, found.out_ifindex);
}

SEC("tc")
int canal_from_ovl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();
	struct packet packet = { .now_s = clock_seconds() };
	const struct canal_local *local;
	int reason;

	if (!config)
		return drop(skb, &packet, DROP_CONFIG);
	if (skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	reason = parse(skb, &packet);
	if (bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet.source))
		return drop(skb, &packet, DROP_OVERLAY_SOURCE);
	if (reason || !(config->flags & CONFIG_FAST_OVERLAY))
		return TC_ACT_OK;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet.destination);
	if (!local || !local->ifindex ||
	    packet.flags & (PACKET_FIRST | PACKET_LATER | PACKET_ICMP_ERROR | PACKET_ICMP_ROUTING))
		return TC_ACT_OK;
	return from_overlay_deliver(skb, &packet, config);
}
