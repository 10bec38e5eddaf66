// tc egress of the uplink: everything that leaves the node there.
#include "drop.h"
#include "parse.h"

SEC("tc")
int canal_to_upl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();

	if (!config || skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	return TC_ACT_UNSPEC;
}
