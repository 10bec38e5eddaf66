// The second step of a pod's link: the host's end up, with its routes (compat.md
// 5.3, 14). Everything may be repeated.
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "internal.h"

#define HOST_ROUTE_METRIC 1024
#define TRIES 10
#define TRY_MS 50
#define MAX_ADDRESSES 64 // of one device

// Whether an existing route to the same address is the one we want.
static int routed_here(struct nl_sock *sk, const struct canal_route *want)
{
	uint32_t capacity = 64;
	struct canal_route *routes = NULL;
	struct device_dump dump;
	int err, found = 0;

	do {
		free(routes);
		routes = calloc(capacity, sizeof(*routes));
		if (!routes)
			return -ENOMEM;
		dump = (struct device_dump){ { routes, sizeof(*routes), capacity, 0 }, want->ifindex };
		err = route_rows(sk, want->family, &dump);
		capacity = dump.rows.count + 64;
	} while (!err && dump.rows.count > dump.rows.capacity);
	for (uint32_t i = 0; !err && i < dump.rows.count && !found; i++)
		found = routes[i].table == RT_TABLE_MAIN && routes[i].prefixlen == want->prefixlen && routes[i].ifindex == want->ifindex &&
			(want->family == 6 || routes[i].scope == want->scope) && !memcmp(routes[i].dst, want->dst, 16);
	free(routes);
	return err ? err : found ? 0 : -EEXIST;
}

static struct canal_route host_route(uint32_t ifindex, int family, const void *addr)
{
	struct canal_route route = { .family = family, .prefixlen = family_bytes(family) * 8, .scope = family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
				     .protocol = RTPROT_BOOT, .type = RTN_UNICAST, .table = RT_TABLE_MAIN, .ifindex = ifindex,
				     .metric = HOST_ROUTE_METRIC };

	memcpy(route.dst, addr, family_bytes(family));
	return route;
}

static int has_address(struct nl_sock *sk, uint32_t ifindex, const uint8_t *addr)
{
	struct canal_net_addr addrs[MAX_ADDRESSES];
	struct device_dump dump = { { addrs, sizeof(*addrs), MAX_ADDRESSES, 0 }, ifindex };
	int found = 0;

	if (!addr_rows(sk, &dump))
		for (uint32_t i = 0; i < dump.rows.count && i < dump.rows.capacity && !found; i++)
			found = addrs[i].family == 6 && !memcmp(addrs[i].addr, addr, 16);
	return found;
}

// The pod's gateway is the host side's link-local address: there before ADD returns.
static int await_link_local(struct nl_sock *sk, const struct canal_link *host)
{
	const struct timespec pause = { 0, TRY_MS * 1000000L };
	uint8_t want[16];

	link_local_of(host->mac, want);
	for (int i = 0; i < TRIES; i++) {
		if (has_address(sk, host->ifindex, want))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

static int up_host(struct nl_sock *sk, const struct canal_pod_link *link, uint32_t ifindex)
{
	struct canal_route routes[2];
	struct netlink_batch batch = {};
	int count = 0, err, first;

	if (link->addr4_be)
		routes[count++] = host_route(ifindex, 4, &link->addr4_be);
	if (!is_zero(link->addr6, 16))
		routes[count++] = host_route(ifindex, 6, link->addr6);
	netlink_add(&batch, link_order(ifindex, 1), !count);
	first = batch.count;
	for (int i = 0; i < count; i++)
		netlink_add(&batch, route_order(&routes[i], NLM_F_EXCL), i + 1 == count);
	netlink_send(sk, &batch, NULL, NULL);
	err = batch.short_of ? -ENOMEM : 0;
	for (int i = 0; !err && i < batch.count; i++)
		err = batch.errors[i] == -EEXIST && i >= first ? routed_here(sk, &routes[i - first]) : batch.errors[i];
	return err;
}

// udev may give the new device a MAC of its own at creation; ours was set with it, so this is rare.
static int settle_host(struct nl_sock *sk, const struct canal_pod_link *link, struct canal_link *host)
{
	const uint8_t *mac = is_zero(link->host_mac, 6) ? pod_link_host_mac : link->host_mac;
	int err = link_find(sk, link->host_device, 0, host);

	if (err || !memcmp(host->mac, mac, 6))
		return err;
	memcpy(host->mac, mac, 6);
	return link_change(sk, host->ifindex, mac, 0, -1);
}

int canal_pod_link_up(const struct canal_pod_link *link)
{
	struct canal_link host;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = settle_host(sk, link, &host);
	if (!err)
		err = up_host(sk, link, host.ifindex);
	if (!err && !is_zero(link->addr6, 16))
		err = await_link_local(sk, &host);
	netlink_close(sk);
	return err;
}
