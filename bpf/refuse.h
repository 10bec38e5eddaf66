// Says no at once, in the service's name: a reset to TCP, ICMP port
// unreachable to the rest. The refused packet becomes the answer and goes back
// into its pod, or out through the uplink.
#pragma once
#include "drop.h"
#include "maps.h"
#include "parse.h"
#include "scratch.h"

#if CANAL_FAMILY == 4
typedef struct iphdr refuse_ip;
#else
typedef struct ipv6hdr refuse_ip;
#endif

struct refuse_icmp {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u32 rest_be;
};

// The refused packet, as far as the answer repeats it.
struct refuse_quote {
	refuse_ip ip;
	__u8 transport[8];
};

// Answers, behind two bytes that align them.
struct refuse_reset {
	__u8 zero[2];
	struct ethhdr eth;
	refuse_ip ip;
	struct tcphdr tcp;
};

struct refuse_error {
	__u8 zero[2];
	struct ethhdr eth;
	refuse_ip ip;
	struct refuse_icmp icmp;
};

// ICMP type and code (RFC 792, RFC 1191; RFC 4443).
#if CANAL_FAMILY == 4
#define REFUSE_PORT_UNREACHABLE 3, 3
#define REFUSE_TOO_BIG 3, 4
#else
#define REFUSE_PORT_UNREACHABLE 1, 4
#define REFUSE_TOO_BIG 2, 0
#endif

#define REFUSE_BYTES(answer) (sizeof(answer) - sizeof((answer).zero))

static __always_inline __u16 refuse_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

// From the service to the pod.
static __always_inline void refuse_network(refuse_ip *ip, const struct packet *packet, __u8 protocol, __u16 length)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = CANAL_FAMILY;
#if CANAL_FAMILY == 4
	ip->ihl = 5;
	ip->tot_len = bpf_htons(sizeof(*ip) + length);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->saddr = packet->destination.word_be[0];
	ip->daddr = packet->source.word_be[0];
	ip->check = refuse_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
#else
	ip->payload_len = bpf_htons(length);
	ip->nexthdr = protocol;
	ip->hop_limit = 64;
	__builtin_memcpy(&ip->saddr, &packet->destination, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &packet->source, sizeof(ip->daddr));
#endif
}

static __always_inline __u32 refuse_pseudo(const struct packet *packet, __u8 protocol, __u16 length)
{
	__be32 tail = bpf_htonl(protocol << 16 | length); // IPv6's words have the same sum
	__u32 sum = bpf_csum_diff(NULL, 0, (__be32 *)packet->source.word_be, sizeof(packet->source), 0);

	sum = bpf_csum_diff(NULL, 0, (__be32 *)packet->destination.word_be, sizeof(packet->destination), sum);
	return bpf_csum_diff(NULL, 0, &tail, sizeof(tail), sum);
}

static __always_inline void refuse_macs(struct ethhdr *eth, const struct ethhdr *asked)
{
	__builtin_memcpy(eth->h_dest, asked->h_source, sizeof(eth->h_dest));
	__builtin_memcpy(eth->h_source, asked->h_dest, sizeof(eth->h_source));
	eth->h_proto = bpf_htons(ETH_P_FAMILY);
}

// RFC 9293 3.10.7.1.
static __always_inline void refuse_tcp_header(struct tcphdr *tcp, const struct tcphdr *asked, const struct packet *packet)
{
	__u32 length = packet->end - packet->transport - asked->doff * 4 + asked->syn + asked->fin;

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = asked->dest;
	tcp->dest = asked->source;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	if (asked->ack) {
		tcp->seq = asked->ack_seq;
		return;
	}
	tcp->ack = 1;
	tcp->ack_seq = bpf_htonl(bpf_ntohl(asked->seq) + length);
}

static __noinline int refuse_tcp(struct __sk_buff *skb, const struct packet *packet)
{
	struct scratch *scratch = scratch_get();
	struct refuse_reset *answer;
	struct tcphdr asked;
	struct ethhdr eth;

	if (!scratch || packet->tcp_flags & TCP_RST || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
	    bpf_skb_load_bytes(skb, packet->transport, &asked, sizeof(asked)))
		return -1;
	answer = (void *)scratch->reply;
	refuse_macs(&answer->eth, &eth);
	refuse_network(&answer->ip, packet, IPPROTO_TCP, sizeof(answer->tcp));
	refuse_tcp_header(&answer->tcp, &asked, packet);
	answer->tcp.check = refuse_fold(bpf_csum_diff(NULL, 0, (__be32 *)&answer->tcp, sizeof(answer->tcp),
						     refuse_pseudo(packet, IPPROTO_TCP, sizeof(answer->tcp))));
	if (bpf_skb_change_tail(skb, REFUSE_BYTES(*answer), 0))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &answer->eth, REFUSE_BYTES(*answer), 0);
}

// rest: of the ICMP header, network order.
static __noinline int refuse_icmp(struct __sk_buff *skb, const struct packet *packet, __u32 type, __u32 code, __u32 rest_be)
{
	struct scratch *scratch = scratch_get();
	struct refuse_error *answer;
	struct refuse_quote quote;
	struct ethhdr eth;
	__u32 sum = 0, length = sizeof(answer->icmp) + sizeof(quote);

	// What has options or no ports is dropped without a word.
	if (!scratch || packet->flags & (PACKET_OPTIONS | PACKET_LATER) || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &quote, sizeof(quote)))
		return -1;
	answer = (void *)scratch->reply;
	refuse_macs(&answer->eth, &eth);
	refuse_network(&answer->ip, packet, ICMP_PROTOCOL, length);
	answer->icmp = (struct refuse_icmp){ .type = type, .code = code, .rest_be = rest_be };
	if (CANAL_FAMILY == 6)
		sum = refuse_pseudo(packet, ICMP_PROTOCOL, length);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&answer->icmp, sizeof(answer->icmp), sum);
	answer->icmp.checksum = refuse_fold(bpf_csum_diff(NULL, 0, (__be32 *)&quote, sizeof(quote), sum));
	if (bpf_skb_change_tail(skb, ETH_HLEN + sizeof(quote), 0) ||
	    bpf_skb_adjust_room(skb, REFUSE_BYTES(*answer) - ETH_HLEN, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &answer->eth, REFUSE_BYTES(*answer), 0);
}

static __always_inline int refuse_back(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;

	return bpf_map_lookup_elem(&canal_outside, &ifindex) ? bpf_redirect(ifindex, 0) : bpf_redirect_peer(ifindex, 0);
}

// Counted as a drop; who sent it gets to know. Returns the verdict.
static __noinline int refuse(struct __sk_buff *skb, const struct packet *packet, __u32 reason)
{
	int verdict = drop(skb, packet, reason);
	long error;

	if (packet->protocol == IPPROTO_TCP)
		error = refuse_tcp(skb, packet);
	else
		error = refuse_icmp(skb, packet, REFUSE_PORT_UNREACHABLE, 0);
	return error ? verdict : refuse_back(skb);
}

// Larger than the way behind the node carries and not to be cut here. No drop:
// the sender repeats it smaller.
static __always_inline int refuse_size(struct __sk_buff *skb, const struct packet *packet, __u32 mtu)
{
	return refuse_icmp(skb, packet, REFUSE_TOO_BIG, bpf_htonl(mtu)) ? TC_ACT_SHOT : refuse_back(skb);
}
