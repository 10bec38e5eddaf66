#include <errno.h>
#include <linux/if.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

enum { CHANGED_LINK = 1, CHANGED_ADDR = 2, CHANGED_ROUTE = 4, CHANGED_NEIGH = 8, CHANGED_TC = 16, LINK_DOWN = 32, ADDR_GONE = 64, CHANGED_ALL = 127 };

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

// Notices of one drain, one row a device; and rows that were told whole.
struct notices {
	struct canal_notice *out;
	uint32_t capacity, count;
	struct canal_told *told;
	uint32_t told_capacity, told_count;
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

static void tell(struct notices *notices, uint32_t change, int gone, uint32_t ifindex, const void *row, size_t size)
{
	struct canal_told *told = notices->told + notices->told_count;

	if (notices->told_count == notices->told_capacity)
		return note(notices, ifindex, change);
	*told = (struct canal_told){ .change = change, .gone = gone };
	memcpy(told->row, row, size);
	notices->told_count++;
}

// A multipath route lies on several devices, and one without device on none.
static void note_route(struct notices *notices, struct nlmsghdr *hdr)
{
	const struct rtmsg *head = nlmsg_data(hdr);
	struct canal_route row = {};

	if (head->rtm_table == RT_TABLE_LOCAL || head->rtm_flags & RTM_F_CLONED)
		return;
	if (route_parse(hdr, &row) || nlmsg_find_attr(hdr, sizeof(*head), RTA_MULTIPATH))
		note(notices, 0, CHANGED_ROUTE);
	else
		tell(notices, CHANGED_ROUTE, hdr->nlmsg_type == RTM_DELROUTE, 0, &row, sizeof(row));
}

static void note_neigh(struct notices *notices, struct nlmsghdr *hdr)
{
	struct canal_neigh row;
	int err = neigh_parse(hdr, &row);

	if (!err)
		tell(notices, CHANGED_NEIGH, hdr->nlmsg_type == RTM_DELNEIGH, row.ifindex, &row, sizeof(row));
	else if (err != -ENOENT)
		note(notices, 0, CHANGED_NEIGH);
}

static void note_link(struct notices *notices, struct nlmsghdr *hdr)
{
	const struct ifinfomsg *head = nlmsg_data(hdr);
	// Without ARP the kernel forgets neighbours, permanent ones too; ~0 is said of a device that is new.
	int arp = head->ifi_change != ~0u && head->ifi_change & IFF_NOARP;
	int lost = hdr->nlmsg_type == RTM_DELLINK || !(head->ifi_flags & IFF_UP) || arp;

	note(notices, head->ifi_index, CHANGED_LINK | (lost ? LINK_DOWN : 0));
}

static void note_filter(struct notices *notices, struct nlmsghdr *hdr)
{
	const struct tcmsg *head = nlmsg_data(hdr);
	struct canal_attachment row;

	if (!filter_parse(hdr, &row))
		tell(notices, CHANGED_TC, hdr->nlmsg_type == RTM_DELTFILTER, row.ifindex, &row, sizeof(row));
	else if (hdr->nlmsg_type == RTM_DELTFILTER) // all of a chain perhaps; a block that devices share has no device
		note(notices, head->tcm_ifindex > 0 ? (uint32_t)head->tcm_ifindex : 0, CHANGED_TC);
}

static void note_message(struct notices *notices, struct nlmsghdr *hdr)
{
	const struct tcmsg *tc = nlmsg_data(hdr);
	const struct ifaddrmsg *addr = nlmsg_data(hdr);

	switch (hdr->nlmsg_type) {
	case RTM_NEWLINK: case RTM_DELLINK:
		return note_link(notices, hdr);
	case RTM_NEWADDR:
		return note(notices, addr->ifa_index, CHANGED_ADDR);
	case RTM_DELADDR:
		return note(notices, addr->ifa_index, CHANGED_ADDR | ADDR_GONE);
	case RTM_NEWROUTE: case RTM_DELROUTE:
		return note_route(notices, hdr);
	case RTM_NEWNEIGH: case RTM_DELNEIGH:
		return note_neigh(notices, hdr);
	case RTM_NEWTFILTER: case RTM_DELTFILTER:
		return note_filter(notices, hdr);
	case RTM_DELQDISC: // a root qdisc has no hook of ours
		if (tc->tcm_parent == TC_H_CLSACT)
			note(notices, tc->tcm_ifindex > 0 ? (uint32_t)tc->tcm_ifindex : 0, CHANGED_TC);
	}
}

int canal_monitor_drain(int handle, struct canal_notice *out, uint32_t capacity, struct canal_told *told,
			uint32_t told_capacity, uint32_t *told_count)
{
	static __thread char buffer[1 << 16];
	struct nl_sock *sk = handle_get(HANDLE_MONITOR, handle);
	struct notices notices = { out, capacity, 0, told, told_capacity, 0 };

	if (!sk)
		return -EBADF;
	for (;;) {
		ssize_t size = recv(nl_socket_get_fd(sk), buffer, sizeof(buffer), MSG_DONTWAIT);

		*told_count = notices.told_count;
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
