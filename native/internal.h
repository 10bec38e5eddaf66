// Shared by the files of libcanal.so; nothing here is exported.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "canal.h"

struct nl_sock;
struct nl_msg;
struct nlmsghdr;

// ---- handles: small positive integers for what JavaScript cannot hold

enum handle_kind { HANDLE_OBJECT = 1, HANDLE_RING, HANDLE_MONITOR, HANDLE_WAKER };

int handle_put(enum handle_kind kind, void *value);      // > 0 or -EMFILE
void *handle_get(enum handle_kind kind, int handle);     // NULL: no such handle
void *handle_take(enum handle_kind kind, int handle);    // and forgets it

// ---- libbpf's messages go to a buffer of the calling thread, never to stderr

void log_begin(char *log, uint32_t size);
void log_end(void);

// ---- netlink

int netlink_open(struct nl_sock **out); // NETLINK_ROUTE; may be one that was closed before
void netlink_close(struct nl_sock *sk);
void netlink_pass(void); // the calling thread is in another namespace and ends soon: nothing is kept for it
int netlink_open_to(int protocol, struct nl_sock **out); // new, and freed with nl_socket_free
// Sends one request and waits for its acknowledgement; consumes msg (also NULL: -ENOMEM).
int netlink_talk(struct nl_sock *sk, struct nl_msg *msg);
// Sends one request and hands every answer to each (0 or -errno, which ends it); consumes msg.
int netlink_query(struct nl_sock *sk, struct nl_msg *msg, int (*each)(struct nlmsghdr *, void *), void *arg);
// A request with its family header; NULL without memory.
struct nl_msg *netlink_message(int type, int flags, const void *header, size_t size);

// Requests that go to the kernel in one piece. Only the last has to be answered: by what it asks for, or its acknowledgement.
#define NETLINK_BATCH 8
struct netlink_batch {
	struct nl_msg *messages[NETLINK_BATCH];
	int errors[NETLINK_BATCH]; // out of netlink_send: 0 or -errno of each
	int count;
	int short_of; // of memory, or of room
};
int netlink_add(struct netlink_batch *batch, struct nl_msg *msg, int ack); // consumes msg (also NULL); its place
// Sends all and consumes them; a failed one does not stop those behind it. The first error, or 0.
int netlink_send(struct nl_sock *sk, struct netlink_batch *batch, int (*each)(struct nlmsghdr *, void *), void *arg);

// Rows of a dump in a caller's array; counts on when it is full.
struct row_array {
	void *out;
	size_t row_size;
	uint32_t capacity;
	uint32_t count;
};
void *row_next(struct row_array *rows); // zeroed row to fill, or NULL when full
int row_result(const struct row_array *rows, uint32_t *needed);

// Rows of one device in a dump: kernels before 5.0 do not look at the filter and answer with all.
struct device_dump {
	struct row_array rows;
	uint32_t ifindex; // 0: all
};
void netlink_strict(struct nl_sock *sk, int on); // has the kernel look at it

// A whole dump into rows, which arg is or contains; begins again when the
// kernel says that things moved meanwhile (-EAGAIN after many times).
int netlink_dump(struct nl_sock *sk, int type, const void *header, size_t size, int (*each)(struct nlmsghdr *, void *),
		 void *arg, struct row_array *rows);

// Runs apply for each of count rows on one socket: see canal.h on errors[].
int netlink_each_row(const void *rows, size_t row_size, uint32_t count, int32_t *errors,
		     int (*apply)(struct nl_sock *, const void *));

static inline size_t family_bytes(int family) { return family == 4 ? 4 : 16; }
int family_to_af(int family);  // 4, 6, 7 -> AF_INET, AF_INET6, AF_BRIDGE
int family_from_af(int af);    // 0: none of these
int is_zero(const void *bytes, size_t size);

// Requests on a given socket, so that they also work in a pod's namespace.
int link_find(struct nl_sock *sk, const char *name, uint32_t ifindex, struct canal_link *out);
int link_remove(struct nl_sock *sk, uint32_t ifindex);
int link_change(struct nl_sock *sk, uint32_t ifindex, const uint8_t *mac, uint32_t mtu, int up);
int addr_rows(struct nl_sock *sk, struct device_dump *dump);
int route_rows(struct nl_sock *sk, int family, struct device_dump *dump);

int attachments_tcx(uint32_t ifindex, int egress, uint32_t *prog_ids, uint32_t *link_ids, uint32_t capacity);

// The same as messages, of a batch too; NULL without memory.
struct nl_msg *link_question(const char *name, uint32_t ifindex);
int one_link(struct nlmsghdr *hdr, void *arg); // its answer, into a struct canal_link
struct nl_msg *link_order(uint32_t ifindex, int up); // up: 1, 0, -1 leave
struct nl_msg *addr_order(const struct canal_net_addr *addr);
struct nl_msg *route_order(const struct canal_route *route, int flags); // NLM_F_REPLACE or NLM_F_EXCL
struct nl_msg *veth_order(const struct canal_pod_link *link, int host_netns);
struct nl_msg *neighbour_parameters(uint32_t ifindex, uint64_t proxy_delay_ms); // of ARP

// ---- a pod's link

extern const uint8_t pod_link_host_mac[6];
void link_local_of(const uint8_t *mac, uint8_t *out); // 16 bytes
int pod_host_settings(struct nl_sock *sk, struct canal_pod_link *link); // also fills host_ifindex and host_mac

// ---- what a notice says, as a row; 0 or -errno

int route_parse(struct nlmsghdr *hdr, struct canal_route *row);
int neigh_parse(struct nlmsghdr *hdr, struct canal_neigh *row);   // -ENOENT: of no family of ours
int filter_parse(struct nlmsghdr *hdr, struct canal_attachment *row); // -ENOENT: no BPF program at a hook of ours

// ---- a pod's namespace

// Runs work in a thread of its own inside the namespace; -ENOENT: none there.
int netns_run(const char *path, int (*work)(void *), void *arg);
// Below net/ of CANAL_PROC_SYS (else /proc/sys), in the calling thread's namespace.
int sysctl_write(const char *value, const char *format, ...) __attribute__((format(printf, 2, 3)));
int sysctl_read(const char *format, ...) __attribute__((format(printf, 1, 2)));
