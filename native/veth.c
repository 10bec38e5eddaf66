#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>
#include "internal.h"

static int put_end(struct nl_msg *msg, const char *name, const uint8_t *mac, const struct canal_pod_link *link)
{
	NLA_PUT_STRING(msg, IFLA_IFNAME, name);
	if (!is_zero(mac, 6))
		NLA_PUT(msg, IFLA_ADDRESS, 6, mac);
	if (link->mtu)
		NLA_PUT_U32(msg, IFLA_MTU, link->mtu);
	NLA_PUT_U32(msg, IFLA_NUM_TX_QUEUES, link->num_queues ? link->num_queues : 1);
	NLA_PUT_U32(msg, IFLA_NUM_RX_QUEUES, link->num_queues ? link->num_queues : 1);
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

static int put_peer(struct nl_msg *msg, const struct canal_pod_link *link, int host_netns)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);

	NLA_PUT_STRING(msg, IFLA_INFO_KIND, "veth");
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
	struct nlattr *peer = nla_nest_start(msg, VETH_INFO_PEER);

	if (!info || !data || !peer || nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		goto nla_put_failure;
	if (put_end(msg, link->host_device, link->host_mac, link))
		goto nla_put_failure;
	NLA_PUT_U32(msg, IFLA_NET_NS_FD, host_netns);
	nla_nest_end(msg, peer);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

struct nl_msg *veth_order(const struct canal_pod_link *link, int host_netns)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	if (msg && (put_end(msg, link->ifname, link->pod_mac, link) || put_peer(msg, link, host_netns))) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}
