// Services packet by packet: for what no socket hook has translated. A pod's
// packet to a service gets its backend's address in from_pod, before policy
// and conntrack, which know only the backend; answers get the service's
// address back where they are handed to the pod, after both.
//
// canal_nat has a row for each way, written with a flow's first packet. The
// flow's conntrack row has FLOW_NAT, so that other flows pay for nothing.
#pragma once
#include "conntrack.h"
#include "forward.h"
#include "refuse.h"
#include "rewrite.h"
#include "scratch.h"
#include "service.h"
#include "track.h"

#define NAT_REPEATS 60 // seconds in which a connection request repeats an earlier one (RFC 6298: 1, 3, 7, 15, 31)
#define NAT_GO (-1)    // no verdict yet: the packet goes on as it is now
#define SCTP_INIT 1    // chunk type

static __always_inline struct FAMILY_STRUCT(canal_nat_key) nat_key(const struct FAMILY_STRUCT(addr) *client, __u16 client_port_be,
								   const struct FAMILY_STRUCT(addr) *peer, __u16 peer_port_be,
								   __u8 protocol, __u8 way)
{
	struct FAMILY_STRUCT(canal_nat_key) key = {};

	key.client = *client;
	key.peer = *peer;
	key.client_port_be = client_port_be;
	key.peer_port_be = peer_port_be;
	key.protocol = protocol;
	key.way = way;
	return key;
}

static __always_inline const struct FAMILY_STRUCT(canal_nat) *nat_find(const struct packet *packet, __u8 way)
{
	struct FAMILY_STRUCT(canal_nat_key) key;

	if (way == NAT_REQUEST)
		key = nat_key(&packet->source, packet->source_port_be, &packet->destination, packet->destination_port_be,
			      packet->protocol, way);
	else
		key = nat_key(&packet->destination, packet->destination_port_be, &packet->source, packet->source_port_be,
			      packet->protocol, way);
	return bpf_map_lookup_elem(&CANAL_MAP(canal_nat), &key);
}

// A packet that may begin a flow under a known flow's ports.
static __always_inline bool nat_opens(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 chunk;

	if (packet->protocol == IPPROTO_SCTP)
		return !bpf_skb_load_bytes(skb, packet->transport + 12, &chunk, 1) && chunk == SCTP_INIT;
	return packet_opens(packet);
}

// Does the packet go where the flow's earlier ones went? UDP only as long as
// the backend is one; connections until they end.
static __always_inline bool nat_holds(struct __sk_buff *skb, const struct packet *packet, const struct FAMILY_STRUCT(canal_nat) *row)
{
	bool opens = nat_opens(skb, packet);

	if (row->flags & NAT_HAIRPIN_ANSWER)
		return !opens;
	if (opens && packet->now_s - row->opened_s > NAT_REPEATS)
		return false;
	if (!opens && (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_SCTP))
		return true;
	return service_live(row->service, &row->to);
}

static __always_inline void nat_put(const struct FAMILY_STRUCT(canal_nat_key) *key, const struct FAMILY_STRUCT(canal_nat) *row)
{
	if (bpf_map_update_elem(&CANAL_MAP(canal_nat), key, row, BPF_ANY))
		full_count(FULL_SERVICE);
	// An LRU map that is full takes a row back at once that nobody has looked at yet.
	bpf_map_lookup_elem(&CANAL_MAP(canal_nat), key);
}

// Where the row of the other way is.
static __always_inline struct FAMILY_STRUCT(canal_nat_key) nat_answer_key(const struct packet *packet, const struct FAMILY_STRUCT(canal_nat) *row)
{
	if (row->flags & NAT_HAIRPIN)
		return nat_key(&packet->source, row->to.port_be, &packet->destination, packet->source_port_be, packet->protocol, NAT_REQUEST);
	return nat_key(&packet->source, packet->source_port_be, &row->to.addr, row->to.port_be, packet->protocol, NAT_ANSWER);
}

