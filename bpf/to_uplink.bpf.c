// tc egress of the uplink and of other devices that lead outside: everything
// that leaves the node there.
#include "masquerade.h"
#include "parse.h"

// skb->ingress_ifindex 0: sent by the node's own processes. What came in from
// elsewhere and is no pod's was translated where it came in.
static __always_inline int to_uplink_ip(struct __sk_buff *skb, struct packet *packet, const struct canal_config *config)
{
	struct scratch *scratch = scratch_get();
	struct FAMILY_STRUCT(canal_edge) *row;
	const struct canal_local *local;
	bool pod, whole = false;
	int reason;

	if (!scratch || parse(skb, packet) || edge_is_overlay(packet, config))
		return TC_ACT_UNSPEC;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->source);
	pod = local && local->ifindex;
	if (!local || (!pod && skb->ingress_ifindex))
		return TC_ACT_UNSPEC;
	if (packet->flags & (PACKET_FIRST | PACKET_LATER) && fragment_follow(packet))
		return pod ? drop(skb, packet, DROP_FRAGMENT) : TC_ACT_UNSPEC;
	if (packet->flags & PACKET_ICMP_ERROR) {
		reason = edge_error(skb, packet);
		return reason > 0 ? drop(skb, packet, reason) : TC_ACT_UNSPEC;
	}
	row = edge_find(packet);
	if (row) {
		edge_touch(row, packet);
		scratch->edge = *row;
		whole = edge_whole(packet);
	}
	if (whole) {
		reason = 0;
	} else if (pod) {
		reason = masquerade_pod(skb, packet, config->flags & CONFIG_MASQUERADE);
	} else {
		reason = masquerade_clashes(skb, packet) ? masquerade_open(skb, packet, false) : TC_ACT_UNSPEC;
	}
	if (reason == TC_ACT_UNSPEC)
		return reason;
	if (!reason)
		reason = edge_rewrite(skb, packet);
	return reason ? drop(skb, packet, reason) : TC_ACT_UNSPEC;
}

// Plain VXLAN, which is most of what passes here and none of ours: the packet
// need not be understood for that. Says no more than edge_is_overlay would.
static __always_inline bool to_uplink_overlay(const struct __sk_buff *skb, const struct canal_config *config)
{
#if CANAL_FAMILY == 4
	const struct iphdr *ip = (const void *)(long)skb->data + ETH_HLEN;
	const struct udphdr *udp = (const void *)(ip + 1);

	return (const void *)(udp + 1) <= (const void *)(long)skb->data_end && *(const __u8 *)ip == 0x45 && ip->protocol == IPPROTO_UDP &&
	       !(ip->frag_off & bpf_htons(IP_OFFSET)) && udp->dest == config->vxlan_port_be && config->vxlan_port_be;
#else
	(void)skb;
	(void)config;
	return false;
#endif
}

static __always_inline int to_uplink(struct __sk_buff *skb, const struct canal_config *config)
{
	struct packet packet = { .now_s = clock_seconds() };

	return to_uplink_ip(skb, &packet, config);
}

SEC("tc")
int canal_to_upl(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();

	if (!config || !edge_on(config) || skb->protocol != bpf_htons(ETH_P_FAMILY) || to_uplink_overlay(skb, config))
		return TC_ACT_UNSPEC;
	return to_uplink(skb, config);
}
