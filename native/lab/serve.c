#include "lab.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

// A client that says nothing within this time gets the name; one that speaks HTTP gets a response.
enum { SILENCE_MS = 100, CLIENTS = 4096 };

enum role { TCP_LISTENER = 1, UDP_SOCKET, CLIENT };

static int poller;
static const char *name;
static struct { int fd; long deadline; } clients[CLIENTS]; // in order of arrival, so of deadline
static unsigned head, tail;

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void watch(int fd, enum role role)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)role << 32 | (uint32_t)fd };
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

// Dual-stack where the namespace has IPv6, else IPv4.
static int listen_on(int type, int port)
{
	int on = 1, off = 0;
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int six = fd >= 0;
	if (!six && (fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (six)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	// Answers leave from the address that was asked, also on a node with several.
	setsockopt(fd, six ? (int)IPPROTO_IPV6 : (int)IPPROTO_IP, six ? (int)IPV6_RECVPKTINFO : (int)IP_PKTINFO, &on, sizeof on);
	if (six ? bind(fd, (void *)&any6, sizeof any6) : bind(fd, (void *)&any4, sizeof any4))
		return -1;
	return type == SOCK_STREAM && listen(fd, 1024) ? -1 : fd;
}

static int open_port(const char *text)
{
	int port;
	if (sscanf(text, "tcp:%d", &port) == 1) {
		int fd = listen_on(SOCK_STREAM, port);
		return fd < 0 ? -1 : (watch(fd, TCP_LISTENER), 0);
	}
	if (sscanf(text, "udp:%d", &port) == 1) {
		int fd = listen_on(SOCK_DGRAM, port);
		return fd < 0 ? -1 : (watch(fd, UDP_SOCKET), 0);
	}
	errno = EPROTONOSUPPORT;
	return -1;
}

// What a request is answered with; `whoami` also learns which address it came from.
static int answer_text(char *out, size_t size, const char *request, size_t length, const struct sockaddr_storage *from)
{
	char text[INET6_ADDRSTRLEN] = "";
	const struct in6_addr *six = &((const struct sockaddr_in6 *)from)->sin6_addr;
	if (length < 6 || strncmp(request, "whoami", 6))
		return snprintf(out, size, "%s\n", name);
	if (from->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, text, sizeof text);
	else if (IN6_IS_ADDR_V4MAPPED(six))
		inet_ntop(AF_INET, six->s6_addr + 12, text, sizeof text);
	else
		inet_ntop(AF_INET6, six, text, sizeof text);
	return snprintf(out, size, "%s %s\n", name, text);
}

static void answer_datagram(int fd)
{
	char request[2048], control[256], reply[300];
	struct sockaddr_storage from;
	struct iovec data = { request, sizeof request };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &message, 0);
	if (n < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex = 0;
		// A link-local address needs its interface.
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *info = (void *)CMSG_DATA(c);
			if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
				info->ipi6_ifindex = 0;
		}
	}
	data.iov_base = reply;
	data.iov_len = answer_text(reply, sizeof reply, request, n, &from);
	sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void finish_client(int fd, int http, const char *request, size_t size)
{
	char reply[600], body[300];
	struct sockaddr_storage from = { 0 };
	socklen_t known = sizeof from;
	getpeername(fd, (void *)&from, &known);
	int length = answer_text(body, sizeof body, request, size, &from);
	if (http)
		length = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", length, body);
	send(fd, http ? reply : body, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (tail - head == CLIENTS)
		return finish_client(fd, 0, "", 0);
	clients[tail % CLIENTS].fd = fd;
	clients[tail++ % CLIENTS].deadline = now_ms() + SILENCE_MS;
	watch(fd, CLIENT);
}

static void forget(int fd)
{
	for (unsigned i = head; i != tail; i++)
		if (clients[i % CLIENTS].fd == fd)
			clients[i % CLIENTS].fd = -1;
}

static void answer_client(int fd)
{
	char request[16384];
	ssize_t n = recv(fd, request, sizeof request - 1, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	forget(fd);
	if (n <= 0) {
		close(fd);
		return;
	}
	request[n] = 0;
	finish_client(fd, strstr(request, " HTTP/1.") != NULL, request, n);
}

// Answers clients that stay silent; returns how long the next one may, -1: there is none.
static int expire(void)
{
	for (; head != tail; head++) {
		int fd = clients[head % CLIENTS].fd;
		long left = clients[head % CLIENTS].deadline - now_ms();
		if (fd >= 0 && left > 0)
			return left;
		if (fd >= 0)
			finish_client(fd, 0, "", 0);
	}
	return -1;
}

static void handle(uint64_t data)
{
	int fd = (int)(uint32_t)data;
	switch ((enum role)(data >> 32)) {
	case TCP_LISTENER: return accept_client(fd);
	case UDP_SOCKET: return answer_datagram(fd);
	case CLIENT: return answer_client(fd);
	}
}

static void stop(int signal)
{
	(void)signal;
	_exit(0);
}

// The container of a pod without a command: answers on its ports, TCP and UDP,
// with the pod's name.
int command_serve(int argc, char **argv)
{
	if (argc < 2)
		return fprintf(stderr, "canal-lab serve: needs a name\n"), 2;
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	name = argv[1];
	poller = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 2; i < argc; i++)
		if (open_port(argv[i])) {
			fprintf(stderr, "cannot listen on %s: %m\n", argv[i]);
			// The kernel may lack SCTP: the other ports are served all the same.
			if (strncmp(argv[i], "sctp:", 5))
				return 1;
		} else
			printf("listening on %s\n", argv[i]);
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int count = epoll_wait(poller, events, 64, expire());
		for (int i = 0; i < count; i++)
			handle(events[i].data.u64);
	}
}
