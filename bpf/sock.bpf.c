// cgroup hooks: a socket that asks for a service is given a backend, once, and
// believes all along that it talks to the service. Packets carry the backend's
// address from the start, so nothing of services is left to do for them.
//
// Sockets of the other family come by too: IPv4 through an IPv6 socket is
// ::ffff:a.b.c.d and belongs to canal4.o (canal_*_m).
#include "service.h"

#define SOCK_PASS 1
#define SOCK_REFUSE 0
#define ECONNREFUSED 111

#if CANAL_FAMILY == 4
#define SOCK_SEC(hook) SEC("cgroup/" hook "4")
#define SOCK_SEC_MAPPED(hook) SEC("cgroup/" hook "6")
#else
#define SOCK_SEC(hook) SEC("cgroup/" hook "6")
#endif

// bpf_set_retval is of 5.18; without it a refusal is EPERM. By number, as in kernel.h.
enum bpf_func_id___sock {
	BPF_FUNC_set_retval___sock = 187,
};

static __always_inline int sock_refuse(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id___sock, BPF_FUNC_set_retval___sock))
		bpf_set_retval(-ECONNREFUSED);
	return SOCK_REFUSE;
}

// The address in the call. false: not of this object's family.
static __always_inline bool sock_peer(struct bpf_sock_addr *ctx, struct FAMILY_STRUCT(canal_backend) *peer, bool mapped)
{
	__builtin_memset(peer, 0, sizeof(*peer));
	peer->port_be = ctx->user_port;
#if CANAL_FAMILY == 4
	if (!mapped) {
		peer->addr.word_be[0] = ctx->user_ip4;
		return true;
	}
	if (ctx->user_ip6[0] || ctx->user_ip6[1] || ctx->user_ip6[2] != bpf_htonl(0xffff))
		return false;
	peer->addr.word_be[0] = ctx->user_ip6[3];
#else
	(void)mapped;
	peer->addr.word_be[0] = ctx->user_ip6[0];
	peer->addr.word_be[1] = ctx->user_ip6[1];
	peer->addr.word_be[2] = ctx->user_ip6[2];
	peer->addr.word_be[3] = ctx->user_ip6[3];
#endif
	return true;
}

static __always_inline void sock_set_peer(struct bpf_sock_addr *ctx, const struct FAMILY_STRUCT(canal_backend) *peer, bool mapped)
{
#if CANAL_FAMILY == 4
	if (mapped)
		ctx->user_ip6[3] = peer->addr.word_be[0];
	else
		ctx->user_ip4 = peer->addr.word_be[0];
#else
	(void)mapped;
	ctx->user_ip6[0] = peer->addr.word_be[0];
	ctx->user_ip6[1] = peer->addr.word_be[1];
	ctx->user_ip6[2] = peer->addr.word_be[2];
	ctx->user_ip6[3] = peer->addr.word_be[3];
#endif
	ctx->user_port = peer->port_be;
}

static __always_inline struct FAMILY_STRUCT(canal_sock_key) sock_key(struct bpf_sock_addr *ctx,
								     const struct FAMILY_STRUCT(canal_backend) *peer, __u8 way)
{
	struct FAMILY_STRUCT(canal_sock_key) key = {};

	key.cookie = bpf_get_socket_cookie(ctx);
	key.peer = *peer;
	key.protocol = ctx->protocol;
	key.way = way;
	return key;
}

static __noinline int sock_remember(struct bpf_sock_addr *ctx, const struct FAMILY_STRUCT(canal_backend) *from,
				    const struct FAMILY_STRUCT(canal_backend) *to, __u64 service, __u32 way)
{
	struct FAMILY_STRUCT(canal_sock_key) key = sock_key(ctx, from, way);
	struct FAMILY_STRUCT(canal_sock) row = { .service = service };

	row.peer = *to;
	if (bpf_map_update_elem(&CANAL_MAP(canal_sock), &key, &row, BPF_ANY))
		full_count(FULL_SERVICE);
	// An LRU map that is full takes a row back at once that nobody has looked at yet.
	bpf_map_lookup_elem(&CANAL_MAP(canal_sock), &key);
	return 0;
}

