#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include "internal.h"

static void copy_attr(void *to, size_t size, struct nlattr *attr)
{
	if (attr)
		nla_memcpy(to, attr, size);
}

static void parse_vxlan(struct canal_link *link, struct nlattr *data)
{
	struct nlattr *at[IFLA_VXLAN_MAX + 1];

	if (nla_parse_nested(at, IFLA_VXLAN_MAX, data, NULL) < 0)
		return;
	copy_attr(&link->vxlan_vni, 4, at[IFLA_VXLAN_ID]);
	copy_attr(&link->lower_ifindex, 4, at[IFLA_VXLAN_LINK]);
	copy_attr(&link->vxlan_local_be, 4, at[IFLA_VXLAN_LOCAL]);
	copy_attr(link->vxlan_local6, 16, at[IFLA_VXLAN_LOCAL6]);
	copy_attr(&link->vxlan_learning, 1, at[IFLA_VXLAN_LEARNING]);
	copy_attr(&link->vxlan_l2miss, 1, at[IFLA_VXLAN_L2MISS]);
	link->vxlan_gbp = at[IFLA_VXLAN_GBP] != NULL;
	link->vxlan_group = at[IFLA_VXLAN_GROUP] || at[IFLA_VXLAN_GROUP6];
	if (at[IFLA_VXLAN_PORT])
		link->vxlan_port = ntohs(nla_get_u16(at[IFLA_VXLAN_PORT]));
}

