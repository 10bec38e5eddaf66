// The answering side: echoes what it gets, or counts it.
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>
#include "load.h"

#define BATCH 64
#define DATAGRAM 2048

static char buffer[1 << 18];

static int listener(const struct run *run, int type)
{
	int fd = socket(run->listen.socket.ss_family, type | SOCK_CLOEXEC, 0);
	int one = 1, size = 16 << 20;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (const struct sockaddr *)&run->listen.socket, run->listen.size))
		die("bind");
	if (type == SOCK_STREAM) {
		set_congestion(run, fd);
		if (listen(fd, 1024))
			die("listen");
	}
	return fd;
}

static int next_client(int fd)
{
	int one = 1, client;

	do
		client = accept(fd, NULL, NULL);
	while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (client < 0)
		die("accept");
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return client;
}

// once: the server closes after one answer, so that waiting ends of
// connections do not use up the client's ports.
static void echo_tcp(int fd, bool once)
{
	for (;;) {
		int client = next_client(fd);
		ssize_t size;

		do {
			size = recv(client, buffer, 64, 0);
			if (size > 0 && send(client, buffer, size, MSG_NOSIGNAL) < 0)
				break;
		} while (size > 0 && !once);
		close(client);
	}
}

// Counts what arrives between warm_ns and warm_ns + count_ns after the first of it.
static void window_add(const struct run *run, struct shared *shared, uint64_t count)
{
	static uint64_t first;
	uint64_t now = clock_ns();

	if (!first)
		first = now;
	if (now < first + run->warm_ns || now > first + run->warm_ns + run->count_ns)
		return;
	shared->window_ns = now - first - run->warm_ns;
	shared->window_count += count;
}

static void sink(const struct run *run, struct shared *shared, int fd)
{
	struct pollfd fds[MAX_CONNECTIONS];

	for (int i = 0; i < run->connections; i++)
		fds[i] = (struct pollfd){.fd = next_client(fd), .events = POLLIN};
	for (;;) {
		if (run->connections > 1 && poll(fds, run->connections, -1) < 0)
			die("poll");
		for (int i = 0; i < run->connections; i++) {
			ssize_t size;

			if (run->connections > 1 && !fds[i].revents)
				continue;
			size = recv(fds[i].fd, buffer, sizeof(buffer), 0);
			if (size <= 0)
				return;
			shared->bytes += size;
			if (run->mode == SERVE)
				window_add(run, shared, size);
		}
	}
}

static void echo_udp(int fd)
{
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t peer_size = sizeof(peer);
		ssize_t size = recvfrom(fd, buffer, DATAGRAM, 0, (struct sockaddr *)&peer, &peer_size);

		if (size >= 0)
			sendto(fd, buffer, size, 0, (struct sockaddr *)&peer, peer_size);
	}
}

// The first datagram is answered, so that connection tracking sees a flow that is established.
static void count_udp(const struct run *run, struct shared *shared, int fd)
{
	struct sockaddr_storage peer;
	socklen_t peer_size = sizeof(peer);
	struct mmsghdr messages[BATCH] = {};
	struct iovec parts[BATCH];

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){.iov_base = buffer + i * DATAGRAM, .iov_len = DATAGRAM};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	if (recvfrom(fd, buffer, DATAGRAM, 0, (struct sockaddr *)&peer, &peer_size) >= 0)
		sendto(fd, buffer, 1, 0, (struct sockaddr *)&peer, peer_size);
	for (;;) {
		int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (count <= 0)
			continue;
		shared->packets += count;
		if (run->mode == SERVE)
			window_add(run, shared, count);
	}
}

void serve(const struct run *run, struct shared *shared)
{
	bool udp = run->metric == UDP_RR || run->metric == UDP_PPS;
	int fd = listener(run, udp ? SOCK_DGRAM : SOCK_STREAM);

	shared->ready = 1;
	switch (run->metric) {
	case RR:
		return echo_tcp(fd, false);
	case CRR:
	case FIRST_PACKET:
		return echo_tcp(fd, true);
	case STREAM:
		return sink(run, shared, fd);
	case UDP_RR:
		return echo_udp(fd);
	case UDP_PPS:
		return count_udp(run, shared, fd);
	}
}
