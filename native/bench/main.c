// canal-load METRIC CLIENT_NETNS SERVER_NETNS ADDRESS PORT WARM_MS COUNT_MS CONNECTIONS CLIENT_CPU SERVER_CPU
// Namespaces are paths, "-" for the caller's. Prints one line of JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "load.h"

#define PRIORITY (-15) // so that what else runs on the machine counts less

static const char *const names[] = {"rr", "crr", "stream", "udp-rr", "udp-pps", "first-packet"};
static const char *const units[] = {"1/s", "1/s", "Gbit/s", "1/s", "1/s", "us"};

void die(const char *what)
{
	fprintf(stderr, "canal-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void enter(const char *netns)
{
	int fd;

	if (!strcmp(netns, "-"))
		return;
	fd = open(netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(netns);
	close(fd);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
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

static enum metric metric_of(const char *name)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return i;
	fprintf(stderr, "canal-load: no metric %s\n", name);
	exit(2);
}

static void address_of(struct run *run, const char *text, int port)
{
	struct sockaddr_in *v4 = (void *)&run->server;
	struct sockaddr_in6 *v6 = (void *)&run->server;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		run->server_size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		run->server_size = sizeof(*v6);
	} else {
		fprintf(stderr, "canal-load: %s is no address\n", text);
		exit(2);
	}
}

static pid_t start_server(const struct run *run, const char *netns, struct shared *shared)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter(netns);
	pin(run->server_cpu);
	serve(run, shared);
	exit(0);
}

static void print(const struct run *run, const struct result *r)
{
	printf("{\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"samples\":%lu,\"errors\":%lu,\"p50Us\":%.2f,\"p99Us\":%.2f,\"cpuUs\":%lu}\n",
	       names[run->metric], r->value, units[run->metric], r->samples, r->errors, r->p50_us, r->p99_us, r->cpu_us);
}

int main(int argc, char **argv)
{
	struct run run = {};
	struct result result = {};
	struct shared *shared;
	pid_t server;
	int status;

	if (argc != 11) {
		fprintf(stderr, "usage: canal-load METRIC CLIENT_NETNS SERVER_NETNS ADDRESS PORT WARM_MS COUNT_MS CONNECTIONS CLIENT_CPU SERVER_CPU\n");
		return 2;
	}
	run.metric = metric_of(argv[1]);
	address_of(&run, argv[4], number(argv[5], 1, 65535));
	run.warm_ns = number(argv[6], 0, 10000) * 1000000ull;
	run.count_ns = number(argv[7], 1, 60000) * 1000000ull;
	run.connections = number(argv[8], 1, MAX_CONNECTIONS);
	run.client_cpu = number(argv[9], -1, CPU_SETSIZE - 1);
	run.server_cpu = number(argv[10], -1, CPU_SETSIZE - 1);
	signal(SIGPIPE, SIG_IGN);
	setpriority(PRIO_PROCESS, 0, PRIORITY); // not permitted: as it is
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	server = start_server(&run, argv[3], shared);
	enter(argv[2]);
	pin(run.client_cpu);
	while (!shared->ready && waitpid(server, &status, WNOHANG) == 0)
		usleep(200);
	if (!shared->ready)
		return 1; // the server has said why
	alarm((run.warm_ns + run.count_ns) / 1000000000 + 15);
	if (clock_getcpuclockid(server, &run.server_clock))
		die("clock_getcpuclockid");
	load(&run, shared, &result);
	kill(server, SIGKILL);
	waitpid(server, &status, 0);
	print(&run, &result);
	return 0;
}
