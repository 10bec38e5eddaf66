// tc egress of a cali* device: what the host stack delivers to a pod.
#include "drop.h"
#include "icmp.h"
#include "nat_icmp.h"
#include "neighbour.h"
#include "parse.h"
#include "track.h"

static __always_inline int to_pod_ip(struct __sk_buff *skb, struct packet *packet, const struct canal_config *config)
{
	struct decision found = {};
	int reason = parse(skb, packet);

	if (!reason && packet->flags & (PACKET_FIRST | PACKET_LATER))
		reason = fragment_follow(packet);
	if (reason)
		return drop(skb, packet, reason);
	packet->flags |= PACKET_VIA_STACK;
	if (packet->flags & PACKET_ICMP_ERROR) {
		if (!(packet->flags & PACKET_FROM_HOST))
			reason = icmp_related(skb, packet);
		if (!reason && !(packet->flags & PACKET_FROM_HOST) && packet->destination_ifindex != skb->ifindex)
			reason = DROP_ICMP_UNRELATED;
		if (!reason && config->flags & CONFIG_SERVICES)
			reason = nat_error_answer(skb, packet);
	} else if (packet->flags & PACKET_ICMP_ROUTING) {
		if (!(packet->flags & PACKET_FROM_HOST))
			reason = DROP_ICMP_UNRELATED;
	} else {
		parse_key(packet);
		reason = track(skb, packet, config, flow_find(packet), &found, HOOK_TO_POD);
		if (!reason && nat_answers(packet, found.flow_flags))
			reason = nat_answer(skb, packet);
	}
	return reason ? drop(skb, packet, reason) : TC_ACT_OK;
}

SEC("tc")
int canal_to_pod(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();
	struct packet packet = { .now_s = clock_seconds() };
	__u32 ifindex = skb->ifindex;
	__be16 ethertype = skb->protocol;
	const struct canal_endpoint *endpoint;
	bool from_host = !skb->ingress_ifindex;

	if (!config)
		return drop(skb, &packet, DROP_CONFIG);
	if (ethertype == bpf_htons(ETH_P_ARP))
		return TC_ACT_OK;
	if (ethertype == bpf_htons(ETH_P_OTHER_FAMILY) && config->flags & CONFIG_OTHER_FAMILY)
		return TC_ACT_UNSPEC;
	if (ethertype == bpf_htons(ETH_P_IPV6) && is_neighbour(skb, from_host))
		return TC_ACT_OK;
	if (ethertype != bpf_htons(ETH_P_FAMILY))
		return drop(skb, &packet, DROP_UNKNOWN_ETHERTYPE);
	endpoint = bpf_map_lookup_elem(&canal_endpoint, &ifindex);
	if (!endpoint || endpoint->flags & ENDPOINT_DISABLED)
		return drop(skb, &packet, DROP_NO_ENDPOINT);
	if (from_host && endpoint->flags & ENDPOINT_HOST_ALLOWED)
		packet.flags |= PACKET_FROM_HOST;
	return to_pod_ip(skb, &packet, config);
}
