#include "lab.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_connection(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct endpoint target;
		if (!parse_endpoint(argv[i], &target))
			return fprintf(stderr, "canal-lab connect: %s is no address with port\n", argv[i]), -1;
		int fd = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
		if (fd >= 0 && !connect(fd, (void *)&target.address, target.length))
			return fd;
		fprintf(stderr, "connect %s: %m\n", argv[i]);
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static int write_all(int fd, const char *bytes, ssize_t count)
{
	for (ssize_t n; count > 0; bytes += n, count -= n)
		if ((n = write(fd, bytes, count)) <= 0)
			return -1;
	return 0;
}

// Joins stdin and stdout with one TCP connection (the first address that
// answers). Writes one `+` before the stream's own bytes, so that the caller
// knows that it stands.
int command_connect(int argc, char **argv)
{
	int connection = open_connection(argc, argv);
	if (connection < 0 || write_all(1, "+", 1))
		return 1;
	char bytes[65536];
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN }, { .fd = connection, .events = POLLIN } };
	while (poll(fds, 2, -1) >= 0) {
		ssize_t n;
		if (fds[0].revents) {
			n = read(0, bytes, sizeof bytes);
			if (n <= 0) {
				fds[0].fd = -1;
				shutdown(connection, SHUT_WR);
			} else if (write_all(connection, bytes, n))
				return 0;
		}
		if (fds[1].revents) {
			n = read(connection, bytes, sizeof bytes);
			if (n <= 0 || write_all(1, bytes, n))
				return 0;
		}
	}
	return 0;
}
