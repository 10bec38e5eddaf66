// What else than the path may limit a measurement, from the kernel's counters
// of the namespaces of both sides.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load.h"

#define LINE 8192

// Value of a column of TcpExt in net/netstat of a process: a line of names, then one of numbers.
static uint64_t tcp_counter(pid_t pid, const char *name)
{
	char path[64], names[LINE], values[LINE], *n, *v, *name_at, *value_at;
	uint64_t found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/net/netstat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		n = strtok_r(names, " \n", &name_at);
		v = strtok_r(values, " \n", &value_at);
		for (; n && v; n = strtok_r(NULL, " \n", &name_at), v = strtok_r(NULL, " \n", &value_at))
			if (!strcmp(n, name))
				found = strtoull(v, NULL, 10);
	}
	fclose(file);
	return found;
}

static uint64_t time_wait(pid_t pid)
{
	char path[64], line[256];
	unsigned long count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/net/sockstat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "TCP: inuse %*u orphan %*u tw %lu", &count) == 1)
			break;
	fclose(file);
	return count;
}

// The caller's namespace, whichever the process's is.
static uint64_t port_range(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned low = 0, high = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%u %u", &low, &high) != 2 || high < low)
		low = high = 0;
	fclose(file);
	return high ? high - low + 1 : 0;
}

void limits_before(const struct run *run, struct limits *limits)
{
	limits->syn_retrans = tcp_counter(getpid(), "TCPSynRetrans");
	limits->listen_drops = run->mode == BOTH ? tcp_counter(run->server_pid, "ListenDrops") : 0;
}

void limits_after(const struct run *run, struct limits *limits)
{
	limits->syn_retrans = tcp_counter(getpid(), "TCPSynRetrans") - limits->syn_retrans;
	if (run->mode == BOTH)
		limits->listen_drops = tcp_counter(run->server_pid, "ListenDrops") - limits->listen_drops;
	limits->time_wait = time_wait(getpid());
	limits->port_range = port_range();
}
