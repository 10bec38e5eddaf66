#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// An answer within this time, or there is none. A TCP request that the kernel
// sends again (after 1 s) counts as unanswered either way.
enum { PATIENCE_MS = 900, KNOCKS = 4096 };

struct door {
	struct target target;
	unsigned long tried, answered, silent, refused;
};

// One new flow that waits for its answer, in order of time.
static struct knock {
	int door, fd; // fd -1: over
	double deadline_ms;
} knocks[KNOCKS];
static unsigned head, tail;

static void finish(struct knock *knock, unsigned long *count)
{
	(*count)++;
	close(knock->fd);
	knock->fd = -1;
}

static void knock_at(struct door *doors, int i)
{
	struct door *door = &doors[i];
	if (tail - head == KNOCKS)
		die("too many knocks at a time");
	struct knock *knock = &knocks[tail++ % KNOCKS];
	*knock = (struct knock){ .door = i, .fd = nonblocking_socket(door->target.tcp ? SOCK_STREAM : SOCK_DGRAM), .deadline_ms = now_ms() + PATIENCE_MS };
	door->tried++;
	struct linger reset = { 1, 0 }; // no TIME_WAIT: ports must not run out
	if (door->target.tcp)
		setsockopt(knock->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	if (connect(knock->fd, (void *)&door->target.address, sizeof door->target.address) && errno != EINPROGRESS)
		finish(knock, &door->refused);
	else if (!door->target.tcp && send(knock->fd, "knock", 5, MSG_NOSIGNAL) < 0)
		finish(knock, &door->refused);
}

static void hear(struct door *door, struct knock *knock)
{
	int error = 0;
	char bytes[16];
	socklen_t length = sizeof error;
	getsockopt(knock->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error)
		return finish(knock, &door->refused);
	if (!door->target.tcp)
		return finish(knock, recv(knock->fd, bytes, sizeof bytes, 0) > 0 ? &door->answered : &door->refused);
	finish(knock, retransmits(knock->fd) ? &door->silent : &door->answered);
}

static void listen_until(struct door *doors, double due)
{
	static struct pollfd fds[KNOCKS + 1];
	static unsigned of[KNOCKS + 1];
	int count = 1;
	fds[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
	for (unsigned i = head; i != tail; i++) {
		struct knock *knock = &knocks[i % KNOCKS];
		if (knock->fd < 0)
			continue;
		of[count] = i % KNOCKS;
		fds[count++] = (struct pollfd){ .fd = knock->fd, .events = doors[knock->door].target.tcp ? POLLOUT : POLLIN };
	}
	double left = due - now_ms();
	poll(fds, count, left > 0 ? (int)left + 1 : 0);
	for (int i = 1; i < count; i++)
		if (fds[i].revents)
			hear(&doors[knocks[of[i]].door], &knocks[of[i]]);
	for (; head != tail; head++) {
		struct knock *knock = &knocks[head % KNOCKS];
		if (knock->fd >= 0 && knock->deadline_ms > now_ms())
			return;
		if (knock->fd >= 0)
			finish(knock, &doors[knock->door].silent);
	}
}

static void report(struct door *doors, int count)
{
	for (int i = 0; i < count; i++)
		printf("%lu %lu %lu %lu\n", doors[i].tried, doors[i].answered, doors[i].silent, doors[i].refused);
	printf(".\n");
	fflush(stdout);
}

// Opens a new flow to each target each interval. `s` on standard input stops
// that, and prints once all have been answered or given up, for each target:
// TRIED ANSWERED SILENT REFUSED. `r` prints the same at once.
int knock(double interval_ms, int count, char **targets)
{
	struct door *doors = calloc(count, sizeof *doors);
	fcntl(0, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < count; i++)
		doors[i].target = parse_target(targets[i]);
	printf("ready\n");
	fflush(stdout);
	int stopping = 0;
	for (double due = now_ms();;) {
		if (!stopping && now_ms() >= due) {
			for (int i = 0; i < count; i++)
				knock_at(doors, i);
			due += interval_ms;
		}
		listen_until(doors, stopping ? now_ms() + 10 : due);
		char command = next_command();
		stopping |= command == 's';
		if (command == 'r' || (stopping && head == tail)) {
			report(doors, count);
			if (stopping)
				return 0;
		}
	}
}
