#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// A resolver's timeout is 5 s: who has no answer then has lost one.
enum { PATIENCE_MS = 5000, PARALLEL = 256 };

struct pair {
	int fd, answers;
	double since_ms;
};

static struct target target;
static unsigned long begun, answered;
static double slowest_ms;
static int last_error;

static void begin(struct pair *pair)
{
	*pair = (struct pair){ .fd = nonblocking_socket(SOCK_DGRAM), .since_ms = now_ms() };
	begun++;
	if (connect(pair->fd, (void *)&target.address, sizeof target.address) ||
	    send(pair->fd, "A", 1, MSG_NOSIGNAL) < 0 || send(pair->fd, "AAAA", 4, MSG_NOSIGNAL) < 0)
		last_error = errno;
}

static void end(struct pair *pair)
{
	close(pair->fd);
	pair->fd = -1;
}

static void hear(struct pair *pair)
{
	char bytes[16];
	double waited = now_ms() - pair->since_ms;
	while (recv(pair->fd, bytes, sizeof bytes, 0) > 0)
		pair->answers++;
	if (errno != EAGAIN)
		last_error = errno;
	if (pair->answers >= 2) {
		answered++;
		slowest_ms = waited > slowest_ms ? waited : slowest_ms;
		end(pair);
	} else if (waited > PATIENCE_MS) {
		end(pair);
	}
}

// Sends two datagrams at once from a new connected socket, as a resolver does
// for A and AAAA, and waits for both answers; COUNT times, PARALLEL sockets at a
// time. Then `r` on standard input prints: PAIRS ANSWERED SLOWEST_MS ERRNO
int pairs(long count, int parallel, char *text)
{
	struct pair open[PARALLEL];
	struct pollfd fds[PARALLEL];
	int left = parallel < 1 ? 1 : parallel > PARALLEL ? PARALLEL : parallel;
	target = parse_target(text);
	printf("ready\n");
	fflush(stdout);
	parallel = left;
	for (int i = 0; i < parallel; i++)
		open[i].fd = -1;
	for (left = 1; left || begun < (unsigned long)count;) {
		left = 0;
		for (int i = 0; i < parallel; i++) {
			if (open[i].fd < 0 && begun < (unsigned long)count)
				begin(&open[i]);
			left += open[i].fd >= 0;
			fds[i] = (struct pollfd){ .fd = open[i].fd, .events = POLLIN };
		}
		poll(fds, parallel, 100);
		for (int i = 0; i < parallel; i++)
			if (open[i].fd >= 0)
				hear(&open[i]);
	}
	while (next_command() != 'r')
		;
	printf("%lu %lu %.1f %d\n.\n", begun, answered, slowest_ms, last_error);
	fflush(stdout);
	return 0;
}
