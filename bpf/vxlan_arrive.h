// VXLAN that comes in over the uplink, taken before the host stack sees it.
#pragma once
#include "overlay.h"
#include "vxlan.h"

#if CANAL_FAMILY == 4

// From the node whose pod CIDR the inner source is in, by its address and
// MACs? Nobody else's packets are taken here.
static __always_inline bool vxlan_known(struct __sk_buff *skb, const struct vxlan_template *outer, const struct packet *packet)
{
	const struct hop *hop = hop_find(skb, packet->source.word_be[0]);

	return hop && hop->flags & HOP_OVERLAY && hop->vxlan.ip.daddr == outer->ip.saddr &&
	       mac_equal(hop->vxlan.inner_destination, outer->inner_source);
}

// Takes the outer frame's headers and the inner Ethernet header off; the
// outer one stays in its place. The inner packet's checksum is as
// good as the device found it to be, as after the kernel's own decapsulation.
static __always_inline bool vxlan_strip(struct __sk_buff *skb, struct packet *packet)
{
	if (bpf_skb_adjust_room(skb, -(__s32)VXLAN_GROWTH, ADJUST_MAC, ADJUST_FIXED_GSO | ADJUST_KEEP_CHECKSUM))
		return false;
	bpf_csum_level(skb, CHECKSUM_LEVEL_DOWN);
	packet->transport -= VXLAN_GROWTH;
	packet->end -= VXLAN_GROWTH;
	return true;
}

// A verdict, or VXLAN_GO: the packet is untouched and goes on to the stack.
//
// No helper takes the mark of a tunnel off what GRO or another node of this
// machine has joined: a pod that forwarded it would send something broken, and
// no UDP socket could cut it. So only TCP for a socket of the pod's own (which
// has sent before) is taken here; the rest of the joined is the kernel's.
static __always_inline int vxlan_arrive(struct __sk_buff *skb, const struct canal_config *config)
{
	struct packet packet = { .now_s = clock_seconds() };
	const struct vxlan_template *outer;
	struct decision found = {};
	int reason;

	if (!(config->flags & CONFIG_DIRECT_VXLAN) || skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST ||
	    skb->len < VXLAN_FRAME + sizeof(struct iphdr))
		return VXLAN_GO;
	outer = vxlan_room(skb, VXLAN_FRAME);
	if (!outer || !vxlan_ours(skb, outer, config) || parse_inside(skb, &packet, VXLAN_GROWTH) ||
	    !vxlan_known(skb, outer, &packet))
		return VXLAN_GO;
	if (skb->gso_size)
		packet.flags |= PACKET_JOINED;
	reason = overlay_judge(skb, &packet, config, &found);
	if (reason)
		return reason == OVERLAY_STACK ? VXLAN_GO : drop(skb, &packet, reason);
	return vxlan_strip(skb, &packet) ? overlay_deliver(skb, &packet, &found) : VXLAN_GO;
}
#else
static __always_inline int vxlan_arrive(struct __sk_buff *skb __attribute__((unused)), const struct canal_config *config __attribute__((unused)))
{
	return VXLAN_GO;
}
#endif
