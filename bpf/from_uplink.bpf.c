// tc ingress of the uplink: everything that reaches the node from outside.
// Judges nothing of the node's own: what is none of ours passes, also when the
// agent has never run, so that the node stays reachable.
#include "drop.h"
#include "parse.h"
#include "vxlan_arrive.h"

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
	if (skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	return TC_ACT_UNSPEC;
}
