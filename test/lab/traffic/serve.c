#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS = 64 };
enum role { COMMANDS, LISTENER, DATAGRAMS, CONNECTION };

// What one port has received.
static struct tally {
	int port;
	unsigned long connections, segments, datagrams;
	double last_ms; // of the last byte
	double new_ms;  // of the last connection or datagram
} tallies[PORTS];

static int poller;

static void watch(int fd, enum role role, int tally)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)role << 48 | (uint64_t)tally << 32 | (uint32_t)fd };
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void open_port(int tally)
{
	int on = 1;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(tallies[tally].port) };
	int tcp = nonblocking_socket(SOCK_STREAM), udp = nonblocking_socket(SOCK_DGRAM);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(tcp, (void *)&any, sizeof any) || listen(tcp, 1024) || bind(udp, (void *)&any, sizeof any))
		die("listen");
	watch(tcp, LISTENER, tally);
	watch(udp, DATAGRAMS, tally);
}

static void echo(int fd, struct tally *tally)
{
	char bytes[65536];
	ssize_t n = recv(fd, bytes, sizeof bytes, 0);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			close(fd);
		return;
	}
	tally->segments++;
	tally->last_ms = now_ms();
	send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void echo_datagram(int fd, struct tally *tally)
{
	char bytes[65536];
	struct sockaddr_in from;
	socklen_t length = sizeof from;
	ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (void *)&from, &length);
	if (n < 0)
		return;
	tally->datagrams++;
	tally->new_ms = tally->last_ms = now_ms();
	sendto(fd, bytes, n, MSG_DONTWAIT, (void *)&from, length);
}

static void accept_one(int listener, int tally)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	tallies[tally].connections++;
	tallies[tally].new_ms = tallies[tally].last_ms = now_ms();
	watch(fd, CONNECTION, tally);
}

static void report(int count)
{
	for (int i = 0; i < count; i++)
		printf("%d %lu %lu %lu %.1f %.1f\n", tallies[i].port, tallies[i].connections, tallies[i].segments, tallies[i].datagrams, tallies[i].last_ms, tallies[i].new_ms);
	printf(".\n");
	fflush(stdout);
}

// Echoes on TCP and UDP. `r` on standard input prints, for each port:
// PORT CONNECTIONS SEGMENTS DATAGRAMS LAST_BYTE_MS LAST_CONNECTION_OR_DATAGRAM_MS
int serve(int count, char **ports)
{
	poller = epoll_create1(EPOLL_CLOEXEC);
	fcntl(0, F_SETFL, O_NONBLOCK);
	watch(0, COMMANDS, 0);
	for (int i = 0; i < count && i < PORTS; i++) {
		tallies[i].port = atoi(ports[i]);
		open_port(i);
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int found = epoll_wait(poller, events, 64, -1);
		for (int i = 0; i < found; i++) {
			int fd = (int)(uint32_t)events[i].data.u64, tally = events[i].data.u64 >> 32 & 0xffff;
			switch ((enum role)(events[i].data.u64 >> 48)) {
			case COMMANDS:
				if (next_command() == 'r')
					report(count);
				break;
			case LISTENER: accept_one(fd, tally); break;
			case DATAGRAMS: echo_datagram(fd, &tallies[tally]); break;
			case CONNECTION: echo(fd, &tallies[tally]); break;
			}
		}
	}
}
