// canal-load MODE --metric NAME --to ADDRESS:PORT [--listen ADDRESS:PORT] ...
#include <arpa/inet.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

static const char *const modes[] = {"both", "serve", "ask"};
static const char *const metrics[] = {"rr", "crr", "stream", "udp-rr", "udp-pps", "first-packet"};

enum { METRIC = 256, TO, LISTEN, WARM, COUNT, CONNECTIONS, CONGESTION, CLIENT_NETNS, SERVER_NETNS, CLIENT_CGROUP, SERVER_CGROUP, CLIENT_CPU, SERVER_CPU };

static const struct option known[] = {
	{"metric", required_argument, 0, METRIC},
	{"to", required_argument, 0, TO},
	{"listen", required_argument, 0, LISTEN},
	{"warm-ms", required_argument, 0, WARM},
	{"count-ms", required_argument, 0, COUNT},
	{"connections", required_argument, 0, CONNECTIONS},
	{"congestion", required_argument, 0, CONGESTION},
	{"client-netns", required_argument, 0, CLIENT_NETNS},
	{"server-netns", required_argument, 0, SERVER_NETNS},
	{"client-cgroup", required_argument, 0, CLIENT_CGROUP},
	{"server-cgroup", required_argument, 0, SERVER_CGROUP},
	{"client-cpu", required_argument, 0, CLIENT_CPU},
	{"server-cpu", required_argument, 0, SERVER_CPU},
	{},
};

static void usage(void) __attribute__((noreturn));
static void usage(void)
{
	fprintf(stderr, "usage: canal-load both|serve|ask");
	for (const struct option *o = known; o->name; o++)
		fprintf(stderr, " [--%s VALUE]", o->name);
	fprintf(stderr, "\n");
	exit(2);
}

static long number(const char *text, long least, long most)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || end == text || value < least || value > most) {
		fprintf(stderr, "canal-load: %s: not a number from %ld to %ld\n", text, least, most);
		exit(2);
	}
	return value;
}

static int one_of(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return i;
	fprintf(stderr, "canal-load: no %s\n", name);
	exit(2);
}

// ADDRESS:PORT, the last colon counts.
static struct address address_of(const char *text)
{
	struct address address = {};
	struct sockaddr_in *v4 = (void *)&address.socket;
	struct sockaddr_in6 *v6 = (void *)&address.socket;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	int port;

	if (!colon || colon - text >= (int)sizeof(host))
		usage();
	memcpy(host, text, colon - text);
	host[colon - text] = 0;
	port = htons(number(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		address.size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		address.size = sizeof(*v6);
	} else {
		usage();
	}
	return address;
}

static void option(struct run *run, int which, const char *value)
{
	switch (which) {
	case METRIC: run->metric = one_of(metrics, sizeof(metrics) / sizeof(*metrics), value); break;
	case TO: run->to = address_of(value); break;
	case LISTEN: run->listen = address_of(value); break;
	case WARM: run->warm_ns = number(value, 0, 10000) * 1000000ull; break;
	case COUNT: run->count_ns = number(value, 1, 60000) * 1000000ull; break;
	case CONNECTIONS: run->connections = number(value, 1, MAX_CONNECTIONS); break;
	case CONGESTION: run->congestion = value; break;
	case CLIENT_NETNS: run->client.netns = value; break;
	case SERVER_NETNS: run->server.netns = value; break;
	case CLIENT_CGROUP: run->client.cgroup = value; break;
	case SERVER_CGROUP: run->server.cgroup = value; break;
	case CLIENT_CPU: run->client.cpu = number(value, -1, CPU_SETSIZE - 1); break;
	case SERVER_CPU: run->server.cpu = number(value, -1, CPU_SETSIZE - 1); break;
	default: usage();
	}
}

struct run options(int argc, char **argv)
{
	struct run run = {.warm_ns = 150000000, .count_ns = 700000000, .connections = 1, .client = {.cpu = -1}, .server = {.cpu = -1}};
	int which;

	if (argc < 2)
		usage();
	run.mode = one_of(modes, sizeof(modes) / sizeof(*modes), argv[1]);
	while ((which = getopt_long(argc - 1, argv + 1, "", known, NULL)) != -1)
		option(&run, which, optarg);
	if (!run.listen.size)
		run.listen = run.to;
	if ((run.mode == BOTH || run.mode == ASK) && !run.to.size)
		usage();
	if (run.mode == SERVE && !run.listen.size)
		usage();
	return run;
}
