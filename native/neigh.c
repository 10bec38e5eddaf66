#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>
#include "internal.h"

#define FDB 7

int neigh_parse(struct nlmsghdr *hdr, struct canal_neigh *row)
{
	struct ndmsg *head = nlmsg_data(hdr);
	struct nlattr *at[NDA_MAX + 1];

	if (nlmsg_parse(hdr, sizeof(*head), at, NDA_MAX, NULL) < 0)
		return -EBADMSG;
	*row = (struct canal_neigh){ .ifindex = head->ndm_ifindex, .state = head->ndm_state, .family = family_from_af(head->ndm_family),
				     .flags = head->ndm_flags };
	if (at[NDA_DST]) {
		nla_memcpy(row->dst, at[NDA_DST], sizeof(row->dst));
		row->dst_family = nla_len(at[NDA_DST]) == 16 ? 6 : 4;
	}
	if (at[NDA_LLADDR] && nla_len(at[NDA_LLADDR]) == 6)
		nla_memcpy(row->mac, at[NDA_LLADDR], 6);
	return row->family ? 0 : -ENOENT;
}

static int each_neigh(struct nlmsghdr *hdr, void *arg)
{
	struct device_dump *dump = arg;
	struct canal_neigh found, *row;
	int err = neigh_parse(hdr, &found);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (dump->ifindex && found.ifindex != dump->ifindex)
		return 0;
	row = row_next(&dump->rows);
	if (row)
		*row = found;
	return 0;
}

int canal_neigh_list(int family, uint32_t ifindex, struct canal_neigh *out, uint32_t capacity, uint32_t *needed)
{
	struct device_dump dump = { { out, sizeof(*out), capacity, 0 }, ifindex };
	struct ndmsg head = { .ndm_family = family_to_af(family) };
	struct nl_sock *sk;
	int err = netlink_open(&sk);

	if (err)
		return err;
	err = netlink_dump(sk, RTM_GETNEIGH, &head, sizeof(head), each_neigh, &dump, &dump.rows);
	netlink_close(sk);
	return err ? err : row_result(&dump.rows, needed);
}

static int talk(struct nl_sock *sk, const struct canal_neigh *neigh, int type, int flags, int with_mac)
{
	struct ndmsg head = { .ndm_family = family_to_af(neigh->family), .ndm_ifindex = (int)neigh->ifindex,
			      .ndm_state = neigh->state, .ndm_flags = neigh->flags, .ndm_type = RTN_UNICAST };
	struct nl_msg *msg = netlink_message(type, flags, &head, sizeof(head));
	int dst_family = neigh->family == FDB ? neigh->dst_family : neigh->family;

	if (!msg)
		return -ENOMEM;
	if (neigh->family != FDB || !is_zero(neigh->dst, sizeof(neigh->dst)))
		NLA_PUT(msg, NDA_DST, family_bytes(dst_family), neigh->dst);
	if (with_mac)
		NLA_PUT(msg, NDA_LLADDR, 6, neigh->mac);
	return netlink_talk(sk, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static int neigh_apply(struct nl_sock *sk, const void *row)
{
	return talk(sk, row, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 1);
}

static int neigh_remove(struct nl_sock *sk, const void *row)
{
	const struct canal_neigh *neigh = row;
	int err = talk(sk, neigh, RTM_DELNEIGH, 0, neigh->family == FDB);

	return err == -ENOENT || err == -ENODEV || err == -ENXIO ? 0 : err;
}

int canal_neigh_replace(const struct canal_neigh *rows, uint32_t count, int32_t *errors)
{
	return netlink_each_row(rows, sizeof(*rows), count, errors, neigh_apply);
}

int canal_neigh_delete(const struct canal_neigh *rows, uint32_t count, int32_t *errors)
{
	return netlink_each_row(rows, sizeof(*rows), count, errors, neigh_remove);
}

struct nl_msg *neighbour_parameters(uint32_t ifindex, uint64_t proxy_delay_ms)
{
	struct ndtmsg head = { .ndtm_family = AF_INET };
	struct nl_msg *msg = netlink_message(RTM_SETNEIGHTBL, NLM_F_REPLACE, &head, sizeof(head));
	struct nlattr *parameters;

	if (!msg)
		return NULL;
	NLA_PUT_STRING(msg, NDTA_NAME, "arp_cache");
	parameters = nla_nest_start(msg, NDTA_PARMS);
	if (!parameters)
		goto nla_put_failure;
	NLA_PUT_U32(msg, NDTPA_IFINDEX, ifindex);
	NLA_PUT_U64(msg, NDTPA_PROXY_DELAY, proxy_delay_ms);
	nla_nest_end(msg, parameters);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}