static int parse_link(struct nlmsghdr *hdr, struct canal_link *link)
{
	struct nlattr *at[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct ifinfomsg *head = nlmsg_data(hdr);

	if (nlmsg_parse(hdr, sizeof(*head), at, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	link->ifindex = head->ifi_index;
	link->flags = head->ifi_flags;
	link->peer_netns = at[IFLA_LINK_NETNSID] ? (int32_t)nla_get_u32(at[IFLA_LINK_NETNSID]) : -1;
	copy_attr(&link->mtu, 4, at[IFLA_MTU]);
	copy_attr(&link->lower_ifindex, 4, at[IFLA_LINK]);
	copy_attr(&link->master, 4, at[IFLA_MASTER]);
	copy_attr(&link->operstate, 1, at[IFLA_OPERSTATE]);
	if (at[IFLA_ADDRESS] && nla_len(at[IFLA_ADDRESS]) == 6)
		copy_attr(link->mac, 6, at[IFLA_ADDRESS]);
	if (at[IFLA_IFNAME])
		nla_strlcpy(link->name, at[IFLA_IFNAME], sizeof(link->name));
	if (at[IFLA_LINKINFO] && !nla_parse_nested(info, IFLA_INFO_MAX, at[IFLA_LINKINFO], NULL) && info[IFLA_INFO_KIND]) {
		nla_strlcpy(link->kind, info[IFLA_INFO_KIND], sizeof(link->kind));
		if (info[IFLA_INFO_DATA] && !strcmp(link->kind, "vxlan"))
			parse_vxlan(link, info[IFLA_INFO_DATA]);
	}
	return 0;
}

static int each_link(struct nlmsghdr *hdr, void *arg)
{
	struct canal_link *row = row_next(arg);

	return row ? parse_link(hdr, row) : 0;
}

int canal_link_list(struct canal_link *out, uint32_t capacity, uint32_t *needed)
{
	struct row_array rows = { out, sizeof(*out), capacity, 0 };
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = netlink_dump(sk, RTM_GETLINK, &head, sizeof(head), each_link, &rows, &rows);
	netlink_close(sk);
	return err ? err : row_result(&rows, needed);
}

int one_link(struct nlmsghdr *hdr, void *arg) { return parse_link(hdr, memset(arg, 0, sizeof(struct canal_link))); }

struct nl_msg *link_question(const char *name, uint32_t ifindex)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex };
	struct nl_msg *msg = netlink_message(RTM_GETLINK, 0, &head, sizeof(head));

	if (msg && name && nla_put_string(msg, IFLA_IFNAME, name) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

int link_find(struct nl_sock *sk, const char *name, uint32_t ifindex, struct canal_link *out)
{
	return netlink_query(sk, link_question(name, ifindex), one_link, out);
}

int canal_link_get(const char *name, struct canal_link *out)
{
	struct nl_sock *sk;
	int err = strlen(name) < CANAL_IFNAMSIZ ? netlink_open(&sk) : -ENODEV;

	if (err)
		return err;
	err = link_find(sk, name, 0, out);
	netlink_close(sk);
	return err;
}

int canal_link_at(uint32_t ifindex, struct canal_link *out)
{
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = link_find(sk, NULL, ifindex, out);
	netlink_close(sk);
	return err;
}

static int put_vxlan(struct nl_msg *msg, const struct canal_link *want)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);

	NLA_PUT_STRING(msg, IFLA_INFO_KIND, "vxlan");
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);

	if (!info || !data)
		goto nla_put_failure;
	NLA_PUT_U32(msg, IFLA_VXLAN_ID, want->vxlan_vni);
	NLA_PUT_U8(msg, IFLA_VXLAN_LEARNING, want->vxlan_learning);
	if (want->lower_ifindex)
		NLA_PUT_U32(msg, IFLA_VXLAN_LINK, want->lower_ifindex);
	if (want->vxlan_local_be)
		NLA_PUT_U32(msg, IFLA_VXLAN_LOCAL, want->vxlan_local_be);
	else if (!is_zero(want->vxlan_local6, 16))
		NLA_PUT(msg, IFLA_VXLAN_LOCAL6, 16, want->vxlan_local6);
	// Left out, the kernel takes its own default (8472).
	if (want->vxlan_port)
		NLA_PUT_U16(msg, IFLA_VXLAN_PORT, htons(want->vxlan_port));
	if (want->vxlan_gbp)
		NLA_PUT_FLAG(msg, IFLA_VXLAN_GBP);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

static int add_vxlan(struct nl_sock *sk, const struct canal_link *want)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, want->name);
	if (want->mtu)
		NLA_PUT_U32(msg, IFLA_MTU, want->mtu);
	if (!is_zero(want->mac, 6))
		NLA_PUT(msg, IFLA_ADDRESS, 6, want->mac);
	if (put_vxlan(msg, want))
		goto nla_put_failure;
	return netlink_talk(sk, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

int canal_link_add_vxlan(const struct canal_link *want)
{
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = add_vxlan(sk, want);
	netlink_close(sk);
	return err;
}

int link_remove(struct nl_sock *sk, uint32_t ifindex)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex };
	int err = netlink_talk(sk, netlink_message(RTM_DELLINK, 0, &head, sizeof(head)));

	return err == -ENODEV ? 0 : err;
}

int canal_link_delete(uint32_t ifindex)
{
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = link_remove(sk, ifindex);
	netlink_close(sk);
	return err;
}

struct nl_msg *link_order(uint32_t ifindex, int up)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex };

	if (up >= 0) {
		head.ifi_change = IFF_UP;
		head.ifi_flags = up ? IFF_UP : 0;
	}
	return netlink_message(RTM_NEWLINK, 0, &head, sizeof(head));
}

int link_change(struct nl_sock *sk, uint32_t ifindex, const uint8_t *mac, uint32_t mtu, int up)
{
	struct nl_msg *msg = link_order(ifindex, up);

	if (!msg)
		return -ENOMEM;
	if (mac)
		NLA_PUT(msg, IFLA_ADDRESS, 6, mac);
	if (mtu)
		NLA_PUT_U32(msg, IFLA_MTU, mtu);
	return netlink_talk(sk, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

int canal_link_set(uint32_t ifindex, const uint8_t *mac, uint32_t mtu, int up)
{
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = link_change(sk, ifindex, mac, mtu, up);
	netlink_close(sk);
	return err;
}
