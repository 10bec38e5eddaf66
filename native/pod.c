// Both ends of a pod's veth: creation, and what CHECK and DEL need.
// See pod_host.c for the host's end, pod_up.c for the second step.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define GATEWAY_V4 "169.254.1.1" // configured nowhere, answered by proxy ARP

struct pod_work {
	struct canal_pod_link *link;
	int host_netns;
};

static int ipv6_sysctls(const struct canal_pod_link *link)
{
	static const char *const devices[] = { "all", "default", "lo" };
	int err = 0;

	for (int i = 0; !err && i < 3; i++)
		err = sysctl_write("0", "ipv6/conf/%s/disable_ipv6", devices[i]);
	if (!err)
		err = sysctl_write("0", "ipv6/conf/%s/accept_dad", link->ifname);
	return err ? err : sysctl_write(link->ip_forward ? "1" : "0", "ipv6/conf/all/forwarding");
}

static void add_route(struct netlink_batch *batch, const struct canal_pod_link *link, int family, const char *dst, const void *gateway)
{
	struct canal_route route = { .family = family, .type = RTN_UNICAST, .protocol = RTPROT_BOOT, .table = RT_TABLE_MAIN,
				     .ifindex = link->pod_ifindex };

	if (dst) {
		inet_pton(AF_INET, dst, route.dst);
		route.prefixlen = 32;
		route.scope = RT_SCOPE_LINK;
	}
	if (gateway)
		memcpy(route.gateway, gateway, family_bytes(family));
	netlink_add(batch, route_order(&route, NLM_F_REPLACE), 0);
}

static void add_address(struct netlink_batch *batch, const struct canal_pod_link *link, int family, int last)
{
	struct canal_net_addr addr = { .ifindex = link->pod_ifindex, .family = family, .prefixlen = family == 4 ? 32 : 128 };

	memcpy(addr.addr, family == 4 ? (const void *)&link->addr4_be : link->addr6, family_bytes(family));
	netlink_add(batch, addr_order(&addr), last);
}

// Routes need a device that is up, and addresses come after them (compat.md 5.2).
static int furnish(struct nl_sock *sk, const struct canal_pod_link *link)
{
	struct netlink_batch batch = {};
	int v6 = !is_zero(link->addr6, 16);
	uint8_t gateway[16];

	netlink_add(&batch, link_order(link->pod_ifindex, 1), !v6 && !link->addr4_be);
	if (link->addr4_be) {
		inet_pton(AF_INET, GATEWAY_V4, gateway);
		add_route(&batch, link, 4, GATEWAY_V4, NULL);
		if (link->default_route)
			add_route(&batch, link, 4, NULL, gateway);
	}
	if (v6 && link->default_route) {
		link_local_of(link->host_mac, gateway);
		add_route(&batch, link, 6, NULL, gateway);
	}
	if (link->addr4_be)
		add_address(&batch, link, 4, !v6);
	if (v6)
		add_address(&batch, link, 6, 1);
	return netlink_send(sk, &batch, NULL, NULL);
}

static int make_pair(struct nl_sock *sk, struct canal_pod_link *link, int host_netns)
{
	struct netlink_batch batch = {};
	struct canal_link made;
	int err;

	netlink_add(&batch, veth_order(link, host_netns), 0);
	netlink_add(&batch, link_question(link->ifname, 0), 0);
	err = netlink_send(sk, &batch, one_link, &made);
	if (err)
		return err;
	link->pod_ifindex = made.ifindex;
	memcpy(link->pod_mac, made.mac, 6);
	return 0;
}

static int create_inside(void *arg)
{
	struct pod_work *work = arg;
	struct canal_pod_link *link = work->link;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = make_pair(sk, link, work->host_netns);
	if (!err)
		err = sysctl_write(link->ip_forward ? "1" : "0", "ipv4/ip_forward");
	if (!err && !is_zero(link->addr6, 16))
		err = ipv6_sysctls(link);
	if (!err)
		err = furnish(sk, link);
	netlink_close(sk);
	return err;
}

static int remove_named(struct nl_sock *sk, const char *name)
{
	struct canal_link found;
	int err = link_find(sk, name, 0, &found);

	if (err)
		return err == -ENODEV ? 0 : err;
	// Only what we could have made: a pod may have real devices too.
	return strcmp(found.kind, "veth") ? -EBUSY : link_remove(sk, found.ifindex);
}

