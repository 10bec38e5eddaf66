// SCTP's checksum is a CRC over the whole packet (RFC 9260, appendix A), which
// no helper computes. But CRCs are linear: what another port changes depends on
// the ports' difference and on how many bytes follow it, not on what they are.
// So a difference is a polynomial, and n bytes behind it multiply it by x^8n.
#pragma once
#include "packet.h"

#define SCTP_CHECKSUM_AT 8 // little endian
#define CRC32C 0x82f63b78  // Castagnoli's polynomial, lowest power in the highest bit

// a * b modulo the polynomial.
static __always_inline __u32 sctp_times(__u32 a, __u32 b)
{
	__u32 product = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = b >> 1 ^ (CRC32C & -(b & 1));
	}
	return product;
}

// What becomes of the CRC of `length` bytes that differ in the first four alone.
// Not static: so the verifier looks at it once.
__noinline int sctp_difference(__u32 first, __u32 length)
{
	// x^8n modulo the polynomial, of n = 1, 2, 4, ... 32768
	const __u32 powers[16] = {
		0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
		0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
		0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
	};

#pragma unroll
	for (int bit = 0; bit < 16; bit++)
		if (length >> bit & 1)
			first = sctp_times(powers[bit], first);
	return first;
}

// Another port at offset `at` (0: source, 2: destination) of the header, and the
// CRC with it. -1: of a fragment, whose datagram's length nobody knows.
static __noinline long sctp_port(struct __sk_buff *skb, const struct packet *packet, __u32 at, __u16 old_be, __u16 new_be)
{
	__u32 crc, changed = (__u32)(old_be ^ new_be) << at * 8;

	if (packet->flags & (PACKET_FIRST | PACKET_LATER) ||
	    bpf_skb_load_bytes(skb, packet->transport + SCTP_CHECKSUM_AT, &crc, sizeof(crc)))
		return -1;
	if (crc) { // 0: the device adds it
		crc ^= sctp_difference(changed, packet->end - packet->transport);
		if (bpf_skb_store_bytes(skb, packet->transport + SCTP_CHECKSUM_AT, &crc, sizeof(crc), 0))
			return -1;
	}
	return bpf_skb_store_bytes(skb, packet->transport + at, &new_be, sizeof(new_be), 0);
}
