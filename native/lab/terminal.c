#include "lab.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESIZE_FD = 3 };

static int write_all(int fd, const char *bytes, ssize_t count)
{
	while (count > 0) {
		ssize_t n = write(fd, bytes, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		count -= n;
	}
	return 0;
}

// One read's worth from one descriptor to another; 0: the source has ended.
static int copy(int from, int to)
{
	char bytes[16384];
	ssize_t n = read(from, bytes, sizeof bytes);
	if (n < 0 && errno == EINTR)
		return 1;
	return n > 0 && !write_all(to, bytes, n);
}

static int resize(int terminal)
{
	char line[64];
	ssize_t n = read(RESIZE_FD, line, sizeof line - 1);
	if (n <= 0)
		return 0;
	line[n] = 0;
	unsigned columns, rows;
	if (sscanf(line, "%u %u", &columns, &rows) == 2) {
		struct winsize size = { .ws_row = rows, .ws_col = columns };
		ioctl(terminal, TIOCSWINSZ, &size);
	}
	return 1;
}

static int exit_status(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int run_on_terminal(char **argv)
{
	static const char end_of_file = 4;
	int terminal;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);
	if (child < 0)
		die("forkpty");
	if (!child) {
		close(RESIZE_FD);
		execvp(argv[0], argv);
		fprintf(stderr, "canal-lab: exec %s: %m\n", argv[0]);
		_exit(127);
	}
	struct pollfd fds[] = {
		{ .fd = terminal, .events = POLLIN },
		{ .fd = 0, .events = POLLIN },
		{ .fd = fcntl(RESIZE_FD, F_GETFD) < 0 ? -1 : RESIZE_FD, .events = POLLIN },
	};
	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			break;
		// The terminal reports EIO once its last user is gone.
		if (fds[0].revents && !copy(terminal, 1))
			break;
		if (fds[1].revents && !copy(0, terminal)) {
			fds[1].fd = -1;
			write_all(terminal, &end_of_file, 1);
		}
		if (fds[2].revents && !resize(terminal))
			fds[2].fd = -1;
	}
	return exit_status(child);
}
