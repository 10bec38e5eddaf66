// The second step of a pod's link: both ends up, routes, addresses (compat.md
// 5.2, 5.3, 14). Everything may be repeated.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "internal.h"

#define GATEWAY_V4 "169.254.1.1" // configured nowhere, answered by proxy ARP
#define HOST_ROUTE_METRIC 1024
#define TRIES 10
#define TRY_MS 50
#define MAX_ADDRESSES 64 // of one device

static void link_local_of(const uint8_t *mac, uint8_t *out)
{
	const uint8_t addr[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	memcpy(out, addr, 16);
}

static struct canal_route pod_route(const struct canal_pod_link *link, int family)
{
	return (struct canal_route){ .family = family, .type = RTN_UNICAST, .protocol = RTPROT_BOOT, .table = RT_TABLE_MAIN,
				     .ifindex = link->pod_ifindex };
}

static int pod_routes_v4(struct nl_sock *sk, const struct canal_pod_link *link)
{
	struct canal_route gateway = pod_route(link, 4), route = pod_route(link, 4);
	int err;

	inet_pton(AF_INET, GATEWAY_V4, gateway.dst);
	gateway.prefixlen = 32;
	gateway.scope = RT_SCOPE_LINK;
	err = route_apply(sk, &gateway);
	if (err || !link->default_route)
		return err;
	memcpy(route.gateway, gateway.dst, 4);
	return route_apply(sk, &route);
}

static int pod_routes_v6(struct nl_sock *sk, const struct canal_pod_link *link)
{
	struct canal_route route = pod_route(link, 6);

	if (!link->default_route)
		return 0;
	link_local_of(link->host_mac, route.gateway);
	return route_apply(sk, &route);
}

static int pod_address(struct nl_sock *sk, const struct canal_pod_link *link, int family)
{
	struct canal_net_addr addr = { .ifindex = link->pod_ifindex, .family = family, .prefixlen = family == 4 ? 32 : 128 };

	memcpy(addr.addr, family == 4 ? (const void *)&link->addr4_be : link->addr6, family_bytes(family));
	return addr_apply(sk, &addr);
}

static int up_inside(void *arg)
{
	struct canal_pod_link link = *(const struct canal_pod_link *)arg;
	struct canal_link found;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = link_find(sk, link.ifname, 0, &found);
	if (!err) {
		link.pod_ifindex = found.ifindex;
		err = link_change(sk, found.ifindex, NULL, 0, 1);
	}
	if (!err && link.addr4_be)
		err = pod_routes_v4(sk, &link);
	if (!err && !is_zero(link.addr6, 16))
		err = pod_routes_v6(sk, &link);
	if (!err && link.addr4_be)
		err = pod_address(sk, &link, 4);
	if (!err && !is_zero(link.addr6, 16))
		err = pod_address(sk, &link, 6);
	nl_socket_free(sk);
	return err;
}

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

static int host_route(struct nl_sock *sk, uint32_t ifindex, int family, const void *addr)
{
	struct canal_route route = { .family = family, .prefixlen = family_bytes(family) * 8, .scope = family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
				     .protocol = RTPROT_BOOT, .type = RTN_UNICAST, .table = RT_TABLE_MAIN, .ifindex = ifindex,
				     .metric = HOST_ROUTE_METRIC };
	int err;

	memcpy(route.dst, addr, family_bytes(family));
	err = route_add_exclusive(sk, &route);
	return err == -EEXIST ? routed_here(sk, &route) : err;
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

// udev may give the new device a MAC of its own at creation; ours was set with it, so this is rare.
static int settle_host(struct nl_sock *sk, const struct canal_pod_link *link, struct canal_link *host)
{
	int err = link_find(sk, link->host_device, 0, host);

	if (!err && !is_zero(link->host_mac, 6) && memcmp(host->mac, link->host_mac, 6)) {
		err = link_change(sk, host->ifindex, link->host_mac, 0, -1);
		memcpy(host->mac, link->host_mac, 6);
	}
	return err ? err : link_change(sk, host->ifindex, NULL, 0, 1);
}

int canal_pod_link_up(const char *netns, const struct canal_pod_link *link)
{
	struct canal_pod_link inside = *link;
	struct canal_link host;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = settle_host(sk, link, &host);
	if (!err) {
		memcpy(inside.host_mac, host.mac, 6);
		err = netns_run(netns, up_inside, &inside);
	}
	if (!err && link->addr4_be)
		err = host_route(sk, host.ifindex, 4, &link->addr4_be);
	if (!err && !is_zero(link->addr6, 16))
		err = host_route(sk, host.ifindex, 6, link->addr6);
	if (!err && !is_zero(link->addr6, 16))
		err = await_link_local(sk, &host);
	nl_socket_free(sk);
	return err;
}
