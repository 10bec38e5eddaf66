// canal-load: see options.c for the command line. Prints one line of JSON, and
// as a server alone `listening` before it.
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "load.h"

#define PRIORITY (-15)   // so that what else runs on the machine counts less
#define SPARE_SECONDS 15 // beyond what was asked for; then something hangs

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

// On the socket: a namespace may be given only what this machine allows to all (CAP_NET_ADMIN may choose any).
void set_congestion(const struct run *run, int fd)
{
	if (run->congestion && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, run->congestion, strlen(run->congestion)))
		die("TCP_CONGESTION");
}

static void enter_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static void enter_cgroup(const char *directory)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void enter(const struct place *place)
{
	if (place->cgroup)
		enter_cgroup(place->cgroup);
	if (place->netns)
		enter_netns(place->netns);
	if (place->cpu >= 0)
		pin(place->cpu);
}

static unsigned lifetime_s(const struct run *run)
{
	return (run->warm_ns + run->count_ns) / 1000000000 + SPARE_SECONDS;
}

// Returns when the server listens.
static void start_server(struct run *run, struct shared *shared)
{
	int status;

	run->server_pid = fork();
	if (run->server_pid < 0)
		die("fork");
	if (run->server_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		enter(&run->server);
		serve(run, shared);
		exit(0);
	}
	while (!shared->ready && waitpid(run->server_pid, &status, WNOHANG) == 0)
		usleep(200);
	if (!shared->ready)
		exit(1); // the server has said why
	if (clock_getcpuclockid(run->server_pid, &run->server_clock))
		die("clock_getcpuclockid");
}

static void stop_server(const struct run *run)
{
	kill(run->server_pid, SIGKILL);
	waitpid(run->server_pid, NULL, 0);
}

static void print(const struct run *run, const struct result *r)
{
	printf("{\"value\":%.6g,\"unit\":\"%s\",\"samples\":%lu,\"errors\":%lu,\"p50Us\":%.2f,\"p99Us\":%.2f,\"cpuUs\":%lu,"
	       "\"limits\":{\"noPorts\":%lu,\"timeWait\":%lu,\"portRange\":%lu,\"synRetrans\":%lu,\"listenDrops\":%lu}}\n",
	       r->value, units[run->metric], r->samples, r->errors, r->p50_us, r->p99_us, r->cpu_us,
	       r->limits.no_ports, r->limits.time_wait, r->limits.port_range, r->limits.syn_retrans, r->limits.listen_drops);
}

static int both(struct run *run, struct shared *shared)
{
	struct result result = {};

	start_server(run, shared);
	enter(&run->client);
	alarm(lifetime_s(run));
	load(run, shared, &result);
	print(run, &result);
	stop_server(run);
	return 0;
}

static int serve_alone(struct run *run, struct shared *shared)
{
	char stop;

	alarm(lifetime_s(run) + SPARE_SECONDS); // the client may start late
	start_server(run, shared);
	printf("listening\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &stop, 1) < 0 && errno == EINTR)
		;
	stop_server(run);
	printf("{\"received\":%lu,\"ns\":%lu}\n", shared->window_count, shared->window_ns);
	return 0;
}

static int ask_alone(struct run *run, struct shared *shared)
{
	struct result result = {};

	enter(&run->client);
	alarm(lifetime_s(run));
	load(run, shared, &result);
	print(run, &result);
	return 0;
}

int main(int argc, char **argv)
{
	struct run run = options(argc, argv);
	struct shared *shared;

	signal(SIGPIPE, SIG_IGN);
	setpriority(PRIO_PROCESS, 0, PRIORITY); // not permitted: as it is
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	switch (run.mode) {
	case SERVE:
		return serve_alone(&run, shared);
	case ASK:
		return ask_alone(&run, shared);
	default:
		return both(&run, shared);
	}
}
