#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

enum { CHANGED_LINK = 1, CHANGED_ADDR = 2, CHANGED_ROUTE = 4, CHANGED_NEIGH = 8, CHANGED_TC = 16, CHANGED_ALL = 31 };

static const int groups[] = { RTNLGRP_LINK,	   RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
			      RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH,	RTNLGRP_TC };

int canal_monitor_open(void)
{
	struct nl_sock *sk;
	int handle = netlink_open_to(NETLINK_ROUTE, &sk);

	if (handle)
		return handle;
	for (size_t i = 0; !handle && i < sizeof(groups) / sizeof(*groups); i++)
		if (nl_socket_add_membership(sk, groups[i]) < 0)
			handle = errno ? -errno : -EIO;
	if (!handle)
		handle = handle_put(HANDLE_MONITOR, sk);
	if (handle < 0)
		nl_socket_free(sk);
	return handle;
}

int canal_monitor_fd(int handle)
{
	struct nl_sock *sk = handle_get(HANDLE_MONITOR, handle);

	return sk ? nl_socket_get_fd(sk) : -EBADF;
}

// Notices of one drain, one row a device.
struct notices {
	struct canal_notice *out;
	uint32_t capacity, count;
};

static void note(struct notices *notices, uint32_t ifindex, uint32_t changed)
{
	uint32_t at = notices->count;

	// The latest first: what happens to a device comes in a row.
	while (at && notices->out[at - 1].ifindex != ifindex)
		at--;
	if (at) {
		notices->out[at - 1].changed |= changed;
	} else if (notices->count < notices->capacity) {
		notices->out[notices->count++] = (struct canal_notice){ ifindex, changed };
	} else {
		notices->out[0] = (struct canal_notice){ 0, CHANGED_ALL };
		notices->count = 1;
	}
}

// A route that replaces another may have taken it from any device, and a multipath one lies on several.
static void note_route(struct notices *notices, struct nlmsghdr *hdr)
{
	struct rtmsg *head = nlmsg_data(hdr);
	struct nlattr *at[RTA_MAX + 1];

	if (head->rtm_table == RT_TABLE_LOCAL || head->rtm_flags & RTM_F_CLONED)
		return;
	if (nlmsg_parse(hdr, sizeof(*head), at, RTA_MAX, NULL) < 0 || !at[RTA_OIF] || at[RTA_MULTIPATH] || hdr->nlmsg_flags & NLM_F_REPLACE)
		note(notices, 0, CHANGED_ROUTE);
	else
		note(notices, nla_get_u32(at[RTA_OIF]), CHANGED_ROUTE);
}

static void note_message(struct notices *notices, struct nlmsghdr *hdr)
{
	const struct tcmsg *tc = nlmsg_data(hdr);

	switch (hdr->nlmsg_type) {
	case RTM_NEWLINK: case RTM_DELLINK:
		return note(notices, ((struct ifinfomsg *)nlmsg_data(hdr))->ifi_index, CHANGED_LINK);
	case RTM_NEWADDR: case RTM_DELADDR:
		return note(notices, ((struct ifaddrmsg *)nlmsg_data(hdr))->ifa_index, CHANGED_ADDR);
	case RTM_NEWROUTE: case RTM_DELROUTE:
		return note_route(notices, hdr);
	case RTM_NEWNEIGH: case RTM_DELNEIGH:
		return note(notices, ((struct ndmsg *)nlmsg_data(hdr))->ndm_ifindex, CHANGED_NEIGH);
	case RTM_NEWQDISC: case RTM_DELQDISC: case RTM_NEWTFILTER: case RTM_DELTFILTER:
	case RTM_NEWTCLASS: case RTM_DELTCLASS: case RTM_NEWCHAIN: case RTM_DELCHAIN:
		// A block that devices share has no device.
		return note(notices, tc->tcm_ifindex > 0 ? (uint32_t)tc->tcm_ifindex : 0, CHANGED_TC);
	}
}

int canal_monitor_drain(int handle, struct canal_notice *out, uint32_t capacity)
{
	static __thread char buffer[1 << 16];
	struct nl_sock *sk = handle_get(HANDLE_MONITOR, handle);
	struct notices notices = { out, capacity, 0 };

	if (!sk)
		return -EBADF;
	for (;;) {
		ssize_t size = recv(nl_socket_get_fd(sk), buffer, sizeof(buffer), MSG_DONTWAIT);

		if (size < 0 && errno == ENOBUFS)
			note(&notices, 0, CHANGED_ALL);
		else if (size < 0 && errno != EINTR)
			return errno == EAGAIN ? (int)notices.count : -errno;
		for (struct nlmsghdr *hdr = (void *)buffer; size > 0 && NLMSG_OK(hdr, (size_t)size); hdr = NLMSG_NEXT(hdr, size))
			note_message(&notices, hdr);
	}
}

int canal_monitor_close(int handle)
{
	struct nl_sock *sk = handle_take(HANDLE_MONITOR, handle);

	if (!sk)
		return -EBADF;
	nl_socket_free(sk);
	return 0;
}
