#include <errno.h>
#include <linux/xfrm.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include "internal.h"

static int parse_counts(struct nlmsghdr *hdr, void *arg)
{
	struct nlattr *info = nlmsg_find_attr(hdr, sizeof(uint32_t), XFRMA_SPD_INFO);
	struct xfrmu_spdinfo counts;
	uint32_t *policies = arg;

	if (!info || nla_memcpy(&counts, info, sizeof(counts)) < (int)sizeof(counts))
		return -EBADMSG;
	// Policies of single sockets (insc, outsc) are their owners' business.
	*policies = counts.incnt + counts.outcnt + counts.fwdcnt;
	return 0;
}

int canal_ipsec_policies(uint32_t *policies)
{
	static __thread struct nl_sock *kept; // asked twice a second
	uint32_t flags = 0;
	struct nl_msg *msg;
	int err = kept ? 0 : netlink_open_to(NETLINK_XFRM, &kept);

	*policies = 0;
	if (err == -EPROTONOSUPPORT)
		return 0; // a kernel without IPsec
	if (err)
		return err;
	msg = netlink_message(XFRM_MSG_GETSPDINFO, 0, &flags, sizeof(flags));
	err = msg ? netlink_query(kept, msg, parse_counts, policies) : -ENOMEM;
	if (err) { // what comes from it may be an answer to this question
		nl_socket_free(kept);
		kept = NULL;
	}
	return err;
}
