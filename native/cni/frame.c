#include "plugin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int await(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = deadline_ms - now_ms();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

// One read of at most size bytes once there are some; 0 at the end.
static ssize_t read_some(int fd, char *to, size_t size, int64_t deadline_ms)
{
	for (;;) {
		int err = await(fd, POLLIN, deadline_ms);
		ssize_t n;

		if (err)
			return err;
		n = read(fd, to, size);
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

static int read_exactly(int fd, char *to, size_t size, int64_t deadline_ms)
{
	while (size > 0) {
		ssize_t n = read_some(fd, to, size, deadline_ms);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ECONNRESET; // the agent died with half an answer
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const struct bytes *from, int64_t deadline_ms)
{
	for (size_t done = 0; done < from->size;) {
		ssize_t n = send(fd, from->data + done, from->size - done, MSG_NOSIGNAL);

		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			int err = await(fd, POLLOUT, deadline_ms);

			if (err)
				return err;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int read_all(int fd, size_t max, int64_t deadline_ms, struct bytes *out)
{
	out->size = 0;
	out->data = malloc(max + 1);
	if (!out->data)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read_some(fd, out->data + out->size, max + 1 - out->size, deadline_ms);

		if (n <= 0)
			return (int)n;
		out->size += (size_t)n;
		if (out->size > max)
			return -EFBIG;
	}
}

static int is_cni(const char *variable)
{
	return strncmp(variable, "CNI_", 4) == 0;
}

int frame_request(const struct bytes *config, struct bytes *out)
{
	uint32_t header[3];
	size_t env_size = 0;
	char *at;

	for (char **v = environ; *v; v++)
		env_size += is_cni(*v) ? strlen(*v) + 1 : 0;
	if (env_size > ENV_MAX)
		return -E2BIG;
	out->size = HEADER_LEN + env_size + config->size;
	out->data = malloc(out->size);
	if (!out->data)
		return -ENOMEM;
	memcpy(header, "CNI1", 4);
	header[1] = htonl((uint32_t)env_size);
	header[2] = htonl((uint32_t)config->size);
	memcpy(out->data, header, HEADER_LEN);
	at = out->data + HEADER_LEN;
	for (char **v = environ; *v; v++)
		if (is_cni(*v))
			at = stpcpy(at, *v) + 1;
	memcpy(at, config->data, config->size);
	return 0;
}

// A full backlog answers EAGAIN at once on a unix socket, and poll does not wait for it.
static int connect_until(int fd, const struct sockaddr_un *to, int64_t deadline_ms)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	while (connect(fd, (const struct sockaddr *)to, sizeof *to)) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int read_answer(int fd, int64_t deadline_ms, struct answer *out)
{
	uint32_t header[3];
	int err = read_exactly(fd, (char *)header, HEADER_LEN, deadline_ms);

	if (err)
		return err;
	out->status = ntohl(header[1]);
	out->output.size = ntohl(header[2]);
	if (memcmp(header, "CNI1", 4) || out->status > 1 || out->output.size > ANSWER_MAX)
		return -EPROTO;
	out->output.data = malloc(out->output.size + 1);
	if (!out->output.data)
		return -ENOMEM;
	return read_exactly(fd, out->output.data, out->output.size, deadline_ms);
}

int exchange(const char *socket_path, const struct bytes *frame, int64_t deadline_ms, struct answer *out)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(socket_path) >= sizeof to.sun_path)
		return -ENAMETOOLONG;
	strcpy(to.sun_path, socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect_until(fd, &to, deadline_ms);
	if (!err)
		err = write_all(fd, frame, deadline_ms);
	if (!err)
		err = read_answer(fd, deadline_ms, out);
	close(fd);
	return err;
}
