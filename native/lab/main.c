#include "lab.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "pause", command_pause, "" },
	{ "enter", command_enter, "[--cgroup DIR] [--net F] [--mnt F] [--uts F] [--ipc F] [--cgroupns F] [--cwd DIR] [--tty] -- CMD..." },
	{ "sandbox", command_sandbox, "[--cgroup DIR] [--mnt F] [--net F] [--bind-net PATH] --hostname NAME" },
	{ "release", command_release, "[--mnt F] PATH" },
	{ "serve", command_serve, "NAME tcp:PORT udp:PORT ..." },
	{ "probe", command_probe, "[--read] TIMEOUT_MS tcp:ADDR:PORT udp:ADDR:PORT http:ADDR:PORT/PATH ..." },
	{ "connect", command_connect, "ADDR:PORT ..." },
};

noreturn void die(const char *what)
{
	fprintf(stderr, "canal-lab: %s: %s\n", what, strerror(errno));
	exit(126);
}

int parse_endpoint(const char *text, struct endpoint *endpoint)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || (size_t)(colon - text) >= sizeof host)
		return 0;
	memcpy(host, text, colon - text);
	host[colon - text] = 0;
	int port = atoi(colon + 1);
	if (port < 1 || port > 65535)
		return 0;
	memset(endpoint, 0, sizeof *endpoint);
	struct sockaddr_in *in4 = (void *)&endpoint->address;
	struct sockaddr_in6 *in6 = (void *)&endpoint->address;
	size_t length = strlen(host);
	if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = 0;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		endpoint->length = sizeof *in6;
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
	}
	in4->sin_family = AF_INET;
	in4->sin_port = htons(port);
	endpoint->length = sizeof *in4;
	return inet_pton(AF_INET, host, &in4->sin_addr) == 1;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(stderr, "canal-lab %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