// Datagrams of a socket that is not connected keep to one backend, as those of
// a connected one do.
static __noinline bool sock_sends_to(struct bpf_sock_addr *ctx, const struct FAMILY_STRUCT(canal_backend) *service,
				     struct FAMILY_STRUCT(canal_backend) *to)
{
	struct FAMILY_STRUCT(canal_sock_key) key = sock_key(ctx, service, SOCK_SENDS);
	const struct FAMILY_STRUCT(canal_sock) *row = bpf_map_lookup_elem(&CANAL_MAP(canal_sock), &key);

	if (!row)
		return false;
	*to = row->peer;
	return service_live(row->service, to);
}

static __noinline bool sock_choose(struct bpf_sock_addr *ctx, const struct canal_front *front, struct FAMILY_STRUCT(canal_backend) *to)
{
	struct FAMILY_STRUCT(canal_affin_key) client = { .netns = bpf_get_netns_cookie(ctx) };

	if (!front)
		return false;
	client.service = front->service;
	return service_choose(front, &client, to, clock_seconds(), bpf_get_prandom_u32());
}

// A connected UDP socket cannot be moved once its backend is gone. A pod's
// packets can: from_pod does it.
static __always_inline bool sock_left_to_packets(struct bpf_sock_addr *ctx, const struct canal_config *config, bool connects)
{
	return connects && ctx->protocol == IPPROTO_UDP && config->host_netns && bpf_get_netns_cookie(ctx) != config->host_netns;
}

// A pod that is its own backend would meet itself over its loopback, where no
// policy is. Where its policy has a say its packets show it to from_pod. Which pod
// asks no hook of a socket is told; but who listens at the backend's port may be it.
static __noinline bool sock_may_meet_itself(struct bpf_sock_addr *ctx, const struct FAMILY_STRUCT(canal_backend) *to, __u32 protocol)
{
	const struct canal_local *local;
	const struct canal_endpoint *endpoint;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sock;
	__u32 ifindex;

	if (!to)
		return false;
	local = bpf_map_lookup_elem(&CANAL_MAP(canal_local), &to->addr);
	if (!local || !local->ifindex)
		return false;
	ifindex = local->ifindex;
	endpoint = bpf_map_lookup_elem(&canal_endpoint, &ifindex);
	if (!endpoint || !(endpoint->ingress_table | endpoint->egress_table))
		return false;
#if CANAL_FAMILY == 4
	tuple.ipv4.saddr = tuple.ipv4.daddr = to->addr.word_be[0];
	tuple.ipv4.dport = to->port_be;
#define SOCK_TUPLE sizeof(tuple.ipv4)
#else
	__builtin_memcpy(tuple.ipv6.saddr, &to->addr, sizeof(to->addr));
	__builtin_memcpy(tuple.ipv6.daddr, &to->addr, sizeof(to->addr));
	tuple.ipv6.dport = to->port_be;
#define SOCK_TUPLE sizeof(tuple.ipv6)
#endif
	if (protocol == IPPROTO_TCP)
		sock = bpf_sk_lookup_tcp(ctx, &tuple, SOCK_TUPLE, BPF_F_CURRENT_NETNS, 0);
	else
		sock = bpf_sk_lookup_udp(ctx, &tuple, SOCK_TUPLE, BPF_F_CURRENT_NETNS, 0);
	if (!sock)
		return false;
	bpf_sk_release(sock);
	return true;
}

// Does the node itself ask, not a pod? Not known: no.
static __always_inline bool sock_is_node(struct bpf_sock_addr *ctx, const struct canal_config *config)
{
	return config->host_netns && bpf_get_netns_cookie(ctx) == config->host_netns;
}

