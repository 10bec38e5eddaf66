#include "lab.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum kind { TCP, UDP, HTTP };
enum { ANSWER = 256, UDP_TRIES = 3 };

struct probe {
	enum kind kind;
	int fd;              // -1: not open, or done
	int connected;       // TCP handshake is over
	struct endpoint target;
	const char *path;    // HTTP
	const char *outcome; // null: not known yet
	double elapsed_ms;
	char answer[ANSWER];
	size_t length;
};

static int read_answers;
static const char *question = "hostname\n";
static double started_ms;

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void finish(struct probe *probe, const char *outcome)
{
	probe->outcome = outcome;
	probe->elapsed_ms = now_ms() - started_ms;
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = -1;
}

static void fail(struct probe *probe, int error)
{
	switch (error) {
	case ECONNREFUSED: return finish(probe, "refused");
	case ETIMEDOUT: return finish(probe, "timeout");
	case EHOSTUNREACH:
	case ENETUNREACH: return finish(probe, "unreachable");
	case ECONNRESET: return finish(probe, "reset");
	case EPERM: return finish(probe, "forbidden");
	default: return finish(probe, strerror(error));
	}
}

static int parse(char *text, struct probe *probe)
{
	static const struct { const char *prefix; enum kind kind; } kinds[] = { { "tcp:", TCP }, { "udp:", UDP }, { "http:", HTTP } };
	memset(probe, 0, sizeof *probe);
	probe->fd = -1;
	for (size_t i = 0; i < 3; i++) {
		size_t length = strlen(kinds[i].prefix);
		if (strncmp(text, kinds[i].prefix, length))
			continue;
		char endpoint[64];
		const char *slash = strchr(text, '/');
		probe->kind = kinds[i].kind;
		probe->path = slash ? slash : "/";
		snprintf(endpoint, sizeof endpoint, "%.*s", (int)(slash ? slash - text - length : strlen(text) - length), text + length);
		return parse_endpoint(endpoint, &probe->target);
	}
	return 0;
}

static void start(struct probe *probe)
{
	int type = probe->kind == UDP ? SOCK_DGRAM : SOCK_STREAM;
	probe->fd = socket(probe->target.address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd < 0)
		return fail(probe, errno);
	if (connect(probe->fd, (void *)&probe->target.address, probe->target.length) && errno != EINPROGRESS)
		return fail(probe, errno);
}

// Again while unanswered: one lost datagram is no verdict.
static void ask(struct probe *probe)
{
	if (probe->fd >= 0 && send(probe->fd, question, strlen(question), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		fail(probe, errno);
}

static void request(struct probe *probe)
{
	char text[1024];
	int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: pod\r\nUser-Agent: kube-probe/1.33\r\nConnection: close\r\n\r\n", probe->path);
	if (send(probe->fd, text, length, MSG_NOSIGNAL) != length)
		fail(probe, errno);
}

static void connected(struct probe *probe)
{
	int error = 0;
	socklen_t length = sizeof error;
	getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error)
		return fail(probe, error);
	probe->connected = 1;
	if (probe->kind == HTTP)
		return request(probe);
	if (!read_answers)
		return finish(probe, "open");
	// A server that waits for a request need not wait for it to stay away.
	ask(probe);
}

static void answered(struct probe *probe)
{
	ssize_t n = recv(probe->fd, probe->answer + probe->length, ANSWER - 1 - probe->length, 0);
	if (n < 0)
		return errno == EAGAIN ? (void)0 : fail(probe, errno);
	probe->length += n;
	// An answer is one line; at the end of a stream what has come must do.
	if (n && probe->kind != UDP && !memchr(probe->answer, '\n', probe->length) && probe->length < ANSWER - 1)
		return;
	probe->answer[strcspn(probe->answer, "\r\n")] = 0;
	finish(probe, "open");
}

static void step(struct probe *probe, int events)
{
	if (!events || probe->fd < 0)
		return;
	if (probe->kind == UDP || probe->connected)
		answered(probe);
	else
		connected(probe);
}

static int wait_for(struct probe *probes, int count, double deadline)
{
	struct pollfd *fds = calloc(count, sizeof *fds);
	int open = 0;
	if (!fds)
		die("memory");
	for (int i = 0; i < count; i++) {
		fds[i].fd = probes[i].fd;
		fds[i].events = probes[i].kind == UDP || probes[i].connected ? POLLIN : POLLOUT;
		open += probes[i].fd >= 0;
	}
	double left = deadline - now_ms();
	if (open && left > 0 && poll(fds, count, (int)left + 1) > 0)
		for (int i = 0; i < count; i++)
			step(&probes[i], fds[i].revents);
	free(fds);
	return open;
}

static void run(struct probe *probes, int count, int timeout)
{
	for (int i = 0; i < count; i++)
		start(&probes[i]);
	for (int attempt = 1; attempt <= UDP_TRIES; attempt++) {
		for (int i = 0; i < count; i++)
			if (probes[i].kind == UDP)
				ask(&probes[i]);
		double deadline = started_ms + (double)timeout * attempt / UDP_TRIES;
		while (now_ms() < deadline)
			if (!wait_for(probes, count, deadline))
				return;
	}
}

// Tries all targets at once and prints one line each, in order:
// `OUTCOME MILLISECONDS ANSWER`. Exit status 0: all open, 1: not all.
int command_probe(int argc, char **argv)
{
	int first = 1;
	if (argc > 1 && !strcmp(argv[1], "--read"))
		read_answers = 1, first++;
	else if (argc > 1 && !strcmp(argv[1], "--whoami"))
		read_answers = 1, question = "whoami\n", first++;
	int count = argc - first - 1, failed = 0;
	if (count < 1)
		return fprintf(stderr, "canal-lab probe: needs a timeout and targets\n"), 2;
	struct probe *probes = calloc(count, sizeof *probes);
	if (!probes)
		die("memory");
	for (int i = 0; i < count; i++)
		if (!parse(argv[first + 1 + i], &probes[i]))
			return fprintf(stderr, "canal-lab probe: %s is no target\n", argv[first + 1 + i]), 2;
	started_ms = now_ms();
	run(probes, count, atoi(argv[first]));
	for (int i = 0; i < count; i++) {
		if (!probes[i].outcome)
			finish(&probes[i], "timeout");
		failed |= strcmp(probes[i].outcome, "open") != 0;
		printf("%s %.3f %s\n", probes[i].outcome, probes[i].elapsed_ms, probes[i].answer);
	}
	return failed;
}
