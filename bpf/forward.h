// Where an allowed packet goes. What the fast path cannot do is left to the
// host stack, untouched: it answers TTL and size, and the verdict stands in
// conntrack for the next hook.
#pragma once
#include "drop.h"
#include "maps.h"
#include "packet.h"
#include "track.h"

// A frame's addresses, in words that copy at once. struct canal_endpoint has
// them in the same order.
struct forward_macs {
	__u32 words[3];
};
_Static_assert(__builtin_offsetof(struct canal_endpoint, pod_mac) % 4 == 0 &&
	       __builtin_offsetof(struct canal_endpoint, host_mac) == __builtin_offsetof(struct canal_endpoint, pod_mac) + 6,
	       "pod_mac and host_mac are the start of a frame");

// Options and quoted sizes need the stack; so does a packet that would exceed the path.
static __always_inline bool forward_fits(const struct packet *packet, const struct canal_config *config)
{
	return packet->ttl > 1 && !(packet->flags & PACKET_OPTIONS) &&
	       (!config->pod_mtu || packet->segment <= config->pod_mtu);
}

// One hop. false: headers are not writable.
static __always_inline bool forward_hop(struct __sk_buff *skb, const struct forward_macs *macs)
{
#if CANAL_FAMILY == 4
	__u32 need = ETH_HLEN + sizeof(struct iphdr);
	struct iphdr *ip;
#else
	__u32 need = ETH_HLEN + sizeof(struct ipv6hdr);
	struct ipv6hdr *ip;
#endif
	void *data = (void *)(long)skb->data;

	if (data + need > (void *)(long)skb->data_end) {
		if (bpf_skb_pull_data(skb, need))
			return false;
		data = (void *)(long)skb->data;
		if (data + need > (void *)(long)skb->data_end)
			return false;
	}
	ip = data + ETH_HLEN;
	if (macs)
		*(struct forward_macs *)data = *macs;
#if CANAL_FAMILY == 4
	__u32 check = ip->check + bpf_htons(0x0100); // RFC 1141

	ip->check = check + (check >= 0xffff);
	ip->ttl--;
#else
	ip->hop_limit--;
#endif
	return true;
}

// A pod's frame addresses, as this CPU read them in this tick: a hash lookup is
// a quarter of what a packet of a known flow costs. What must hold at once is
// not here: a pod that may be reached no more has its flows judged again.
struct near {
	__u32 tick;
	__u32 ifindex; // 0: nothing
	struct forward_macs macs;
};

#define NEAR_SLOTS 256 // a power of two

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NEAR_SLOTS);
	__type(key, __u32);
	__type(value, struct near);
} canal_near SEC(".maps");

static __noinline int near_read(struct near *near, __u32 ifindex)
{
	const struct canal_endpoint *endpoint = bpf_map_lookup_elem(&canal_endpoint, &ifindex);

	if (!near)
		return 0;
	near->ifindex = 0;
	if (!endpoint || endpoint->flags & ENDPOINT_DISABLED)
		return 0;
	near->macs = *(const struct forward_macs *)endpoint->pod_mac;
	near->tick = bpf_jiffies64();
	near->ifindex = ifindex;
	return 0;
}

// NULL: no such endpoint, or it is disabled.
static __always_inline const struct forward_macs *forward_near(__u32 ifindex)
{
	__u32 slot = ifindex & (NEAR_SLOTS - 1);
	struct near *near = bpf_map_lookup_elem(&canal_near, &slot);

	if (!near)
		return NULL;
	if (unlikely(near->ifindex != ifindex || near->tick != (__u32)bpf_jiffies64()))
		near_read(near, ifindex);
	return near->ifindex ? &near->macs : NULL;
}

// Into the pod behind a cali* device of this node.
static __always_inline int forward_local(struct __sk_buff *skb, const struct packet *packet, __u32 ifindex)
{
	const struct forward_macs *macs = forward_near(ifindex);

	if (!macs)
		return TC_ACT_OK; // to_pod will say why not
	if (!forward_hop(skb, macs))
		return TC_ACT_OK;
	if (bpf_redirect_peer(ifindex, 0) != TC_ACT_REDIRECT)
		return drop(skb, packet, DROP_REDIRECT_FAILED);
	return TC_ACT_REDIRECT;
}
