#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>
#include "internal.h"

static int each_addr(struct nlmsghdr *hdr, void *arg)
{
	struct nlattr *at[IFA_MAX + 1];
	struct ifaddrmsg *head = nlmsg_data(hdr);
	struct device_dump *dump = arg;
	struct canal_net_addr *row;
	uint32_t flags;

	if (nlmsg_parse(hdr, sizeof(*head), at, IFA_MAX, NULL) < 0)
		return -EBADMSG;
	// IFA_ADDRESS is the other end of a point-to-point device; ours is IFA_LOCAL.
	struct nlattr *addr = at[IFA_LOCAL] ? at[IFA_LOCAL] : at[IFA_ADDRESS];

	if (!addr || (head->ifa_family != AF_INET && head->ifa_family != AF_INET6) || (dump->ifindex && head->ifa_index != dump->ifindex))
		return 0;
	row = row_next(&dump->rows);
	if (!row)
		return 0;
	flags = at[IFA_FLAGS] ? nla_get_u32(at[IFA_FLAGS]) : head->ifa_flags;
	row->ifindex = head->ifa_index;
	row->family = family_from_af(head->ifa_family);
	row->prefixlen = head->ifa_prefixlen;
	row->scope = head->ifa_scope;
	row->flags = (flags & IFA_F_SECONDARY ? 1 : 0) | (flags & IFA_F_DEPRECATED ? 2 : 0) | (flags & IFA_F_PERMANENT ? 4 : 0);
	nla_memcpy(row->addr, addr, family_bytes(row->family));
	return 0;
}

int addr_rows(struct nl_sock *sk, struct device_dump *dump)
{
	struct ifaddrmsg head = { .ifa_family = AF_UNSPEC, .ifa_index = dump->ifindex };

	netlink_strict(sk, 1);
	return netlink_dump(sk, RTM_GETADDR, &head, sizeof(head), each_addr, dump, &dump->rows);
}

int canal_addr_list(uint32_t ifindex, struct canal_net_addr *out, uint32_t capacity, uint32_t *needed)
{
	struct device_dump dump = { { out, sizeof(*out), capacity, 0 }, ifindex };
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = addr_rows(sk, &dump);
	netlink_close(sk);
	if (ifindex && err == -ENODEV)
		return 0;
	return err ? err : row_result(&dump.rows, needed);
}

static struct nl_msg *message(const struct canal_net_addr *addr, int type, int flags)
{
	size_t size = family_bytes(addr->family);
	struct ifaddrmsg head = { .ifa_family = family_to_af(addr->family), .ifa_prefixlen = addr->prefixlen,
				  .ifa_scope = addr->scope, .ifa_index = addr->ifindex };
	struct nl_msg *msg = netlink_message(type, flags, &head, sizeof(head));

	if (!msg)
		return NULL;
	NLA_PUT(msg, IFA_LOCAL, size, addr->addr);
	NLA_PUT(msg, IFA_ADDRESS, size, addr->addr);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

struct nl_msg *addr_order(const struct canal_net_addr *addr) { return message(addr, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE); }

static int addr_apply(struct nl_sock *sk, const void *row) { return netlink_talk(sk, addr_order(row)); }

static int addr_remove(struct nl_sock *sk, const void *row)
{
	int err = netlink_talk(sk, message(row, RTM_DELADDR, 0));

	return err == -EADDRNOTAVAIL || err == -ENODEV ? 0 : err;
}

int canal_addr_replace(const struct canal_net_addr *rows, uint32_t count, int32_t *errors)
{
	return netlink_each_row(rows, sizeof(*rows), count, errors, addr_apply);
}

int canal_addr_delete(const struct canal_net_addr *rows, uint32_t count, int32_t *errors)
{
	return netlink_each_row(rows, sizeof(*rows), count, errors, addr_remove);
}
