#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "internal.h"

// linux/bpf.h of 6.6; Debian 12's headers and libbpf 1.1.2 are older.
#define TCX_INGRESS 46
#define TCX_EGRESS 47

// One filter of ours a hook, always at the same place, so that replacing finds it.
#define FILTER_HANDLE 1
#define FILTER_PRIORITY 0xca

struct tcx_query { // union bpf_attr's query part of 6.6
	uint32_t ifindex, attach_type, query_flags, attach_flags;
	uint64_t prog_ids;
	uint32_t count, zero;
	uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
};

static int tcx_type(int egress) { return egress ? TCX_EGRESS : TCX_INGRESS; }

static int tcx_programs(uint32_t ifindex, int egress, uint32_t *prog_ids, uint32_t *link_ids, uint32_t capacity)
{
	struct tcx_query query = { .ifindex = ifindex, .attach_type = tcx_type(egress), .prog_ids = (uintptr_t)prog_ids,
				   .link_ids = (uintptr_t)link_ids, .count = capacity };

	return syscall(__NR_bpf, BPF_PROG_QUERY, &query, sizeof(query)) ? -errno : (int)query.count;
}

int canal_has_tcx(void)
{
	uint32_t progs[1], links[1];
	// Every namespace has lo as 1. Older kernels do not know the attach type; ENOSPC: more programs than one.
	int result = tcx_programs(1, 0, progs, links, 1);

	return result >= 0 || result == -ENOSPC;
}

// What bpf_link_info says of a tcx link; libbpf 1.1.2's struct ends before it.
struct tcx_link_info {
	uint32_t type, id, prog_id, zero;
	uint32_t ifindex, attach_type;
	uint8_t rest[128];
};

static int link_is_on(int link, uint32_t ifindex, int egress)
{
	struct tcx_link_info info = {};
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(link, &info, &size) && info.ifindex == ifindex && (int)info.attach_type == tcx_type(egress);
}

// 0: swapped in place; -ENOENT: no pin, or the pin of a device that is gone (removed).
static int swap_tcx(uint32_t ifindex, int prog_fd, int egress, const char *pin)
{
	int link = bpf_obj_get(pin), err;

	if (link < 0)
		return link;
	err = link_is_on(link, ifindex, egress) ? bpf_link_update(link, prog_fd, NULL) : -ENOENT;
	close(link);
	if (err == -ENOLINK)
		err = -ENOENT;
	if (err == -ENOENT && unlink(pin))
		err = -errno;
	return err;
}

static int attach_tcx(uint32_t ifindex, int prog_fd, int egress, const char *pin)
{
	int err = swap_tcx(ifindex, prog_fd, egress, pin), link;

	if (err != -ENOENT)
		return err;
	link = bpf_link_create(prog_fd, (int)ifindex, tcx_type(egress), NULL);
	if (link < 0)
		return link;
	err = bpf_obj_pin(link, pin);
	close(link); // unpinned, this detaches again
	return err;
}

static struct nl_msg *qdisc_order(uint32_t ifindex)
{
	struct tcmsg head = { .tcm_ifindex = (int)ifindex, .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0), .tcm_parent = TC_H_CLSACT };
	struct nl_msg *msg = netlink_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	if (msg && nla_put_string(msg, TCA_KIND, "clsact") < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

// tc shows the name.
static struct nl_msg *filter_order(uint32_t ifindex, int prog_fd, int egress, const char *name)
{
	struct tcmsg head = { .tcm_ifindex = (int)ifindex, .tcm_handle = FILTER_HANDLE,
			      .tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
			      .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)) };
	struct nl_msg *msg = netlink_message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	struct nlattr *options;

	if (!msg)
		return NULL;
	NLA_PUT_STRING(msg, TCA_KIND, "bpf");
	options = nla_nest_start(msg, TCA_OPTIONS);
	if (!options)
		goto nla_put_failure;
	NLA_PUT_U32(msg, TCA_BPF_FD, (uint32_t)prog_fd);
	NLA_PUT_STRING(msg, TCA_BPF_NAME, name);
	NLA_PUT_U32(msg, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nla_nest_end(msg, options);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

// The qdisc may be there already, also another's.
static int attach_clsact(uint32_t ifindex, int prog_fd, int egress)
{
	struct netlink_batch batch = {};
	struct canal_prog_info info;
	struct nl_sock *sk;
	int err = canal_prog_info(prog_fd, &info);

	if (!err)
		err = netlink_open(&sk);
	if (err)
		return err;
	netlink_add(&batch, qdisc_order(ifindex), 0);
	netlink_add(&batch, filter_order(ifindex, prog_fd, egress, info.name), 1);
	err = netlink_send(sk, &batch, NULL, NULL);
	if (err == -EEXIST && batch.errors[0] == -EEXIST)
		err = batch.errors[1];
	netlink_close(sk);
	return err;
}

int canal_attach(uint32_t ifindex, int prog_fd, int egress, int tcx, const char *pin)
{
	return tcx ? attach_tcx(ifindex, prog_fd, egress, pin) : attach_clsact(ifindex, prog_fd, egress);
}

static int detach_tcx(uint32_t ifindex, int egress, const char *pin)
{
	int link = bpf_obj_get(pin), err;

	if (link < 0)
		return link == -ENOENT ? 0 : link;
	// ENOLINK and the like: the device is gone, the pin remains.
	err = link_is_on(link, ifindex, egress) ? bpf_link_detach(link) : 0;
	close(link);
	if (err)
		return err;
	return unlink(pin) ? -errno : 0;
}

static int detach_clsact(uint32_t ifindex, int egress)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int err = bpf_tc_detach(&hook, &opts);

	return err == -ENOENT || err == -EINVAL || err == -ENODEV ? 0 : err;
}

int canal_detach(uint32_t ifindex, int egress, int tcx, const char *pin)
{
	return tcx ? detach_tcx(ifindex, egress, pin) : detach_clsact(ifindex, egress);
}

int attachments_tcx(uint32_t ifindex, int egress, uint32_t *prog_ids, uint32_t *link_ids, uint32_t capacity)
{
	int count = tcx_programs(ifindex, egress, prog_ids, link_ids, capacity);

	// ENODEV: gone since; EINVAL: no tcx in this kernel.
	return count == -ENODEV || count == -EINVAL ? 0 : count;
}
