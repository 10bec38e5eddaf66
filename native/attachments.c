// What is attached: polled for a thousand devices, so one netlink socket serves
// all clsact hooks and each program's name is asked once.
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

#define MAX_HOOK_PROGRAMS 64
#define MAX_KNOWN 256

struct survey {
	struct row_array rows;
	const char *names;
	uint32_t ifindex; // hook being looked at
	int egress;
};

// The kernel gives ids in turn and begins again after 2^31 of them: a name stands for good.
static __thread struct {
	uint32_t id; // 0: none, which is no program's
	char name[16];
} known[MAX_KNOWN];

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

static const char *name_of(uint32_t id)
{
	struct canal_prog_info info = {};
	int slot = (int)(id % MAX_KNOWN), fd;

	if (known[slot].id == id)
		return known[slot].name;
	known[slot].id = 0;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		known[slot].id = canal_prog_info(fd, &info) ? 0 : id;
		close(fd);
	}
	memcpy(known[slot].name, info.name, sizeof(info.name));
	return known[slot].name;
}

static void note(struct survey *survey, uint32_t prog_id, int tcx, uint32_t link_id)
{
	const char *name = name_of(prog_id);
	struct canal_attachment *row = listed(survey->names, name) ? row_next(&survey->rows) : NULL;

	if (!row)
		return;
	row->ifindex = survey->ifindex;
	row->prog_id = prog_id;
	row->egress = survey->egress;
	row->tcx = tcx;
	row->link_id = link_id;
	memcpy(row->prog_name, name, sizeof(row->prog_name));
}

// Of a filter of kind bpf its program's id, else -ENOENT.
static int filter_program(struct nlmsghdr *hdr, uint32_t *prog_id)
{
	struct nlattr *at[TCA_MAX + 1], *options[TCA_BPF_MAX + 1];

	if (nlmsg_parse(hdr, sizeof(struct tcmsg), at, TCA_MAX, NULL) < 0)
		return -EBADMSG;
	if (!at[TCA_KIND] || strcmp(nla_get_string(at[TCA_KIND]), "bpf") || !at[TCA_OPTIONS])
		return -ENOENT;
	if (nla_parse_nested(options, TCA_BPF_MAX, at[TCA_OPTIONS], NULL) || !options[TCA_BPF_ID])
		return -ENOENT;
	*prog_id = nla_get_u32(options[TCA_BPF_ID]);
	return 0;
}

int filter_parse(struct nlmsghdr *hdr, struct canal_attachment *row)
{
	const struct tcmsg *head = nlmsg_data(hdr);
	int egress = head->tcm_parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);

	*row = (struct canal_attachment){ .ifindex = head->tcm_ifindex, .egress = egress };
	if (head->tcm_ifindex <= 0 || (!egress && head->tcm_parent != TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)))
		return -ENOENT;
	return filter_program(hdr, &row->prog_id);
}

static int each_filter(struct nlmsghdr *hdr, void *arg)
{
	uint32_t prog_id;
	int err = filter_program(hdr, &prog_id);

	if (!err)
		note(arg, prog_id, 0, 0);
	return err == -ENOENT ? 0 : err;
}

static int survey_links(struct survey *survey)
{
	uint32_t prog_ids[MAX_HOOK_PROGRAMS], link_ids[MAX_HOOK_PROGRAMS];
	int count = attachments_tcx(survey->ifindex, survey->egress, prog_ids, link_ids, MAX_HOOK_PROGRAMS);

	for (int i = 0; i < count; i++)
		note(survey, prog_ids[i], 1, link_ids[i]);
	return count < 0 ? count : 0;
}

static int survey_filters(struct survey *survey, struct nl_sock *sk)
{
	struct tcmsg head = { .tcm_ifindex = (int)survey->ifindex,
			      .tcm_parent = TC_H_MAKE(TC_H_CLSACT, survey->egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS) };
	int err = netlink_query(sk, netlink_message(RTM_GETTFILTER, NLM_F_DUMP, &head, sizeof(head)), each_filter, survey);

	// No device, or no clsact qdisc on it: nothing attached.
	return err == -ENODEV || err == -EINVAL || err == -ENOENT || err == -EOPNOTSUPP ? 0 : err;
}

int canal_attachments(const uint32_t *ifindexes, uint32_t count, int links_only, const char *names,
		      struct canal_attachment *out, uint32_t capacity, uint32_t *needed)
{
	struct survey survey = { .rows = { out, sizeof(*out), capacity, 0 }, .names = names };
	struct nl_sock *sk = NULL;
	int err = links_only ? 0 : netlink_open(&sk);

	for (uint32_t i = 0; !err && i < count * 2; i++) {
		survey.ifindex = ifindexes[i / 2];
		survey.egress = i % 2;
		err = survey_links(&survey);
		if (!err && sk)
			err = survey_filters(&survey, sk);
	}
	if (sk)
		netlink_close(sk);
	return err ? err : row_result(&survey.rows, needed);
}
