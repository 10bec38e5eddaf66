// Both ends of a pod's veth: creation, and what CHECK and DEL need.
// See pod_up.c for the second step.
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

struct pod_work {
	struct canal_pod_link *link;
	int host_netns;
};

static int create_inside(void *arg)
{
	struct pod_work *work = arg;
	struct canal_pod_link *link = work->link;
	const char *forward = link->ip_forward ? "1" : "0";
	struct canal_link made;
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = veth_add(sk, link, work->host_netns);
	if (!err)
		err = link_find(sk, link->ifname, 0, &made);
	if (!err)
		err = sysctl_write(forward, "ipv4/ip_forward");
	if (!err && !is_zero(link->addr6, 16)) {
		static const char *const devices[] = { "all", "default", "lo" };

		for (int i = 0; !err && i < 3; i++)
			err = sysctl_write("0", "ipv6/conf/%s/disable_ipv6", devices[i]);
		if (!err)
			err = sysctl_write("0", "ipv6/conf/%s/accept_dad", link->ifname);
		if (!err)
			err = sysctl_write(forward, "ipv6/conf/all/forwarding");
	}
	if (!err) {
		link->pod_ifindex = made.ifindex;
		memcpy(link->pod_mac, made.mac, 6);
	}
	nl_socket_free(sk);
	return err;
}

static int host_sysctls(const struct canal_pod_link *link)
{
	const char *device = link->host_device;
	int err = sysctl_write("1", "ipv4/conf/%s/route_localnet", device);

	if (!err)
		err = sysctl_write("0", "ipv4/neigh/%s/proxy_delay", device);
	if (!err)
		err = sysctl_write("1", "ipv4/conf/%s/proxy_arp", device);
	if (!err)
		err = sysctl_write("1", "ipv4/conf/%s/forwarding", device);
	if (!err) // the program checks sources itself, and redirected replies take other ways
		err = sysctl_write("0", "ipv4/conf/%s/rp_filter", device);
	if (!err)
		err = sysctl_write_v6("0", "ipv6/conf/%s/accept_ra", device);
	if (!err)
		err = sysctl_write_v6("0", "ipv6/conf/%s/accept_dad", device);
	if (err || is_zero(link->addr6, 16))
		return err;
	err = sysctl_write("0", "ipv6/conf/%s/disable_ipv6", device);
	if (!err)
		err = sysctl_write("1", "ipv6/conf/%s/proxy_ndp", device);
	return err ? err : sysctl_write("1", "ipv6/conf/%s/forwarding", device);
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

static int finish_host(struct nl_sock *sk, struct canal_pod_link *link)
{
	struct canal_link made;
	int err = link_find(sk, link->host_device, 0, &made);

	if (err)
		return err;
	link->host_ifindex = made.ifindex;
	memcpy(link->host_mac, made.mac, 6);
	return host_sysctls(link);
}

int canal_pod_link_add(const char *netns, struct canal_pod_link *link)
{
	static const uint8_t calico_mac[6] = { 0xee, 0xee, 0xee, 0xee, 0xee, 0xee };
	struct pod_work work = { link, -1 };
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	if (is_zero(link->host_mac, 6))
		memcpy(link->host_mac, calico_mac, 6);
	work.host_netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	err = work.host_netns < 0 ? -errno : remove_named(sk, link->host_device);
	if (!err) {
		err = netns_run(netns, create_inside, &work);
		if (!err)
			err = finish_host(sk, link);
		if (err && err != -EEXIST) // ours, half made
			remove_named(sk, link->host_device);
	}
	if (work.host_netns >= 0)
		close(work.host_netns);
	nl_socket_free(sk);
	return err;
}

static int delete_inside(void *arg)
{
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = remove_named(sk, arg);
	nl_socket_free(sk);
	return err;
}

int canal_pod_link_delete(const char *netns, const char *ifname)
{
	int err = netns_run(netns, delete_inside, (void *)ifname);

	return err == -ENOENT ? 0 : err;
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
	nl_socket_free(sk);
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
