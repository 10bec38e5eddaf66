// What is attached: polled for a thousand devices, so one netlink socket serves
// all clsact hooks and each program's name is asked once a call.
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

#define MAX_HOOK_PROGRAMS 64
#define MAX_KNOWN 256

struct survey {
	struct row_array rows;
	const char *names;
	struct {
		uint32_t id;
		int ours;
		char name[16];
	} known[MAX_KNOWN];
	int known_count;
	uint32_t ifindex; // hook being looked at
	int egress;
};

// Whether name is one of the comma separated names, which the kernel cuts at 15 characters.
static int listed(const char *names, const char *name)
{
	size_t length = strlen(name);

	while (*names) {
		size_t span = strcspn(names, ",");

		if ((span < 15 ? span : 15) == length && !strncmp(names, name, length))
			return 1;
		names += span + (names[span] == ',');
	}
	return 0;
}

static int look_up(struct survey *survey, uint32_t id)
{
	struct canal_prog_info info = {};
	int slot = 0, fd;

	while (slot < survey->known_count && survey->known[slot].id != id)
		slot++;
	if (slot < survey->known_count)
		return slot;
	if (slot == MAX_KNOWN) // strangers by the hundred: forget one
		slot = id % MAX_KNOWN;
	else
		survey->known_count++;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		canal_prog_info(fd, &info);
		close(fd);
	}
	survey->known[slot].id = id;
	survey->known[slot].ours = listed(survey->names, info.name);
	memcpy(survey->known[slot].name, info.name, sizeof(info.name));
	return slot;
}

static void note(struct survey *survey, uint32_t prog_id, int tcx, uint32_t link_id)
{
	int slot = look_up(survey, prog_id);
	struct canal_attachment *row = survey->known[slot].ours ? row_next(&survey->rows) : NULL;

	if (!row)
		return;
	row->ifindex = survey->ifindex;
	row->prog_id = prog_id;
	row->egress = survey->egress;
	row->tcx = tcx;
	row->link_id = link_id;
	memcpy(row->prog_name, survey->known[slot].name, sizeof(row->prog_name));
}

static int each_filter(struct nlmsghdr *hdr, void *arg)
{
	struct nlattr *at[TCA_MAX + 1], *options[TCA_BPF_MAX + 1];

	if (nlmsg_parse(hdr, sizeof(struct tcmsg), at, TCA_MAX, NULL) < 0)
		return -EBADMSG;
	if (!at[TCA_KIND] || strcmp(nla_get_string(at[TCA_KIND]), "bpf") || !at[TCA_OPTIONS])
		return 0;
	if (!nla_parse_nested(options, TCA_BPF_MAX, at[TCA_OPTIONS], NULL) && options[TCA_BPF_ID])
		note(arg, nla_get_u32(options[TCA_BPF_ID]), 0, 0);
	return 0;
}

static int survey_hook(struct survey *survey, struct nl_sock *sk)
{
	uint32_t prog_ids[MAX_HOOK_PROGRAMS], link_ids[MAX_HOOK_PROGRAMS];
	int count = attachments_tcx(survey->ifindex, survey->egress, prog_ids, link_ids, MAX_HOOK_PROGRAMS);
	struct tcmsg head = { .tcm_ifindex = (int)survey->ifindex,
			      .tcm_parent = TC_H_MAKE(TC_H_CLSACT, survey->egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS) };
	int err;

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++)
		note(survey, prog_ids[i], 1, link_ids[i]);
	err = netlink_query(sk, netlink_message(RTM_GETTFILTER, NLM_F_DUMP, &head, sizeof(head)), each_filter, survey);
	// No device, or no clsact qdisc on it: nothing attached.
	return err == -ENODEV || err == -EINVAL || err == -ENOENT || err == -EOPNOTSUPP ? 0 : err;
}

int canal_attachments(const uint32_t *ifindexes, uint32_t count, const char *names, struct canal_attachment *out,
		      uint32_t capacity, uint32_t *needed)
{
	struct survey *survey = calloc(1, sizeof(*survey));
	struct nl_sock *sk = NULL;
	int err = survey ? netlink_open(&sk) : -ENOMEM;

	for (uint32_t i = 0; !err && i < count * 2; i++) {
		if (!i) {
			survey->rows = (struct row_array){ out, sizeof(*out), capacity, 0 };
			survey->names = names;
		}
		survey->ifindex = ifindexes[i / 2];
		survey->egress = i % 2;
		err = survey_hook(survey, sk);
	}
	if (!err)
		err = row_result(&survey->rows, needed);
	if (sk)
		nl_socket_free(sk);
	free(survey);
	return err;
}
