#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

enum { CHANGED_LINK = 1, CHANGED_ADDR = 2, CHANGED_ROUTE = 4, CHANGED_NEIGH = 8, CHANGED_TC = 16, OVERRUN = 32 };

static const int groups[] = { RTNLGRP_LINK,	   RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
			      RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH,	RTNLGRP_TC };

int canal_monitor_open(void)
{
	struct nl_sock *sk;
	int handle = netlink_open(&sk);

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

static int change_of(int type)
{
	switch (type) {
	case RTM_NEWLINK: case RTM_DELLINK: return CHANGED_LINK;
	case RTM_NEWADDR: case RTM_DELADDR: return CHANGED_ADDR;
	case RTM_NEWROUTE: case RTM_DELROUTE: return CHANGED_ROUTE;
	case RTM_NEWNEIGH: case RTM_DELNEIGH: return CHANGED_NEIGH;
	case RTM_NEWQDISC: case RTM_DELQDISC: case RTM_NEWTFILTER: case RTM_DELTFILTER:
	case RTM_NEWTCLASS: case RTM_DELTCLASS: case RTM_NEWCHAIN: case RTM_DELCHAIN: return CHANGED_TC;
	default: return 0;
	}
}

int canal_monitor_drain(int handle)
{
	static __thread char buffer[1 << 16];
	struct nl_sock *sk = handle_get(HANDLE_MONITOR, handle);
	int bits = 0;

	if (!sk)
		return -EBADF;
	for (;;) {
		ssize_t size = recv(nl_socket_get_fd(sk), buffer, sizeof(buffer), MSG_DONTWAIT);

		if (size < 0 && errno == ENOBUFS)
			bits |= OVERRUN;
		else if (size < 0 && errno != EINTR)
			return errno == EAGAIN ? bits : -errno;
		for (struct nlmsghdr *hdr = (void *)buffer; size > 0 && NLMSG_OK(hdr, (size_t)size); hdr = NLMSG_NEXT(hdr, size))
			bits |= change_of(hdr->nlmsg_type);
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
