// A thread that waits for a descriptor in the place of a process that has no
// other way to: it puts a byte into a pipe when there is something to read.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "internal.h"

struct waker {
	pthread_t thread;
	int epoll, stop; // stop: readable when it is to end
	int fd, out;
	int pause_ms;
};

static void *wait_and_tell(void *arg)
{
	struct waker *waker = arg;
	struct pollfd stop = { .fd = waker->stop, .events = POLLIN }, left = { .fd = waker->fd, .events = POLLIN };
	struct epoll_event event;

	for (;;) {
		int count = epoll_wait(waker->epoll, &event, 1, -1);

		if (count < 0 && errno != EINTR)
			return NULL;
		// What follows in the same breath is told with it.
		if (poll(&stop, 1, waker->pause_ms) > 0)
			return NULL;
		// Somebody has come by meanwhile and read it all.
		if (poll(&left, 1, 0) == 0)
			continue;
		// A pipe that is full has told already.
		if (count > 0 && write(waker->out, "!", 1) < 0 && errno != EAGAIN)
			return NULL;
	}
}

static void destroy(struct waker *waker)
{
	if (waker->epoll >= 0)
		close(waker->epoll);
	if (waker->stop >= 0)
		close(waker->stop);
	if (waker->out >= 0)
		close(waker->out);
	free(waker);
}

static int prepare(struct waker *waker, int fd, int *in)
{
	// Edge-triggered: what is not read yet is not told again and again.
	struct epoll_event readable = { .events = EPOLLIN | EPOLLET }, stopped = { .events = EPOLLIN };
	int pipes[2];

	waker->epoll = epoll_create1(EPOLL_CLOEXEC);
	waker->stop = eventfd(0, EFD_CLOEXEC);
	if (waker->epoll < 0 || waker->stop < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	*in = pipes[0];
	waker->out = pipes[1];
	if (epoll_ctl(waker->epoll, EPOLL_CTL_ADD, fd, &readable) || epoll_ctl(waker->epoll, EPOLL_CTL_ADD, waker->stop, &stopped))
		return -errno;
	return -pthread_create(&waker->thread, NULL, wait_and_tell, waker);
}

int canal_waker_open(int fd, uint32_t pause_ms, int32_t *pipe_fd)
{
	struct waker *waker = calloc(1, sizeof(*waker));
	int in = -1, err;

	if (!waker)
		return -ENOMEM;
	*waker = (struct waker){ .epoll = -1, .stop = -1, .fd = fd, .out = -1, .pause_ms = (int)pause_ms };
	err = prepare(waker, fd, &in);
	if (err) {
		if (in >= 0)
			close(in);
		destroy(waker);
		return err;
	}
	*pipe_fd = in;
	err = handle_put(HANDLE_WAKER, waker);
	if (err > 0)
		return err;
	close(in);
	eventfd_write(waker->stop, 1);
	pthread_join(waker->thread, NULL);
	destroy(waker);
	return err;
}

int canal_waker_close(int handle)
{
	struct waker *waker = handle_take(HANDLE_WAKER, handle);

	if (!waker)
		return -EBADF;
	eventfd_write(waker->stop, 1);
	pthread_join(waker->thread, NULL);
	destroy(waker);
	return 0;
}
