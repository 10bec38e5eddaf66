#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include "internal.h"

#define DUMP_TRIES 16

// A socket takes ten system calls to make and the kernel some time to bury: each
// thread keeps its last one. Nobody but a passing thread ever changes its namespace.
static __thread struct {
	struct nl_sock *sk;
	int taken, strict;
} kept;
static __thread struct nl_sock *spoilt; // what comes from it may be an answer to an earlier request
static __thread int passing;

void netlink_pass(void) { passing = 1; }

int netlink_open(struct nl_sock **out)
{
	int err;

	if (kept.sk && !kept.taken) {
		*out = kept.sk;
		kept.taken = 1;
		if (kept.strict)
			netlink_strict(kept.sk, 0);
		return 0;
	}
	err = netlink_open_to(NETLINK_ROUTE, out);
	if (!err && !kept.sk && !passing) {
		kept.sk = *out;
		kept.taken = 1;
	}
	return err;
}

void netlink_close(struct nl_sock *sk)
{
	int keep = sk == kept.sk && sk != spoilt;

	if (sk == kept.sk)
		kept.taken = 0;
	if (keep)
		return;
	if (sk == kept.sk) {
		kept.sk = NULL;
		kept.strict = 0;
	}
	if (sk == spoilt)
		spoilt = NULL;
	nl_socket_free(sk);
}

int netlink_open_to(int protocol, struct nl_sock **out)
{
	struct nl_sock *sk = nl_socket_alloc();

	if (!sk)
		return -ENOMEM;
	if (nl_connect(sk, protocol) < 0) {
		int err = errno ? -errno : -EIO;

		nl_socket_free(sk);
		return err;
	}
	// An answer is followed by an acknowledgement only where talk() asks for one;
	// one left unread would pass for the next request's.
	nl_socket_disable_auto_ack(sk);
	nl_socket_set_buffer_size(sk, 1 << 20, 0);
	nl_socket_set_msg_buf_size(sk, 1 << 15); // what the kernel puts in one part of a dump
	*out = sk;
	return 0;
}

void netlink_strict(struct nl_sock *sk, int on)
{
	if (sk == kept.sk)
		kept.strict = on;
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
}

struct nl_msg *netlink_message(int type, int flags, const void *header, size_t size)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && nlmsg_append(msg, (void *)header, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

struct query {
	int (*each)(struct nlmsghdr *, void *);
	void *arg;
	int error; // the kernel's or each's own; libnl's codes lose which errno it was
};

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct query *query = arg;

	if (query->each && !query->error)
		query->error = query->each(nlmsg_hdr(msg), query->arg);
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	struct query *query = arg;

	(void)from;
	query->error = error->error;
	return NL_STOP;
}

static int exchange(struct nl_sock *sk, struct nl_msg *msg, struct query *query)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	if (!cb || !msg) {
		nl_cb_put(cb);
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, query);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, query);
	nl_complete_msg(sk, msg);
	err = nl_send(sk, msg);
	if (err >= 0)
		err = nl_recvmsgs(sk, cb);
	if (query->error)
		err = query->error;
	else if (err == -NLE_DUMP_INTR)
		err = -EAGAIN;
	else if (err < 0)
		err = -EIO;
	if (err == -EIO)
		spoilt = sk;
	nl_cb_put(cb);
	nlmsg_free(msg);
	return err < 0 ? err : 0;
}

int netlink_talk(struct nl_sock *sk, struct nl_msg *msg)
{
	struct query query = {};

	if (msg)
		nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	return exchange(sk, msg, &query);
}

int netlink_query(struct nl_sock *sk, struct nl_msg *msg, int (*each)(struct nlmsghdr *, void *), void *arg)
{
	struct query query = { each, arg, 0 };

	return exchange(sk, msg, &query);
}

