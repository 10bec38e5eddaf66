// tc ingress of flannel.<VNI>: packets of other nodes, decapsulated. Judges and
// delivers what it is sure of; the rest goes through the host stack to to_pod.
#include "drop.h"
#include "overlay.h"
#include "parse.h"

SEC("tc")
int canal_from_ovl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();
	struct packet packet = { .now_s = clock_seconds() };
	struct decision found = {};
	int reason;

	if (!config)
		return drop(skb, &packet, DROP_CONFIG);
	if (skb->protocol != bpf_htons(ETH_P_FAMILY))
		return TC_ACT_UNSPEC;
	if (parse(skb, &packet) || !(config->flags & CONFIG_FAST_OVERLAY)) {
		if (overlay_is_local(&packet.source, false))
			return drop(skb, &packet, DROP_OVERLAY_SOURCE);
		return TC_ACT_OK;
	}
	reason = overlay_judge(skb, &packet, config, &found);
	if (reason)
		return reason == OVERLAY_STACK ? TC_ACT_OK : drop(skb, &packet, reason);
	return overlay_deliver(skb, &packet, &found);
}
