#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include "internal.h"

// Of a multipath route (none of ours is one) the first next hop stands for all.
static void parse_hops(struct canal_route *row, struct nlattr *hops)
{
	struct rtnexthop *hop = nla_data(hops);
	int left = nla_len(hops);
	struct nlattr *at[RTA_MAX + 1];

	if (!RTNH_OK(hop, left))
		return;
	row->ifindex = hop->rtnh_ifindex;
	row->onlink = !!(hop->rtnh_flags & RTNH_F_ONLINK);
	if (!nla_parse(at, RTA_MAX, (struct nlattr *)RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop), NULL) && at[RTA_GATEWAY])
		nla_memcpy(row->gateway, at[RTA_GATEWAY], sizeof(row->gateway));
}

int route_parse(struct nlmsghdr *hdr, struct canal_route *row)
{
	struct rtmsg *head = nlmsg_data(hdr);
	struct nlattr *at[RTA_MAX + 1];

	if (nlmsg_parse(hdr, sizeof(*head), at, RTA_MAX, NULL) < 0)
		return -EBADMSG;
	row->family = family_from_af(head->rtm_family);
	row->prefixlen = head->rtm_dst_len;
	row->scope = head->rtm_scope;
	row->protocol = head->rtm_protocol;
	row->type = head->rtm_type;
	row->onlink = !!(head->rtm_flags & RTNH_F_ONLINK);
	row->table = at[RTA_TABLE] ? nla_get_u32(at[RTA_TABLE]) : head->rtm_table;
	row->ifindex = at[RTA_OIF] ? nla_get_u32(at[RTA_OIF]) : 0;
	row->metric = at[RTA_PRIORITY] ? nla_get_u32(at[RTA_PRIORITY]) : 0;
	if (at[RTA_DST])
		nla_memcpy(row->dst, at[RTA_DST], sizeof(row->dst));
	if (at[RTA_GATEWAY])
		nla_memcpy(row->gateway, at[RTA_GATEWAY], sizeof(row->gateway));
	if (at[RTA_PREFSRC])
		nla_memcpy(row->source, at[RTA_PREFSRC], sizeof(row->source));
	if (at[RTA_MULTIPATH])
		parse_hops(row, at[RTA_MULTIPATH]);
	return 0;
}

static int each_route(struct nlmsghdr *hdr, void *arg)
{
	struct rtmsg *head = nlmsg_data(hdr);
	struct device_dump *dump = arg;
	struct canal_route found = {}, *row;
	int err;

	// Cached exceptions (path MTU, redirects) are not routes.
	if (!family_from_af(head->rtm_family) || head->rtm_flags & RTM_F_CLONED)
		return 0;
	err = route_parse(hdr, &found);
	if (err || (dump->ifindex && found.ifindex != dump->ifindex))
		return err;
	row = row_next(&dump->rows);
	if (row)
		*row = found;
	return 0;
}

int route_rows(struct nl_sock *sk, int family, struct device_dump *dump)
{
	struct {
		struct rtmsg head;
		struct rtattr oif;
		uint32_t ifindex;
	} request = { { .rtm_family = family_to_af(family) }, { RTA_LENGTH(4), RTA_OIF }, dump->ifindex };

	netlink_strict(sk, 1);
	return netlink_dump(sk, RTM_GETROUTE, &request, dump->ifindex ? sizeof(request) : sizeof(request.head), each_route, dump, &dump->rows);
}

int canal_route_list(int family, uint32_t ifindex, struct canal_route *out, uint32_t capacity, uint32_t *needed)
{
	struct device_dump dump = { { out, sizeof(*out), capacity, 0 }, ifindex };
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = route_rows(sk, family, &dump);
	netlink_close(sk);
	if (ifindex && err == -ENODEV)
		return 0;
	return err ? err : row_result(&dump.rows, needed);
}

static struct nl_msg *message(const struct canal_route *route, int type, int flags, int scope)
{
	size_t size = family_bytes(route->family);
	struct rtmsg head = { .rtm_family = family_to_af(route->family), .rtm_dst_len = route->prefixlen, .rtm_scope = scope,
			      .rtm_protocol = route->protocol, .rtm_type = route->type,
			      .rtm_flags = route->onlink ? RTNH_F_ONLINK : 0 };
	struct nl_msg *msg = netlink_message(type, flags, &head, sizeof(head));

	if (!msg)
		return NULL;
	NLA_PUT_U32(msg, RTA_TABLE, route->table ? route->table : RT_TABLE_MAIN);
	if (route->prefixlen)
		NLA_PUT(msg, RTA_DST, size, route->dst);
	if (route->ifindex)
		NLA_PUT_U32(msg, RTA_OIF, route->ifindex);
	if (route->metric)
		NLA_PUT_U32(msg, RTA_PRIORITY, route->metric);
	if (!is_zero(route->gateway, size))
		NLA_PUT(msg, RTA_GATEWAY, size, route->gateway);
	if (!is_zero(route->source, size))
		NLA_PUT(msg, RTA_PREFSRC, size, route->source);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

struct nl_msg *route_order(const struct canal_route *route, int flags) { return message(route, RTM_NEWROUTE, NLM_F_CREATE | flags, route->scope); }

static int route_apply(struct nl_sock *sk, const void *row) { return netlink_talk(sk, route_order(row, NLM_F_REPLACE)); }

static int route_remove(struct nl_sock *sk, const void *row)
{
	const struct canal_route *route = row;
	// For IPv4 "nowhere" means any scope; IPv6 does not look.
	int err = netlink_talk(sk, message(route, RTM_DELROUTE, 0, RT_SCOPE_NOWHERE));

	return err == -ESRCH || err == -ENODEV ? 0 : err;
}

int canal_route_replace(const struct canal_route *rows, uint32_t count, int32_t *errors)
{
	return netlink_each_row(rows, sizeof(*rows), count, errors, route_apply);
}

int canal_route_delete(const struct canal_route *rows, uint32_t count, int32_t *errors)
{
	return netlink_each_row(rows, sizeof(*rows), count, errors, route_remove);
}

static int one_route(struct nlmsghdr *hdr, void *arg) { return route_parse(hdr, memset(arg, 0, sizeof(struct canal_route))); }

int canal_route_get(int family, const uint8_t *dst, struct canal_route *out)
{
	size_t size = family_bytes(family);
	struct rtmsg head = { .rtm_family = family_to_af(family), .rtm_dst_len = size * 8 };
	struct nl_msg *msg = netlink_message(RTM_GETROUTE, 0, &head, sizeof(head));
	struct nl_sock *sk;
	int err = msg && nla_put(msg, RTA_DST, size, dst) >= 0 ? netlink_open(&sk) : -ENOMEM;

	if (err) {
		nlmsg_free(msg);
		return err;
	}
	err = netlink_query(sk, msg, one_route, out);
	netlink_close(sk);
	return err;
}