// The kernel works on the messages of one buffer in turn, and its answers come in that order.
static int await_last(struct nl_sock *sk, struct netlink_batch *batch, int (*each)(struct nlmsghdr *, void *), void *arg)
{
	uint32_t first = nlmsg_hdr(batch->messages[0])->nlmsg_seq;
	char buffer[1 << 15] __attribute__((aligned(8)));

	for (;;) {
		ssize_t size = recv(nl_socket_get_fd(sk), buffer, sizeof(buffer), 0);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		for (struct nlmsghdr *hdr = (void *)buffer; NLMSG_OK(hdr, (size_t)size); hdr = NLMSG_NEXT(hdr, size)) {
			uint32_t at = hdr->nlmsg_seq - first;

			if (at >= (uint32_t)batch->count)
				return -EIO;
			if (hdr->nlmsg_type == NLMSG_ERROR)
				batch->errors[at] = ((struct nlmsgerr *)NLMSG_DATA(hdr))->error;
			else
				batch->errors[at] = each(hdr, arg);
			if (at + 1 == (uint32_t)batch->count)
				return 0;
		}
	}
}

int netlink_send(struct nl_sock *sk, struct netlink_batch *batch, int (*each)(struct nlmsghdr *, void *), void *arg)
{
	struct iovec parts[NETLINK_BATCH];
	struct msghdr whole = { .msg_iov = parts, .msg_iovlen = (size_t)batch->count };
	int err = batch->short_of ? -ENOMEM : 0;

	for (int i = 0; !err && i < batch->count; i++) {
		nl_complete_msg(sk, batch->messages[i]);
		parts[i] = (struct iovec){ nlmsg_hdr(batch->messages[i]), NLMSG_ALIGN(nlmsg_hdr(batch->messages[i])->nlmsg_len) };
		batch->errors[i] = 0;
	}
	if (!err && batch->count) {
		err = sendmsg(nl_socket_get_fd(sk), &whole, 0) < 0 ? -errno : await_last(sk, batch, each, arg);
		if (err)
			spoilt = sk;
	}
	for (int i = 0; i < batch->count; i++)
		nlmsg_free(batch->messages[i]);
	for (int i = 0; !err && i < batch->count; i++)
		err = batch->errors[i];
	return err;
}

int netlink_add(struct netlink_batch *batch, struct nl_msg *msg, int ack)
{
	if (!msg || batch->count == NETLINK_BATCH) {
		batch->short_of = 1;
		nlmsg_free(msg);
		return -1;
	}
	if (ack)
		nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	batch->messages[batch->count] = msg;
	return batch->count++;
}

int netlink_dump(struct nl_sock *sk, int type, const void *header, size_t size, int (*each)(struct nlmsghdr *, void *),
		 void *arg, struct row_array *rows)
{
	int err = -EAGAIN;

	for (int tries = 0; err == -EAGAIN && tries < DUMP_TRIES; tries++) {
		rows->count = 0;
		err = netlink_query(sk, netlink_message(type, NLM_F_DUMP, header, size), each, arg);
	}
	return err;
}

void *row_next(struct row_array *rows)
{
	char *row = rows->count < rows->capacity ? (char *)rows->out + rows->count * rows->row_size : NULL;

	rows->count++;
	return row ? memset(row, 0, rows->row_size) : NULL;
}

int row_result(const struct row_array *rows, uint32_t *needed)
{
	*needed = rows->count;
	return rows->count > rows->capacity ? -ENOSPC : (int)rows->count;
}

int netlink_each_row(const void *rows, size_t row_size, uint32_t count, int32_t *errors,
		     int (*apply)(struct nl_sock *, const void *))
{
	struct nl_sock *sk;
	int failed = 0;
	int err = netlink_open(&sk);

	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++) {
		errors[i] = apply(sk, (const char *)rows + i * row_size);
		failed += errors[i] != 0;
	}
	netlink_close(sk);
	return failed;
}

int family_to_af(int family) { return family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_BRIDGE; }

int family_from_af(int af) { return af == AF_INET ? 4 : af == AF_INET6 ? 6 : af == AF_BRIDGE ? 7 : 0; }

int is_zero(const void *bytes, size_t size)
{
	for (const char *at = bytes; size; size--, at++)
		if (*at)
			return 0;
	return 1;
}
