// tc ingress of flannel.<VNI>: packets of other nodes, decapsulated. Judges and
// delivers what it is sure of; the rest goes through the host stack to to_pod.
#include "drop.h"
#include "edge_arrive.h"
#include "overlay.h"
#include "parse.h"

// To the node itself: it may be the answer to what the node sent on under its
// own address.
static __always_inline int from_overlay_stack(struct __sk_buff *skb, struct packet *packet, const struct canal_config *config)
{
	const struct canal_local *local;

	if (!edge_on(config))
		return TC_ACT_OK;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->destination);
	return local && !local->ifindex ? edge_arrive(skb, packet, false) : TC_ACT_OK;
}

SEC("tc")
int canal_from_ovl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();
	struct packet packet = { .now_s = clock_seconds() };
	struct decision found = {};
	bool parsed;
	int reason;

	if (!config)
		return drop(skb, &packet, DROP_CONFIG);
	if (skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	parsed = !parse(skb, &packet);
	if (parsed && config->flags & CONFIG_FAST_OVERLAY)
		reason = overlay_judge(skb, &packet, config, &found);
	else
		reason = overlay_is_local(&packet.source) ? DROP_OVERLAY_SOURCE : OVERLAY_STACK;
	if (reason == OVERLAY_STACK)
		return parsed ? from_overlay_stack(skb, &packet, config) : TC_ACT_OK;
	return reason ? drop(skb, &packet, reason) : overlay_deliver(skb, &packet, &found);
}
