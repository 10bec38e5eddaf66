// Where packets for another node's pods go, worked out once a tick on each CPU
// and kept: the route's row, and for direct VXLAN the whole outer header, ready
// to be copied in front. A tick (4 ms at HZ=250) is how late a change of rows,
// routes or neighbours is seen; that, and no notice to anybody, is what keeps
// it right with the agent dead.
#pragma once
#include "maps.h"
#include "packet.h"
#include "vxlan_header.h"

// By the address without its last six bits: no two /26 of neighbouring nodes
// meet in one slot. Where two do, each is worked out again and again.
#define HOP_SLOTS 1024
#define HOP_SLOT(address) ((address) >> 6 & (HOP_SLOTS - 1))

struct hop {
	__u32 tick;        // in which it was worked out
	__u32 flags;       // enum hop_flags
	__u32 network;     // pod CIDR that it is good for, host order
	__u32 mask;
	__u32 gateway_be;  // on the overlay device
	__u32 ifindex;     // the overlay device
	__u32 uplink;      // device of the outer packet
	__u32 outer_be;    // its next hop there
	__u16 id;          // of the next outer packet
	__u16 zero[3];
	struct vxlan_template vxlan;
};

enum hop_flags {
	HOP_OVERLAY = 1, // by the overlay device
	HOP_DIRECT = 2,  // the programs may write the outer header
	HOP_FRESH = 4,   // nothing was sent that way in this tick
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOP_SLOTS);
	__type(key, __u32);
	__type(value, struct hop);
} canal_hop SEC(".maps");

// The kernel's own answer to where packets for the peer go, asked as for what
// the node sends itself. Anything but a plain neighbour on the uplink means
// that the overlay device has to do it: it resolves neighbours, fragments, and
// knows tunnels and policies of routing.
static __always_inline bool hop_outer(struct __sk_buff *skb, const struct canal_config *config, struct hop *hop)
{
	struct bpf_fib_lookup path = {
		.family = AF_INET,
		.l4_protocol = IPPROTO_UDP,
		.dport = config->vxlan_port_be,
		.tot_len = config->pod_mtu ? config->pod_mtu + VXLAN_GROWTH : 0,
		.ifindex = LOOPBACK_IFINDEX,
		.ipv4_src = config->vtep_addr_be,
		.ipv4_dst = hop->vxlan.ip.daddr,
	};

	if (bpf_fib_lookup(skb, &path, sizeof(path), 0) || path.ifindex != config->uplink_ifindex)
		return false;
	hop->uplink = path.ifindex;
	hop->outer_be = path.ipv4_dst;
	hop->id = bpf_get_prandom_u32();
	__builtin_memcpy(hop->vxlan.outer_destination, path.dmac, 6);
	__builtin_memcpy(hop->vxlan.outer_source, path.smac, 6);
	return true;
}

static __noinline int hop_work_out(struct __sk_buff *skb, struct hop *hop, __u32 address_be)
{
	struct canal_cidr_key4 key = { .prefixlen = 32, .addr = { { address_be } } };
	const struct canal_nexthop4 *nexthop = bpf_map_lookup_elem(&canal_route4, &key);
	const struct canal_config *config = config_get();

	if (!hop || !config)
		return 0;
	hop->tick = bpf_jiffies64();
	hop->flags = 0;
	// No row, or one of another kind: an answer for this one address.
	hop->mask = nexthop && nexthop->prefixlen ? -1u << ((32 - nexthop->prefixlen) & 31) : -1u;
	hop->network = bpf_ntohl(address_be) & hop->mask;
	if (!nexthop || nexthop->kind != NEXTHOP_OVERLAY)
		return 0;
	hop->flags = HOP_OVERLAY;
	hop->ifindex = nexthop->ifindex;
	hop->gateway_be = nexthop->gateway.word_be[0];
	if (!(config->flags & CONFIG_DIRECT_VXLAN))
		return 0;
	vxlan_template_fill(&hop->vxlan, config, nexthop);
	if (hop_outer(skb, config, hop))
		hop->flags |= HOP_DIRECT | HOP_FRESH;
	return 0;
}

// The way to the node of this address; NULL: never.
static __always_inline struct hop *hop_find(struct __sk_buff *skb, __u32 address_be)
{
	__u32 address = bpf_ntohl(address_be);
	__u32 slot = HOP_SLOT(address);
	struct hop *hop = bpf_map_lookup_elem(&canal_hop, &slot);

	if (!hop)
		return NULL;
	if (unlikely(hop->tick != (__u32)bpf_jiffies64() || (address & hop->mask) != hop->network))
		hop_work_out(skb, hop, address_be);
	return hop;
}
