// What passes a device, as records of a capture file.
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "internal.h"

#define RECEIVE_BUFFER (8 << 20)
#define LONGEST 262144 // of a packet, as tcpdump's default

struct record { uint32_t seconds, microseconds, stored, length; };

struct opening { const char *device; int fd; };

static int open_here(void *arg)
{
	struct opening *opening = arg;
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1, room = RECEIVE_BUFFER;

	at.sll_ifindex = if_nametoindex(opening->device);
	if (!at.sll_ifindex)
		return -ENODEV;
	opening->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (opening->fd < 0)
		return -errno;
	if (setsockopt(opening->fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)) ||
	    setsockopt(opening->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(opening->fd, (struct sockaddr *)&at, sizeof(at))) {
		int err = -errno;

		close(opening->fd);
		return err;
	}
	return 0;
}

int canal_capture_open(const char *netns, const char *device)
{
	struct opening opening = { device, -1 };
	int err = *netns ? netns_run(netns, open_here, &opening) : open_here(&opening);

	return err ? err : opening.fd;
}

// One packet behind `out`; its record's size, 0: none is there.
static int read_one(int fd, void *out, uint32_t size)
{
	char control[CMSG_SPACE(sizeof(struct timeval))];
	struct iovec body = { (char *)out + sizeof(struct record), size - sizeof(struct record) };
	struct msghdr message = { .msg_iov = &body, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t length = recvmsg(fd, &message, MSG_TRUNC);
	struct timeval at = { 0 };
	struct record record;

	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMP)
			memcpy(&at, CMSG_DATA(part), sizeof(at));
	record.seconds = at.tv_sec;
	record.microseconds = at.tv_usec;
	record.length = length;
	record.stored = (size_t)length < body.iov_len ? (uint32_t)length : body.iov_len;
	memcpy(out, &record, sizeof(record));
	return sizeof(record) + record.stored;
}

int canal_capture_read(int fd, void *out, uint32_t size, uint32_t timeout_ms)
{
	struct pollfd wait = { fd, POLLIN, 0 };
	uint32_t used = 0;
	int got = poll(&wait, 1, timeout_ms);

	if (got < 0)
		return errno == EINTR ? 0 : -errno;
	while (size - used >= sizeof(struct record) + LONGEST) {
		got = read_one(fd, (char *)out + used, sizeof(struct record) + LONGEST);
		if (got < 0)
			return used ? (int)used : got;
		if (!got)
			break;
		used += got;
	}
	return used;
}

int canal_capture_dropped(int fd)
{
	struct tpacket_stats stats = { 0 };
	socklen_t size = sizeof(stats);

	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) ? -errno : (int)stats.tp_drops;
}
