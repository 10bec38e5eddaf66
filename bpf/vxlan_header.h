// The outer header of a VXLAN packet (RFC 7348) as Linux writes it: no UDP
// checksum, default TTL, no DF, ECN of the inner header (RFC 6040).
#pragma once
#include "maps.h"

#define VXLAN_GROWTH (sizeof(struct iphdr) + sizeof(struct udphdr) + VXLAN_HLEN + ETH_HLEN)
#define VXLAN_FRAME (ETH_HLEN + VXLAN_GROWTH) // bytes before the inner IP header
#define VXLAN_HAS_VNI 0x08000000
#define VXLAN_TTL 64 // net.ipv4.ip_default_ttl

struct vxlan_template {
	__u8 outer_destination[6];
	__u8 outer_source[6];
	__be16 outer_type;
	struct iphdr ip;     // check: without length, id and TOS, not folded to its complement
	struct udphdr udp;
	__be32 vxlan_flags;
	__be32 vxlan_vni;
	__u8 inner_destination[6];
	__u8 inner_source[6];
	__be16 inner_type;
} __attribute__((packed, aligned(2)));
// The same, to be copied at once.
struct vxlan_words {
	__u64 words[VXLAN_FRAME / 8];
};
_Static_assert(sizeof(struct vxlan_template) == VXLAN_FRAME && sizeof(struct vxlan_words) == VXLAN_FRAME, "a header has no holes");

static __always_inline __u32 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

#if CANAL_FAMILY == 4
static __always_inline void vxlan_template_fill(struct vxlan_template *to, const struct canal_config *config,
						const struct canal_nexthop4 *nexthop)
{
	__u32 source = config->vtep_addr_be, destination = nexthop->vtep_addr_be;

	to->outer_type = bpf_htons(ETH_P_IP);
	to->ip.version = 4;
	to->ip.ihl = sizeof(struct iphdr) / 4;
	to->ip.tos = 0;
	to->ip.tot_len = 0;
	to->ip.id = 0;
	to->ip.frag_off = 0;
	to->ip.ttl = VXLAN_TTL;
	to->ip.protocol = IPPROTO_UDP;
	to->ip.saddr = source;
	to->ip.daddr = destination;
	to->ip.check = checksum_fold(bpf_htons(0x4500) + bpf_htons(VXLAN_TTL << 8 | IPPROTO_UDP) + (source & 0xffff) +
				     (source >> 16) + (destination & 0xffff) + (destination >> 16));
	to->udp.dest = config->vxlan_port_be;
	to->udp.check = 0;
	to->vxlan_flags = bpf_htonl(VXLAN_HAS_VNI);
	to->vxlan_vni = bpf_htonl(config->vni << 8);
	__builtin_memcpy(to->inner_destination, nexthop->vtep_mac, 6);
	__builtin_memcpy(to->inner_source, config->vtep_mac, 6);
	to->inner_type = bpf_htons(ETH_P_IP);
}
#endif