// The row of the other way. A pod that is its own backend would be handed a
// packet from itself, which its kernel refuses: it gets the service's address
// for the client's, keeping the port, and sends the answer there.
static __noinline int nat_put_answer(const struct packet *packet, struct scratch *scratch)
{
	struct FAMILY_STRUCT(canal_nat) *row = &scratch->nat, *answer = &scratch->nat_answer;
	struct FAMILY_STRUCT(canal_nat_key) key = nat_answer_key(packet, row);

	*answer = *row;
	if (row->flags & NAT_HAIRPIN) {
		row->from_port_be = packet->source_port_be;
		answer->to.addr = packet->source;
		answer->to.port_be = packet->source_port_be;
		answer->from_port_be = packet->destination_port_be;
		answer->flags = NAT_HAIRPIN_ANSWER;
	} else {
		answer->to.addr = packet->destination;
		answer->to.port_be = packet->destination_port_be;
	}
	nat_put(&key, answer);
	return 0;
}

// The least recently used rows go one by one, and without the other way's the
// answers would come from a stranger. A look keeps it.
static __noinline bool nat_has_answer(const struct packet *packet, const struct FAMILY_STRUCT(canal_nat) *row)
{
	struct FAMILY_STRUCT(canal_nat_key) key = {};

	if (!row || row->flags & NAT_HAIRPIN_ANSWER)
		return true;
	key = nat_answer_key(packet, row);
	return bpf_map_lookup_elem(&CANAL_MAP(canal_nat), &key);
}

