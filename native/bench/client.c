// The asking side, which measures.
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
#include "load.h"

#define BUCKET_NS 100
#define BUCKETS 50000       // 5 ms; longer counts as that
#define MOST_ERRORS 5       // then the run ends
#define MOST_CONNECTIONS 2000000
#define BURST 32

static uint32_t histogram[BUCKETS];
static char buffer[1 << 17];

struct window {
	uint64_t begins, ends, started; // ns
	uint64_t cpu_us;
	bool counting;
};

static struct window window_open(const struct run *run)
{
	uint64_t now = clock_ns();

	return (struct window){.begins = now + run->warm_ns, .ends = now + run->warm_ns + run->count_ns};
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static uint64_t both_cpu_us(const struct run *run)
{
	return clock_us(CLOCK_PROCESS_CPUTIME_ID) + (run->mode == BOTH ? clock_us(run->server_clock) : 0);
}

// True from when counting begins, once: the caller takes its own marks then.
static bool window_begins(struct window *window, const struct run *run, uint64_t now)
{
	if (window->counting || now < window->begins)
		return false;
	window->counting = true;
	window->started = now;
	window->cpu_us = both_cpu_us(run);
	return true;
}

static void window_close(const struct window *window, const struct run *run, uint64_t count, uint64_t now, struct result *result)
{
	if (!window->counting)
		return;
	result->samples = count;
	result->value = count / ((now - window->started) / 1e9);
	result->cpu_us = both_cpu_us(run) - window->cpu_us;
}

static void record(uint64_t ns)
{
	uint64_t bucket = ns / BUCKET_NS;

	histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static double percentile_us(uint64_t count, double part)
{
	uint64_t seen = 0;

	for (int i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen > count * part)
			return (i + 0.5) * BUCKET_NS / 1000;
	}
	return 0;
}

static int connected(const struct run *run, int type, struct limits *limits)
{
	struct timeval limit = {.tv_sec = 1};
	int fd = socket(run->to.socket.ss_family, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	if (type == SOCK_STREAM)
		set_congestion(run, fd);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&run->to.socket, run->to.size)) {
		limits->no_ports += errno == EADDRNOTAVAIL || errno == EADDRINUSE;
		close(fd);
		return -1;
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int must_connect(const struct run *run, int type)
{
	struct limits limits;
	int fd = connected(run, type, &limits);

	if (fd < 0)
		die("connect");
	return fd;
}

static bool ask(int fd)
{
	char answer[64];

	return send(fd, "x", 1, MSG_NOSIGNAL) == 1 && recv(fd, answer, sizeof(answer), 0) == 1;
}

static void request_response(const struct run *run, struct result *result)
{
	int fd = must_connect(run, run->metric == UDP_RR ? SOCK_DGRAM : SOCK_STREAM);
	struct window window = window_open(run);
	uint64_t count = 0, now = clock_ns(), then;

	while (now < window.ends && result->errors < MOST_ERRORS) {
		window_begins(&window, run, now);
		if (!ask(fd))
			result->errors++;
		then = now;
		now = clock_ns();
		if (window.counting) {
			count++;
			record(now - then);
		}
	}
	window_close(&window, run, count, now, result);
	result->p50_us = percentile_us(count, 0.5);
	result->p99_us = percentile_us(count, 0.99);
}

// One connection with one question; opened_ns: how long connect took.
static bool transaction(const struct run *run, uint64_t *opened_ns, struct limits *limits)
{
	uint64_t before = clock_ns();
	int fd = connected(run, SOCK_STREAM, limits);
	char rest;
	bool good;

	*opened_ns = clock_ns() - before;
	if (fd < 0)
		return false;
	good = ask(fd) && recv(fd, &rest, 1, 0) == 0;
	close(fd);
	return good;
}

static void connect_request_close(const struct run *run, struct result *result)
{
	struct window window = window_open(run);
	uint64_t count = 0, total = 0, now = clock_ns(), then, opened;

	while (now < window.ends && result->errors < MOST_ERRORS && total++ < MOST_CONNECTIONS) {
		window_begins(&window, run, now);
		if (!transaction(run, &opened, &result->limits))
			result->errors++;
		then = now;
		now = clock_ns();
		if (window.counting) {
			count++;
			record(run->metric == FIRST_PACKET ? opened : now - then);
		}
	}
	window_close(&window, run, count, now, result);
	result->p50_us = percentile_us(count, 0.5);
	result->p99_us = percentile_us(count, 0.99);
	if (run->metric == FIRST_PACKET)
		result->value = result->p50_us;
}

// How much was received, as far as the client knows: alone, it takes what it sent for that.
static uint64_t arrived(const struct run *run, const volatile uint64_t *received, uint64_t sent)
{
	return run->mode == BOTH ? *received : sent;
}

static uint64_t push(struct pollfd *fds, int connections, struct result *result)
{
	uint64_t sent = 0;

	if (connections > 1 && poll(fds, connections, 1000) <= 0)
		result->errors++;
	for (int i = 0; i < connections; i++) {
		if (connections > 1 && !(fds[i].revents & POLLOUT))
			continue;
		ssize_t size = send(fds[i].fd, buffer, sizeof(buffer), MSG_NOSIGNAL | (connections > 1 ? MSG_DONTWAIT : 0));

		if (size > 0)
			sent += size;
		else if (size < 0 && errno != EAGAIN)
			result->errors++;
	}
	return sent;
}

static void stream(const struct run *run, const struct shared *shared, struct result *result)
{
	struct pollfd fds[MAX_CONNECTIONS];
	struct window window;
	uint64_t before = 0, sent = 0, now = clock_ns();

	for (int i = 0; i < run->connections; i++)
		fds[i] = (struct pollfd){.fd = must_connect(run, SOCK_STREAM), .events = POLLOUT};
	window = window_open(run);
	while (now < window.ends && result->errors < MOST_ERRORS) {
		if (window_begins(&window, run, now))
			before = arrived(run, &shared->bytes, sent);
		sent += push(fds, run->connections, result);
		now = clock_ns();
	}
	window_close(&window, run, arrived(run, &shared->bytes, sent) - before, now, result);
	result->value *= 8 / 1e9;
}

static void packets(const struct run *run, const struct shared *shared, struct result *result)
{
	int fd = must_connect(run, SOCK_DGRAM);
	struct mmsghdr messages[BURST] = {};
	struct iovec part = {.iov_base = buffer, .iov_len = 64};
	struct window window;
	uint64_t before = 0, sent = 0, now = clock_ns();

	if (!ask(fd))
		die("no answer to the first datagram");
	for (int i = 0; i < BURST; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
	window = window_open(run);
	while (now < window.ends) {
		if (window_begins(&window, run, now))
			before = arrived(run, &shared->packets, sent);
		int count = sendmmsg(fd, messages, BURST, 0);

		if (count > 0)
			sent += count;
		else
			result->errors++;
		now = clock_ns();
	}
	window_close(&window, run, arrived(run, &shared->packets, sent) - before, now, result);
}

static void measure(const struct run *run, const struct shared *shared, struct result *result)
{
	switch (run->metric) {
	case RR:
	case UDP_RR:
		return request_response(run, result);
	case CRR:
	case FIRST_PACKET:
		return connect_request_close(run, result);
	case STREAM:
		return stream(run, shared, result);
	case UDP_PPS:
		return packets(run, shared, result);
	}
}

void load(const struct run *run, const struct shared *shared, struct result *result)
{
	limits_before(run, &result->limits);
	measure(run, shared, result);
	limits_after(run, &result->limits);
}
