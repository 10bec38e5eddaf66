// VXLAN without the overlay device: the header is written in from_pod and taken
// off in from_uplink, bit for bit what a node's kernel would write and take.
// Whatever this cannot do is left to the device, untouched.
#pragma once
#include "drop.h"
#include "vxlan_header.h"
#if CANAL_FAMILY == 4
#include "hop.h"
#endif

#define VXLAN_GO (-1) // not for us: the packet goes on as it is

// linux/bpf.h; ENCAP_L2_ETH is of 5.13, without it GSO packets could not be cut.
#define ADJUST_MAC 1
#define ADJUST_FIXED_GSO (1ull << 0)
#define ADJUST_ENCAP_IPV4 (1ull << 1)
#define ADJUST_ENCAP_UDP (1ull << 4)
#define ADJUST_KEEP_CHECKSUM (1ull << 5)
#define ADJUST_ENCAP_ETHERNET (1ull << 6)
#define ADJUST_ENCAP_L2(length) ((__u64)(length) << 56)
#define ADJUST_VXLAN \
	(ADJUST_FIXED_GSO | ADJUST_ENCAP_IPV4 | ADJUST_ENCAP_UDP | ADJUST_ENCAP_ETHERNET | ADJUST_ENCAP_L2(ETH_HLEN))
#define CHECKSUM_LEVEL_DOWN 2

#if CANAL_FAMILY == 4

#define ECN_MASK 3
#define ECN_CE 3
#define ECN_ECT0 2

// Source ports as the kernel chooses them (udp_flow_src_port): by the flow's
// hash, within net.ipv4.ip_local_port_range's default.
#define PORT_LOW 32768
#define PORT_HIGH 60999

static __always_inline __be16 vxlan_source_port(__u32 hash)
{
	hash ^= hash << 16;
	return bpf_htons(((__u64)hash * (PORT_HIGH - PORT_LOW) >> 32) + PORT_LOW);
}

// Loads of their own: where the compiler shares them with others it may widen
// them by a move, which makes a number of the pointer.
#define vxlan_pointer(skb, field)                                                                             \
	({                                                                                                    \
		void *pointer;                                                                                \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                                         \
			     : "=r"(pointer)                                                                  \
			     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, field)));                   \
		pointer;                                                                                      \
	})

// The frame's start, if `need` bytes of it can be read and written in place.
static __always_inline void *vxlan_room(struct __sk_buff *skb, __u32 need)
{
	void *data = vxlan_pointer(skb, data);

	if (likely(data + need <= vxlan_pointer(skb, data_end)))
		return data;
	if (bpf_skb_pull_data(skb, need))
		return NULL;
	data = vxlan_pointer(skb, data);
	return data + need <= vxlan_pointer(skb, data_end) ? data : NULL;
}

// Outer header, and one hop less of the inner.
static __always_inline void vxlan_write(void *frame, struct hop *hop, __u32 length, __u32 hash, __u32 segments)
{
	struct vxlan_template *outer = frame;
	struct iphdr *inner = frame + VXLAN_FRAME;
	__u8 ecn = inner->tos & ECN_MASK;
	__u32 check;

	*(struct vxlan_words *)frame = *(const struct vxlan_words *)&hop->vxlan;
	outer->ip.tos = ecn == ECN_CE ? ECN_ECT0 : ecn;
	outer->ip.tot_len = bpf_htons(length);
	outer->ip.id = bpf_htons(hop->id);
	hop->id += segments;
	outer->ip.check = ~checksum_fold(hop->vxlan.ip.check + bpf_htons(outer->ip.tos) + outer->ip.tot_len + outer->ip.id);
	outer->udp.source = vxlan_source_port(hash);
	outer->udp.len = bpf_htons(length - sizeof(struct iphdr));
	check = inner->check + bpf_htons(0x0100); // RFC 1141
	inner->check = check + (check >= 0xffff);
	inner->ttl--;
}

// To another node, past the overlay device. The first packet of a tick asks
// the kernel for the neighbour, which is how the kernel learns that the
// entry is in use and has to be confirmed. VXLAN_GO: untouched.
static __always_inline int vxlan_send(struct __sk_buff *skb, const struct packet *packet, struct hop *hop)
{
	struct bpf_redir_neigh neighbour = { .nh_family = AF_INET };
	__u32 length = packet->length + VXLAN_GROWTH, segments = skb->gso_segs, hash;
	void *frame;

	if (length > 0xffff)
		return VXLAN_GO;
	hash = bpf_get_hash_recalc(skb);
	if (bpf_skb_adjust_room(skb, VXLAN_GROWTH, ADJUST_MAC, ADJUST_VXLAN))
		return VXLAN_GO;
	frame = vxlan_room(skb, VXLAN_FRAME + sizeof(struct iphdr));
	if (!frame)
		return drop(skb, packet, DROP_REDIRECT_FAILED);
	vxlan_write(frame, hop, length, hash, segments ? segments : 1);
	if (likely(!(hop->flags & HOP_FRESH)))
		return bpf_redirect(hop->uplink, 0);
	hop->flags &= ~HOP_FRESH;
	neighbour.ipv4_nh = hop->outer_be;
	return bpf_redirect_neigh(hop->uplink, &neighbour, sizeof(neighbour), 0);
}

static __always_inline bool mac_equal(const __u8 *left, const __u8 *right)
{
	const __u16 *a = (const __u16 *)left, *b = (const __u16 *)right;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

// Is this VXLAN from another node to us as this network writes it? Options,
// fragments, congestion that the pod must hear of, other networks' numbers and
// whatever else there may be is the kernel's.
static __always_inline bool vxlan_ours(const struct __sk_buff *skb, const struct vxlan_template *outer, const struct canal_config *config)
{
	__u32 length = skb->len - ETH_HLEN;

	return outer->outer_type == bpf_htons(ETH_P_IP) && outer->udp.dest == config->vxlan_port_be &&
	       outer->ip.protocol == IPPROTO_UDP && outer->ip.daddr == config->vtep_addr_be &&
	       *(const __u8 *)&outer->ip == 0x45 && !(outer->ip.frag_off & bpf_htons(0x3fff)) && !(outer->ip.tos & 1) &&
	       bpf_ntohs(outer->ip.tot_len) == length && bpf_ntohs(outer->udp.len) == length - sizeof(struct iphdr) &&
	       outer->vxlan_flags == bpf_htonl(VXLAN_HAS_VNI) && outer->vxlan_vni == bpf_htonl(config->vni << 8) &&
	       outer->inner_type == bpf_htons(ETH_P_IP) && mac_equal(outer->inner_destination, config->vtep_mac);
}
#endif