// Of the client's and the service's address, port and protocol.
static __always_inline __u32 nat_hash(const struct packet *packet)
{
	__u32 hash = service_mix(packet->protocol, (__u32)packet->source_port_be << 16 | packet->destination_port_be);

#pragma unroll
	for (int i = 0; i < ADDR_WORDS; i++)
		hash = service_mix(service_mix(hash, packet->source.word_be[i]), packet->destination.word_be[i]);
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

// A backend for a flow's first packet, in scratch->nat.
static __noinline bool nat_choose(const struct packet *packet, const struct canal_front *front, struct scratch *scratch)
{
	struct FAMILY_STRUCT(canal_affin_key) *client = &scratch->client;
	struct FAMILY_STRUCT(canal_nat) *row = &scratch->nat;

	__builtin_memset(client, 0, sizeof(*client));
	__builtin_memset(row, 0, sizeof(*row));
	client->service = front->service;
	client->client = packet->source;
	if (!service_choose(front, client, &row->to, packet->now_s, nat_hash(packet)))
		return false;
	row->service = front->service;
	row->opened_s = packet->now_s;
	if (address_equal(&row->to.addr, &packet->source))
		row->flags = NAT_HAIRPIN;
	return true;
}

static __noinline int nat_put_request(const struct packet *packet, struct scratch *scratch)
{
	struct FAMILY_STRUCT(canal_nat_key) key = nat_key(&packet->source, packet->source_port_be, &packet->destination, packet->destination_port_be,
							  packet->protocol, NAT_REQUEST);

	nat_put(&key, &scratch->nat);
	return 0;
}

// What the pod's own policy says of a packet that leaves it and enters it again,
// as Felix judges it where the host stack forwards it back. Conntrack does not
// know the flow, so each request packet is asked for; answers are not. 0: allowed.
static __noinline int nat_judge_self(struct __sk_buff *skb, struct packet *packet)
{
	packet->source_ifindex = skb->ifindex;
	packet->destination_ifindex = skb->ifindex;
	return policy_judge_ends(packet, 0);
}

// Back into the pod it came from; no other pod has a say.
static __always_inline int nat_hairpin(struct __sk_buff *skb, struct packet *packet, const struct FAMILY_STRUCT(canal_nat) *row)
{
	const struct canal_config *config = config_get();
	struct FAMILY_STRUCT(canal_backend) from = {};
	int reason;

	from.addr = packet->destination;
	from.port_be = row->from_port_be;
	reason = config ? track_source(skb, packet, config->flags) : DROP_CONFIG;
	if (!reason)
		reason = rewrite_destination(skb, packet, &row->to);
	if (!reason && !(row->flags & NAT_HAIRPIN_ANSWER))
		reason = nat_judge_self(skb, packet);
	if (!reason)
		reason = rewrite_source(skb, packet, &from);
	return reason ? drop(skb, packet, reason) : forward_local(skb, packet, skb->ifindex);
}

static __noinline int nat_translate(struct __sk_buff *skb, struct packet *packet, const struct FAMILY_STRUCT(canal_nat) *row)
{
	int reason;

	if (row->flags & (NAT_HAIRPIN | NAT_HAIRPIN_ANSWER))
		return nat_hairpin(skb, packet, row);
	reason = rewrite_destination(skb, packet, &row->to);
	if (reason)
		return drop(skb, packet, reason);
	packet->flags = (packet->flags & ~PACKET_NEW) | PACKET_SERVICE;
	parse_key(packet);
	return NAT_GO;
}

static __always_inline int nat_refuse(struct __sk_buff *skb, const struct packet *packet, const struct canal_front *front)
{
	if (front->flags & FRONT_DROP_EMPTY)
		return drop(skb, packet, DROP_NO_BACKEND);
	return refuse(skb, packet, DROP_NO_BACKEND);
}

// A pod's packet that no flow covers. Who made the row of a known flow was no
// spoofer; whether this packet's sender is one, track says. NAT_GO, with another destination where
// it was a service's; or a verdict.
static __noinline int nat_request(struct __sk_buff *skb, struct packet *packet, enum service_rows rows)
{
	const struct canal_config *config = config_get();
	const struct FAMILY_STRUCT(canal_nat) *known;
	struct scratch *scratch = scratch_get();
	const struct canal_front *front;
	int reason;

	if (!config || !scratch || !has_ports(packet->protocol))
		return NAT_GO;
	known = nat_find(packet, NAT_REQUEST);
	if (known) {
		scratch->nat = *known;
		if (nat_holds(skb, packet, &scratch->nat)) {
			if (!nat_has_answer(packet, &scratch->nat))
				nat_put_answer(packet, scratch);
			return nat_translate(skb, packet, &scratch->nat);
		}
	}
	front = service_front(&packet->destination, packet->destination_port_be, packet->protocol, FRONT_INSIDE, rows);
	if (!front)
		return NAT_GO;
	reason = track_source(skb, packet, config->flags);
	if (reason)
		return drop(skb, packet, reason);
	if (!service_in_range(front, &packet->source))
		return drop(skb, packet, DROP_SOURCE_RANGE);
	if (!front->backends)
		return nat_refuse(skb, packet, front);
	if (packet->protocol == IPPROTO_TCP && !packet_opens(packet))
		return refuse(skb, packet, DROP_NAT_UNKNOWN);
	if (!nat_choose(packet, front, scratch))
		return nat_refuse(skb, packet, front);
	nat_put_answer(packet, scratch); // before the request's, to which it adds
	nat_put_request(packet, scratch);
	return nat_translate(skb, packet, &scratch->nat);
}

// The flow of a translated request. One that was there before without a
// service (UDP from the same port) has answers to translate from now on.
static __noinline struct canal_flow *nat_flow(struct packet *packet)
{
	struct canal_flow *flow = flow_find(packet), row;

	if (!flow || flow->flags & FLOW_NAT)
		return flow;
	row = *flow;
	row.flags |= FLOW_NAT;
	flow_store(packet, &row, !(packet->flags & PACKET_NEW));
	packet->flags &= ~PACKET_NEW;
	return flow_find(packet);
}

// An answer on its way into the pod that asked a service. 0 or a drop reason.
static __noinline int nat_answer(struct __sk_buff *skb, struct packet *packet)
{
	const struct FAMILY_STRUCT(canal_nat) *known = nat_find(packet, NAT_ANSWER);
	struct FAMILY_STRUCT(canal_backend) service;

	if (!known)
		return 0;
	service = known->to;
	return rewrite_source(skb, packet, &service);
}

static __always_inline bool nat_answers(const struct packet *packet, __u32 flow_flags)
{
	return unlikely(flow_flags & FLOW_NAT) && !(packet->flags & PACKET_SERVICE) &&
	       !(flow_flags & FLOW_ORIGIN_B) != !(packet->flags & PACKET_SOURCE_IS_B);
}
