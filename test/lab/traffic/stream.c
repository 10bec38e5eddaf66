#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 32 };

// One long-lived flow: a message each interval, each echoed.
struct flow {
	struct target target;
	int fd;
	int error;
	unsigned long sent, bytes;
	double last_ms, gap_ms; // of the last echo; the longest wait for one since the mark
	unsigned retransmits;   // before the mark
};

static void start(struct flow *flow)
{
	flow->fd = nonblocking_socket(flow->target.tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (connect(flow->fd, (void *)&flow->target.address, sizeof flow->target.address) && errno != EINPROGRESS)
		flow->error = errno;
	flow->last_ms = now_ms();
}

static void send_one(struct flow *flow)
{
	static const char message[MESSAGE];
	ssize_t n = send(flow->fd, message, MESSAGE, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == MESSAGE)
		flow->sent++;
	else if (n < 0 && errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS)
		flow->error = errno;
}

static void receive(struct flow *flow)
{
	char bytes[65536];
	ssize_t n = recv(flow->fd, bytes, sizeof bytes, 0);
	if (n <= 0) {
		if (n == 0)
			flow->error = EPIPE;
		else if (errno != EAGAIN)
			flow->error = errno;
		return;
	}
	double now = now_ms();
	if (now - flow->last_ms > flow->gap_ms)
		flow->gap_ms = now - flow->last_ms;
	flow->last_ms = now;
	flow->bytes += n;
}

static void mark(struct flow *flows, int count)
{
	for (int i = 0; i < count; i++) {
		flows[i].gap_ms = 0;
		flows[i].retransmits = flows[i].target.tcp ? retransmits(flows[i].fd) : 0;
	}
	printf(".\n");
	fflush(stdout);
}

static void report(struct flow *flows, int count)
{
	for (int i = 0; i < count; i++)
		printf("%lu %lu %.1f %.1f %u %d\n", flows[i].sent, flows[i].bytes / MESSAGE, flows[i].gap_ms, flows[i].last_ms,
		       flows[i].target.tcp ? retransmits(flows[i].fd) - flows[i].retransmits : 0, flows[i].error);
	printf(".\n");
	fflush(stdout);
}

static int paused;

static void obey(struct flow *flows, int count)
{
	switch (next_command()) {
	case 'm': return mark(flows, count);
	case 'r': return report(flows, count);
	case 'p':
		paused = 1;
		printf(".\n");
		fflush(stdout);
	}
}

// Opens a flow to each target and keeps it busy. `m` on standard input starts
// counting anew, `p` ends the sending, `r` prints, for each flow:
// SENT ECHOED LONGEST_GAP_MS LAST_ECHO_MS RETRANSMITS ERRNO
int stream(double interval_ms, int count, char **targets)
{
	struct flow *flows = calloc(count, sizeof *flows);
	struct pollfd *fds = calloc(count + 1, sizeof *fds);
	fcntl(0, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < count; i++) {
		flows[i].target = parse_target(targets[i]);
		start(&flows[i]);
		fds[i] = (struct pollfd){ .fd = flows[i].fd, .events = POLLIN };
	}
	fds[count] = (struct pollfd){ .fd = 0, .events = POLLIN };
	printf("ready\n");
	fflush(stdout);
	for (double due = now_ms();;) {
		double left = due - now_ms();
		if (left <= 0) {
			for (int i = 0; i < count && !paused; i++)
				send_one(&flows[i]);
			due += interval_ms;
			continue;
		}
		if (poll(fds, count + 1, (int)left + 1) <= 0)
			continue;
		for (int i = 0; i < count; i++) {
			if (fds[i].revents)
				receive(&flows[i]);
			// A broken connection would be reported again and again.
			if (flows[i].error && flows[i].target.tcp)
				fds[i].fd = -1;
		}
		if (fds[count].revents)
			obey(flows, count);
	}
}
