// Another address and port at one end of a packet, checksums included: those
// of segments not yet cut and of checksums left to the device too
// (CHECKSUM_PARTIAL), and a UDP checksum of zero stays none.
#pragma once
#include "maps.h"
#include "parse.h"
#include "sctp.h"

#if CANAL_FAMILY == 4
#define ADDRESS_AT(destination) ((destination) ? 16 : 12)
#else
#define ADDRESS_AT(destination) ((destination) ? 24 : 8)
#endif
#define PORT_AT(destination) ((destination) ? 2 : 0)
#define ICMP_CHECKSUM_AT 2
#define ICMP_ID_AT 4

// Where the transport header keeps a checksum that covers addresses; 0: nowhere.
static __always_inline __u32 rewrite_checksum_at(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return 6;
	case IPPROTO_ICMPV6:
		return CANAL_FAMILY == 6 ? 2 : 0;
	}
	return 0;
}

// What the pseudo header's change does to a transport checksum.
static __always_inline long rewrite_pseudo(struct __sk_buff *skb, __u32 at, struct FAMILY_STRUCT(addr) *old,
					   const struct FAMILY_STRUCT(addr) *new, __u64 flags)
{
#if CANAL_FAMILY == 4
	return bpf_l4_csum_replace(skb, at, old->word_be[0], new->word_be[0], flags | BPF_F_PSEUDO_HDR | 4);
#else
	return bpf_l4_csum_replace(skb, at, 0, bpf_csum_diff(old->word_be, sizeof(*old), (void *)new->word_be, sizeof(*new), 0),
				   flags | BPF_F_PSEUDO_HDR);
#endif
}

// In the IP header at offset.
static __always_inline long rewrite_address(struct __sk_buff *skb, __u32 offset, struct FAMILY_STRUCT(addr) *old,
					    const struct FAMILY_STRUCT(addr) *new, bool destination)
{
#if CANAL_FAMILY == 4
	if (bpf_l3_csum_replace(skb, offset + 10, old->word_be[0], new->word_be[0], 4))
		return -1;
#else
	(void)old; // no checksum of its own
#endif
	return bpf_skb_store_bytes(skb, offset + ADDRESS_AT(destination), new, sizeof(*new), 0);
}

// The asking side's port of a query or its answer (struct canal_flow_key); the
// other side's, type and code, never changes.
static __always_inline long rewrite_icmp_id(struct __sk_buff *skb, __u32 transport, __u16 old_be, __u16 new_be)
{
	if (bpf_l4_csum_replace(skb, transport + ICMP_CHECKSUM_AT, old_be, new_be, 2))
		return -1;
	return bpf_skb_store_bytes(skb, transport + ICMP_ID_AT, &new_be, sizeof(new_be), 0);
}

static __always_inline long rewrite_transport(struct __sk_buff *skb, const struct packet *packet, struct FAMILY_STRUCT(addr) *address,
					      __u16 port_be, const struct FAMILY_STRUCT(canal_backend) *to, bool destination)
{
	__u32 at = rewrite_checksum_at(packet->protocol);
	__u64 flags = packet->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (at) {
		at += packet->transport;
		if (rewrite_pseudo(skb, at, address, &to->addr, flags))
			return -1;
	}
	if (port_be == to->port_be)
		return 0;
	if (packet->protocol == ICMP_PROTOCOL)
		return rewrite_icmp_id(skb, packet->transport, port_be, to->port_be);
	if (!has_ports(packet->protocol))
		return 0;
	if (!at)
		return sctp_port(skb, packet, PORT_AT(destination), port_be, to->port_be);
	if (bpf_l4_csum_replace(skb, at, port_be, to->port_be, flags | 2))
		return -1;
	return bpf_skb_store_bytes(skb, packet->transport + PORT_AT(destination), &to->port_be, sizeof(to->port_be), 0);
}

// 0 or a drop reason.
static __noinline int rewrite_destination(struct __sk_buff *skb, struct packet *packet,
					  const struct FAMILY_STRUCT(canal_backend) *to)
{
	if (!(packet->flags & PACKET_LATER) &&
	    rewrite_transport(skb, packet, &packet->destination, packet->destination_port_be, to, true))
		return DROP_NAT_FAILED;
	if (rewrite_address(skb, ETH_HLEN, &packet->destination, &to->addr, true))
		return DROP_NAT_FAILED;
	packet->destination = to->addr;
	packet->flags &= ~PACKET_PLACED;
	packet->destination_port_be = to->port_be;
	if (packet->protocol != ICMP_PROTOCOL)
		packet->policy_port_be = to->port_be;
	return 0;
}

static __noinline int rewrite_source(struct __sk_buff *skb, struct packet *packet,
				     const struct FAMILY_STRUCT(canal_backend) *to)
{
	if (!(packet->flags & PACKET_LATER) &&
	    rewrite_transport(skb, packet, &packet->source, packet->source_port_be, to, false))
		return DROP_NAT_FAILED;
	if (rewrite_address(skb, ETH_HLEN, &packet->source, &to->addr, false))
		return DROP_NAT_FAILED;
	packet->source = to->addr;
	packet->flags &= ~PACKET_PLACED;
	packet->source_port_be = to->port_be;
	return 0;
}