// The row for who asks: the node's own processes may have one of their own.
static __always_inline const struct canal_front *sock_front(struct bpf_sock_addr *ctx, const struct canal_config *config,
							     const struct FAMILY_STRUCT(canal_backend) *service, __u32 protocol)
{
	bool loopback = service_is_loopback(&service->addr) && sock_is_node(ctx, config);
	enum service_rows rows = loopback ? SERVICE_LOOPBACK : SERVICE_NODE;
	const struct canal_front *front = service_front(&service->addr, service->port_be, protocol, FRONT_INSIDE, rows), *own;

	if (!front || !(front->flags & FRONT_NODE_APART) || !sock_is_node(ctx, config))
		return front;
	own = service_front(&service->addr, service->port_be, protocol, FRONT_NODE, rows);
	return own ? own : front; // read between two writes
}

static __always_inline int sock_request(struct bpf_sock_addr *ctx, bool mapped, bool connects)
{
	const struct canal_config *config = config_get();
	struct FAMILY_STRUCT(canal_backend) service, to = {};
	const struct canal_front *front;
	__u32 protocol = ctx->protocol;
	bool known;

	if (!config || !(config->flags & CONFIG_SERVICES) || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
	    !sock_peer(ctx, &service, mapped))
		return SOCK_PASS;
	front = sock_front(ctx, config, &service, protocol);
	if (!front)
		return SOCK_PASS;
	// A pod's packets show its address; the node itself is not asked.
	if (front->flags & FRONT_SOURCE_RANGES && !sock_is_node(ctx, config))
		return SOCK_PASS;
	if (front->backends && sock_left_to_packets(ctx, config, connects))
		return SOCK_PASS;
	known = !connects && sock_sends_to(ctx, &service, &to);
	if (!known && !sock_choose(ctx, front, &to)) // dropped without a word: by the pod's device
		return front->flags & FRONT_DROP_EMPTY ? SOCK_PASS : sock_refuse();
	if (sock_may_meet_itself(ctx, &to, protocol))
		return SOCK_PASS;
	if (!known) {
		if (!connects)
			sock_remember(ctx, &service, &to, front->service, SOCK_SENDS);
		sock_remember(ctx, &to, &service, front->service, SOCK_RECEIVES);
	}
	sock_set_peer(ctx, &to, mapped);
	return SOCK_PASS;
}

static __always_inline int sock_answer(struct bpf_sock_addr *ctx, bool mapped)
{
	const struct canal_config *config = config_get();
	struct FAMILY_STRUCT(canal_sock_key) key;
	struct FAMILY_STRUCT(canal_backend) peer;
	const struct FAMILY_STRUCT(canal_sock) *row;

	if (!config || !(config->flags & CONFIG_SERVICES) || !sock_peer(ctx, &peer, mapped))
		return SOCK_PASS;
	key = sock_key(ctx, &peer, SOCK_RECEIVES);
	row = bpf_map_lookup_elem(&CANAL_MAP(canal_sock), &key);
	if (row)
		sock_set_peer(ctx, &row->peer, mapped);
	return SOCK_PASS;
}

SOCK_SEC("connect")
int canal_connect(struct bpf_sock_addr *ctx) { return sock_request(ctx, false, true); }

SOCK_SEC("sendmsg")
int canal_sendmsg(struct bpf_sock_addr *ctx) { return sock_request(ctx, false, false); }

SOCK_SEC("recvmsg")
int canal_recvmsg(struct bpf_sock_addr *ctx) { return sock_answer(ctx, false); }

SOCK_SEC("getpeername")
int canal_getpeer(struct bpf_sock_addr *ctx) { return sock_answer(ctx, false); }

#ifdef SOCK_SEC_MAPPED
SOCK_SEC_MAPPED("connect")
int canal_connect_m(struct bpf_sock_addr *ctx) { return sock_request(ctx, true, true); }

SOCK_SEC_MAPPED("sendmsg")
int canal_sendmsg_m(struct bpf_sock_addr *ctx) { return sock_request(ctx, true, false); }

SOCK_SEC_MAPPED("recvmsg")
int canal_recvmsg_m(struct bpf_sock_addr *ctx) { return sock_answer(ctx, true); }

SOCK_SEC_MAPPED("getpeername")
int canal_getpeer_m(struct bpf_sock_addr *ctx) { return sock_answer(ctx, true); }
#endif