static int add_pair(struct nl_sock *sk, const char *netns, struct pod_work *work)
{
	int err = netns_run(netns, create_inside, work);
	int exists = err == -EEXIST; // of the two devices the host's may be an older sandbox's

	if (exists)
		err = remove_named(sk, work->link->host_device);
	if (exists && !err)
		err = netns_run(netns, create_inside, work);
	if (!err)
		err = pod_host_settings(sk, work->link);
	if (err && err != -EEXIST && err != -EBUSY) // ours, half made
		remove_named(sk, work->link->host_device);
	return err;
}

int canal_pod_link_add(const char *netns, struct canal_pod_link *link)
{
	struct pod_work work = { link, -1 };
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	if (is_zero(link->host_mac, 6))
		memcpy(link->host_mac, pod_link_host_mac, 6);
	work.host_netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	err = work.host_netns < 0 ? -errno : add_pair(sk, netns, &work);
	if (work.host_netns >= 0)
		close(work.host_netns);
	netlink_close(sk);
	return err;
}

static int delete_inside(void *arg)
{
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = remove_named(sk, arg);
	netlink_close(sk);
	return err;
}

int canal_pod_link_delete(const char *netns, const char *ifname)
{
	int err = netns_run(netns, delete_inside, (void *)ifname);

	return err == -ENOENT ? 0 : err;
}

int canal_pod_link_drop(const char *host_device, uint32_t ifindex)
{
	struct canal_link found;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = link_find(sk, host_device, 0, &found);
	if (!err && !strcmp(found.kind, "veth") && (!ifindex || found.ifindex == ifindex)) {
		err = link_remove(sk, found.ifindex);
		err = err ? err : 1;
	}
	netlink_close(sk);
	return err == -ENODEV ? 0 : err;
}

#define MAX_POD_ROWS 256

static int check_addresses(struct nl_sock *sk, struct canal_pod_link *link)
{
	struct canal_net_addr addrs[MAX_POD_ROWS];
	struct device_dump dump = { { addrs, sizeof(*addrs), MAX_POD_ROWS, 0 }, link->pod_ifindex };
	int err = addr_rows(sk, &dump);

	for (uint32_t i = 0; !err && i < dump.rows.count && i < MAX_POD_ROWS; i++) {
		if (addrs[i].ifindex != link->pod_ifindex || addrs[i].scope != RT_SCOPE_UNIVERSE)
			continue;
		if (addrs[i].family == 4 && !link->addr4_be)
			memcpy(&link->addr4_be, addrs[i].addr, 4);
		if (addrs[i].family == 6 && is_zero(link->addr6, 16))
			memcpy(link->addr6, addrs[i].addr, 16);
	}
	return err;
}

static int check_routes(struct nl_sock *sk, struct canal_pod_link *link)
{
	struct canal_route routes[MAX_POD_ROWS];
	struct device_dump dump = { { routes, sizeof(*routes), MAX_POD_ROWS, 0 }, link->pod_ifindex };
	int family = link->addr4_be || is_zero(link->addr6, 16) ? 4 : 6;
	int err = route_rows(sk, family, &dump);

	for (uint32_t i = 0; !err && i < dump.rows.count && i < MAX_POD_ROWS; i++)
		if (routes[i].ifindex == link->pod_ifindex && !routes[i].prefixlen && routes[i].table == RT_TABLE_MAIN)
			link->default_route = 1;
	return err;
}

static int check_inside(void *arg)
{
	struct canal_pod_link *link = arg;
	struct canal_link found;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = link_find(sk, link->ifname, 0, &found);
	if (!err) {
		link->pod_ifindex = found.ifindex;
		link->mtu = found.mtu;
		link->peer_ifindex = found.lower_ifindex;
		link->pod_up = !!(found.flags & IFF_UP);
		memcpy(link->pod_mac, found.mac, 6);
		err = check_addresses(sk, link);
		if (!err)
			err = check_routes(sk, link);
	}
	link->ip_forward = sysctl_read("ipv4/ip_forward") == 1;
	netlink_close(sk);
	return err == -ENODEV ? 0 : err;
}

int canal_pod_link_check(const char *netns, struct canal_pod_link *link)
{
	struct canal_pod_link names = *link;
	struct canal_link host;
	int err = canal_link_get(names.host_device, &host);

	if (err && err != -ENODEV)
		return err;
	memset(link, 0, sizeof(*link));
	memcpy(link->host_device, names.host_device, sizeof(names.host_device));
	memcpy(link->ifname, names.ifname, sizeof(names.ifname));
	if (!err) {
		link->host_ifindex = host.ifindex;
		link->host_up = !!(host.flags & IFF_UP);
		memcpy(link->host_mac, host.mac, 6);
	}
	return netns_run(netns, check_inside, link);
}
