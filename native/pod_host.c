// The host's end of a pod's link as Calico sets it (compat.md 5.3), before it is up.
#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>
#include "internal.h"

#define NO_ADDRESSES 1 // IN6_ADDR_GEN_MODE_NONE

const uint8_t pod_link_host_mac[6] = { 0xee, 0xee, 0xee, 0xee, 0xee, 0xee };

void link_local_of(const uint8_t *mac, uint8_t *out)
{
	const uint8_t addr[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	memcpy(out, addr, 16);
}

// What is set by files only. 1: this kernel runs with IPv6.
static int sysctls(const struct canal_pod_link *link)
{
	const char *device = link->host_device;
	int err = sysctl_write("0", "ipv6/conf/%s/accept_ra", device);

	if (is_zero(link->addr6, 16))
		return err == -ENOENT ? 0 : err ? err : 1;
	if (!err)
		err = sysctl_write("0", "ipv6/conf/%s/accept_dad", device);
	if (!err)
		err = sysctl_write("0", "ipv6/conf/%s/disable_ipv6", device);
	if (!err)
		err = sysctl_write("1", "ipv6/conf/%s/proxy_ndp", device);
	if (!err)
		err = sysctl_write("1", "ipv6/conf/%s/forwarding", device);
	return err ? err : 1;
}

// The program checks sources itself, and redirected replies take other ways: no rp_filter.
static int put_ipv4(struct nl_msg *msg)
{
	struct nlattr *family = nla_nest_start(msg, AF_INET), *settings = nla_nest_start(msg, IFLA_INET_CONF);

	if (!family || !settings)
		goto nla_put_failure;
	NLA_PUT_U32(msg, IPV4_DEVCONF_ROUTE_LOCALNET, 1);
	NLA_PUT_U32(msg, IPV4_DEVCONF_PROXY_ARP, 1);
	NLA_PUT_U32(msg, IPV4_DEVCONF_FORWARDING, 1);
	NLA_PUT_U32(msg, IPV4_DEVCONF_RP_FILTER, 0);
	nla_nest_end(msg, settings);
	nla_nest_end(msg, family);
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

// Without IPv6 in the pod nobody asks for the link-local address, and the kernel need not tell of it and its routes.
static int put_ipv6(struct nl_msg *msg)
{
	struct nlattr *family = nla_nest_start(msg, AF_INET6);

	if (!family)
		goto nla_put_failure;
	NLA_PUT_U8(msg, IFLA_INET6_ADDR_GEN_MODE, NO_ADDRESSES);
	nla_nest_end(msg, family);
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

static struct nl_msg *settings(const struct canal_pod_link *link, int no_addresses)
{
	struct nl_msg *msg = link_order(0, -1);
	struct nlattr *spec;

	if (!msg)
		return NULL;
	NLA_PUT_STRING(msg, IFLA_IFNAME, link->host_device);
	spec = nla_nest_start(msg, IFLA_AF_SPEC);
	if (!spec || put_ipv4(msg) || (no_addresses && put_ipv6(msg)))
		goto nla_put_failure;
	nla_nest_end(msg, spec);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

int pod_host_settings(struct nl_sock *sk, struct canal_pod_link *link)
{
	struct netlink_batch batch = {};
	struct canal_link made;
	int ipv6 = sysctls(link), err;

	if (ipv6 < 0)
		return ipv6;
	netlink_add(&batch, settings(link, ipv6 && is_zero(link->addr6, 16)), 0);
	netlink_add(&batch, link_question(link->host_device, 0), 0);
	err = netlink_send(sk, &batch, one_link, &made);
	if (!err)
		err = netlink_talk(sk, neighbour_parameters(made.ifindex, 0));
	if (err)
		return err;
	link->host_ifindex = made.ifindex;
	memcpy(link->host_mac, made.mac, 6);
	return 0;
}
