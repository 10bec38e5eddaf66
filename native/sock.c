#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "internal.h"

_Static_assert(sizeof(struct inet_diag_sockid) == sizeof(((struct canal_udp_socket *)0)->id), "inet_diag_sockid");

static int each_socket(struct nlmsghdr *hdr, void *arg)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const struct inet_diag_msg *from = nlmsg_data(hdr);
	struct canal_udp_socket *row;
	const uint8_t *peer;

	if (nlmsg_datalen(hdr) < (int)sizeof(*from))
		return -EBADMSG;
	row = row_next(arg);
	if (!row)
		return 0;
	memcpy(row->id, &from->id, sizeof(row->id));
	row->cookie = (uint64_t)from->id.idiag_cookie[1] << 32 | from->id.idiag_cookie[0];
	row->peer_port = ntohs(from->id.idiag_dport);
	row->socket_family = family_from_af(from->idiag_family);
	peer = (const uint8_t *)from->id.idiag_dst;
	row->peer_family = row->socket_family == 6 && memcmp(peer, mapped, sizeof(mapped)) ? 6 : 4;
	if (row->peer_family == 4 && row->socket_family == 6)
		peer += sizeof(mapped);
	memcpy(row->peer, peer, family_bytes(row->peer_family));
	return 0;
}

int canal_udp_connected(int family, struct canal_udp_socket *out, uint32_t capacity, uint32_t *needed)
{
	struct inet_diag_req_v2 request = { .sdiag_family = family_to_af(family), .sdiag_protocol = IPPROTO_UDP,
					    .idiag_states = 1 << TCP_ESTABLISHED };
	struct row_array rows = { out, sizeof(*out), capacity, 0 };
	struct nl_sock *sk;
	int err = netlink_open_to(NETLINK_SOCK_DIAG, &sk);

	if (err)
		return err;
	err = netlink_dump(sk, SOCK_DIAG_BY_FAMILY, &request, sizeof(request), each_socket, &rows, &rows);
	nl_socket_free(sk);
	return err ? err : row_result(&rows, needed);
}

int canal_udp_abort(const struct canal_udp_socket *row)
{
	struct inet_diag_req_v2 request = { .sdiag_family = family_to_af(row->socket_family), .sdiag_protocol = IPPROTO_UDP,
					    .idiag_states = 1 << TCP_ESTABLISHED };
	struct nl_sock *sk;
	int err = netlink_open_to(NETLINK_SOCK_DIAG, &sk);

	if (err)
		return err;
	memcpy(&request.id, row->id, sizeof(request.id));
	err = netlink_talk(sk, netlink_message(SOCK_DESTROY, 0, &request, sizeof(request)));
	nl_socket_free(sk);
	return err == -ENOENT ? 0 : err;
}
