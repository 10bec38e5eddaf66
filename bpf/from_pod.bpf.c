// tc ingress of a cali* device: everything a pod sends.
#include "drop.h"
#include "edge_forward.h"
#include "forward.h"
#include "icmp.h"
#include "nat_icmp.h"
#include "neighbour.h"
#include "overlay.h"
#include "parse.h"
#include "track.h"

// Encapsulated packets would reach other nodes unpoliced.
static __always_inline bool from_pod_tunnels(const struct packet *packet, const struct canal_config *config)
{
	if (packet->protocol == IPPROTO_UDP)
		return packet->destination_port_be == config->vxlan_port_be && config->vxlan_port_be &&
		       !(config->flags & CONFIG_ALLOW_VXLAN);
	return packet->protocol == IPPROTO_IPIP && !(config->flags & CONFIG_ALLOW_IPIP);
}

static __noinline int from_pod_icmp_error(struct __sk_buff *skb, struct packet *packet)
{
	const struct canal_config *config = config_get();
	int reason;

	if (!config)
		return DROP_CONFIG;
	reason = track_source(skb, packet, config->flags);
	if (!reason && config->flags & CONFIG_SERVICES)
		reason = nat_error_request(skb, packet);
	if (!reason)
		reason = icmp_related(skb, packet);
	if (!reason && packet->source_ifindex != skb->ifindex)
		reason = DROP_ICMP_UNRELATED; // somebody else's flow
	return reason;
}

static __always_inline int from_pod_forward(struct __sk_buff *skb, struct packet *packet,
					    const struct canal_config *config, const struct decision *decision)
{
	int verdict;

	if (decision->flow_flags & FLOW_STACK || !forward_fits(packet, config))
		return TC_ACT_OK;
	if (decision->out_ifindex) {
		if (!(config->flags & CONFIG_FAST_LOCAL))
			return TC_ACT_OK;
		if (nat_answers(packet, decision->flow_flags) && nat_answer(skb, packet))
			return drop(skb, packet, DROP_NAT_FAILED);
		return forward_local(skb, packet, decision->out_ifindex);
	}
	if (!(config->flags & CONFIG_FAST_OVERLAY))
		return TC_ACT_OK;
	verdict = overlay_send(skb, packet);
	return verdict == TC_ACT_OK ? edge_forward_pod(skb, packet) : verdict;
}

// Is the destination a service's? If not, it is known where that is.
static __always_inline bool from_pod_asks_front(struct packet *packet, enum service_rows rows)
{
	const struct canal_local *local;
	__u8 protocol = packet->protocol;

	if (service_front(&packet->destination, packet->destination_port_be, protocol, FRONT_INSIDE, SERVICE_EXACT))
		return true;
	if (rows == SERVICE_EXACT)
		return false;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &packet->destination);
	if (local && !local->ifindex)
		return service_front(&packet->destination, packet->destination_port_be, protocol, FRONT_INSIDE, rows);
	packet->destination_ifindex = local ? local->ifindex : 0;
	packet->flags |= PACKET_PLACED;
	return false;
}

// May the packet be for a service? An answer is none, nor is a packet of a flow
// that was answered; and a request is asked for its service first: every look by
// a flow's own key is a cache miss.
static __always_inline bool from_pod_asks(struct packet *packet, const struct canal_flow *flow, enum service_rows rows)
{
	if (packet_opens(packet))
		return from_pod_asks_front(packet, rows);
	return !flow || (packet->flags & PACKET_NEW && flow_is_original(flow, packet));
}

#if CANAL_FAMILY == 4
// Is the pod's end of this connection to elsewhere a socket of its own? Once known,
// the flow knows it: what comes for it is not passed on (vxlan_arrive.h).
static __always_inline bool from_pod_own(const struct __sk_buff *skb, const struct packet *packet, const struct canal_flow *flow)
{
	struct bpf_sock *socket;

	if (packet->protocol != IPPROTO_TCP || (flow && flow_source_tcp(flow, packet) & TCP_OWN))
		return false;
	if (flow ? flow_destination_ifindex(flow, packet) : packet->destination_ifindex)
		return false;
	socket = skb->sk; // none behind what the pod forwards
	if (socket)
		socket = bpf_sk_fullsock(socket);
	return socket && socket->protocol == IPPROTO_TCP && socket->type == SOCK_STREAM;
}
#endif

static __always_inline int from_pod_ip(struct __sk_buff *skb, struct packet *packet, const struct canal_config *config)
{
	struct decision found = {};
	struct canal_flow *flow;
	enum service_rows rows;
	int verdict, reason = parse(skb, packet);

	if (!reason && packet->flags & (PACKET_FIRST | PACKET_LATER))
		reason = fragment_follow(packet);
	if (reason)
		return drop(skb, packet, reason);
	if (from_pod_tunnels(packet, config))
		return drop(skb, packet, DROP_TUNNEL);
	if (packet->flags & PACKET_ICMP_ROUTING)
		return drop(skb, packet, DROP_ICMP_UNRELATED);
	if (packet->flags & PACKET_ICMP_ERROR) {
		reason = from_pod_icmp_error(skb, packet);
		return reason ? drop(skb, packet, reason) : TC_ACT_OK;
	}
	parse_key(packet);
	flow = flow_find_judging(packet);
	rows = flow && flow_destination_ifindex(flow, packet) ? SERVICE_EXACT : SERVICE_NODE;
	if (config->flags & CONFIG_SERVICES && from_pod_asks(packet, flow, rows)) {
		verdict = nat_request(skb, packet, rows);
		if (verdict != NAT_GO)
			return verdict;
		if (packet->flags & PACKET_SERVICE) {
			if (from_pod_tunnels(packet, config))
				return drop(skb, packet, DROP_TUNNEL);
			flow = nat_flow(packet);
		}
	}
#if CANAL_FAMILY == 4
	if (from_pod_own(skb, packet, flow))
		packet->tcp_flags |= TCP_OWN;
#endif
	reason = track(skb, packet, config, flow, &found, HOOK_FROM_POD);
	if (reason)
		return drop(skb, packet, reason);
	return from_pod_forward(skb, packet, config, &found);
}

SEC("tc")
int canal_from_pod(struct __sk_buff *skb)
{
	const struct canal_config *config = config_get();
	struct packet packet = { .now_s = clock_seconds() };
	__be16 ethertype = skb->protocol;

	if (!config)
		return drop(skb, &packet, DROP_CONFIG);
	if (skb->vlan_present)
		return drop(skb, &packet, DROP_UNPARSED);
	if (ethertype == bpf_htons(ETH_P_FAMILY) && !(CANAL_FAMILY == 6 && is_neighbour(skb, false)))
		return from_pod_ip(skb, &packet, config);
	if (ethertype == bpf_htons(ETH_P_FAMILY) || ethertype == bpf_htons(ETH_P_ARP))
		return TC_ACT_OK;
	if (ethertype == bpf_htons(ETH_P_OTHER_FAMILY)) {
		if (config->flags & CONFIG_OTHER_FAMILY)
			return TC_ACT_UNSPEC;
		if (CANAL_FAMILY == 4 && is_neighbour(skb, false))
			return TC_ACT_OK;
	}
	return drop(skb, &packet, DROP_UNKNOWN_ETHERTYPE);
}
