// tc ingress of the uplink and of other devices that lead outside: everything
// that reaches the node from there.
// Judges nothing of the node's own: what is none of ours passes, also when the
// agent has never run, so that the node stays reachable.
#include "edge_arrive.h"
#include "parse.h"
#include "vxlan_arrive.h"

static __always_inline int from_uplink_edge(struct __sk_buff *skb, const struct canal_config *config)
{
	struct packet packet = { .now_s = clock_seconds() };

	if (parse(skb, &packet) || edge_is_overlay(&packet, config))
		return TC_ACT_UNSPEC;
	return edge_arrive(skb, &packet, config->flags & CONFIG_SERVICES);
}

SEC("tc")
int canal_from_upl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();
	int verdict;

	if (!config)
		return TC_ACT_UNSPEC;
	verdict = vxlan_arrive(skb, config);
	if (verdict != VXLAN_GO)
		return verdict;
	if (!edge_on(config) || skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	return from_uplink_edge(skb, config);
}
