// ICMP errors about packets of services. Whoever reads one must find the
// packet in it that it sent itself. Checksums inside the quoted transport
// header stay: nobody can check them in a packet that is cut.
#pragma once
#include "icmp.h"
#include "nat.h"

// The quoted packet's end: another address and port. The IP header's checksum
// inside makes up for the IPv4 address, so that ICMP's own sees only the port.
static __always_inline long nat_quoted(struct __sk_buff *skb, const struct packet *packet, struct packet *quoted,
				       const struct FAMILY_STRUCT(canal_backend) *to, bool destination)
{
	struct FAMILY_STRUCT(addr) *address = destination ? &quoted->destination : &quoted->source;
	__u16 port_be = destination ? quoted->destination_port_be : quoted->source_port_be;
	__u32 port_at, at = packet->transport + ICMP_CHECKSUM_AT;

#if CANAL_FAMILY == 6
	if (bpf_l4_csum_replace(skb, at, 0, bpf_csum_diff(address->word_be, sizeof(*address), (void *)to->addr.word_be, sizeof(to->addr), 0), 0))
		return -1;
#endif
	if (rewrite_address(skb, packet->transport + ICMP_HEADER, address, &to->addr, destination) ||
	    bpf_l4_csum_replace(skb, at, port_be, to->port_be, 2))
		return -1;
	if (port_be == to->port_be)
		return 0;
	port_at = quoted->transport + (quoted->protocol == ICMP_PROTOCOL ? ICMP_ID_AT : PORT_AT(destination));
	return bpf_skb_store_bytes(skb, port_at, &to->port_be, sizeof(to->port_be), 0);
}

static __always_inline struct packet *nat_parse_quoted(struct __sk_buff *skb, const struct packet *packet)
{
	struct scratch *scratch = scratch_get();
	struct packet *quoted;

	if (!scratch)
		return NULL;
	quoted = &scratch->quoted;
	__builtin_memset(quoted, 0, sizeof(*quoted));
	if (icmp_parse_quoted(skb, quoted, packet->transport + ICMP_HEADER) || !has_ports(quoted->protocol))
		return NULL;
	return quoted;
}

// A pod complains about an answer of its service: the backend gets to know.
static __noinline int nat_error_request(struct __sk_buff *skb, struct packet *packet)
{
	struct packet *quoted = nat_parse_quoted(skb, packet);
	const struct FAMILY_STRUCT(canal_nat) *known;
	struct FAMILY_STRUCT(canal_nat_key) key;
	struct FAMILY_STRUCT(canal_backend) to;

	if (!quoted)
		return 0;
	key = nat_key(&quoted->destination, quoted->destination_port_be, &quoted->source, quoted->source_port_be, quoted->protocol, NAT_REQUEST);
	known = bpf_map_lookup_elem(&CANAL_MAP(canal_nat), &key);
	if (!known || known->flags & (NAT_HAIRPIN | NAT_HAIRPIN_ANSWER))
		return 0;
	to = known->to;
	if (nat_quoted(skb, packet, quoted, &to, false))
		return DROP_NAT_FAILED;
	to.port_be = packet->destination_port_be; // ICMP has none
	return address_equal(&packet->destination, &quoted->source) ? rewrite_destination(skb, packet, &to) : 0;
}

// Somebody complains about what a pod sent to a service.
static __noinline int nat_error_answer(struct __sk_buff *skb, struct packet *packet)
{
	struct packet *quoted = nat_parse_quoted(skb, packet);
	const struct FAMILY_STRUCT(canal_nat) *known;
	struct FAMILY_STRUCT(canal_nat_key) key;
	struct FAMILY_STRUCT(canal_backend) to;

	if (!quoted)
		return 0;
	key = nat_key(&quoted->source, quoted->source_port_be, &quoted->destination, quoted->destination_port_be, quoted->protocol, NAT_ANSWER);
	known = bpf_map_lookup_elem(&CANAL_MAP(canal_nat), &key);
	if (!known)
		return 0;
	to = known->to;
	if (nat_quoted(skb, packet, quoted, &to, true))
		return DROP_NAT_FAILED;
	to.port_be = packet->source_port_be;
	// A router on the way speaks for itself, the backend for its service.
	return address_equal(&packet->source, &quoted->destination) ? rewrite_source(skb, packet, &to) : 0;
}
