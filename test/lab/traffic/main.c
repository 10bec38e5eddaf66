#include "traffic.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(2);
}

struct target parse_target(const char *text)
{
	char kind[4], host[32];
	int port;
	struct target target = { .address.sin_family = AF_INET };
	if (sscanf(text, "%3[a-z]:%31[0-9.]:%d", kind, host, &port) != 3 || !inet_pton(AF_INET, host, &target.address.sin_addr))
		die(text);
	target.tcp = !strcmp(kind, "tcp");
	target.address.sin_port = htons(port);
	return target;
}

int nonblocking_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	return fd;
}

unsigned retransmits(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof info;
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	return info.tcpi_total_retrans;
}

char next_command(void)
{
	char letter = 0;
	ssize_t n = read(0, &letter, 1);
	if (!n)
		exit(0);
	return n == 1 ? letter : 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (argc > 2 && !strcmp(argv[1], "serve"))
		return serve(argc - 2, argv + 2);
	if (argc > 3 && !strcmp(argv[1], "stream"))
		return stream(atof(argv[2]), argc - 3, argv + 3);
	if (argc > 3 && !strcmp(argv[1], "knock"))
		return knock(atof(argv[2]), argc - 3, argv + 3);
	if (argc == 5 && !strcmp(argv[1], "pairs"))
		return pairs(atol(argv[2]), atoi(argv[3]), argv[4]);
	if (argc == 7 && !strcmp(argv[1], "fuzz"))
		return fuzz(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "sniff"))
		return sniff();
	fprintf(stderr, "traffic: serve PORT... | stream MS TARGET... | knock MS TARGET... | pairs COUNT PARALLEL TARGET | fuzz SEED COUNT FROM NODE TO,TO... | sniff\n");
	return 2;
}
