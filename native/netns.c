#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/nsfs.h>
#include "internal.h"

struct visit {
	int netns;
	int (*work)(void *);
	void *arg;
	int result;
};

static void *enter(void *arg)
{
	struct visit *visit = arg;

	visit->result = setns(visit->netns, CLONE_NEWNET) ? -errno : visit->work(visit->arg);
	return NULL;
}

static int open_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	// A bind mount that outlived its namespace is an empty file.
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int netns_run(const char *path, int (*work)(void *), void *arg)
{
	struct visit visit = { open_netns(path), work, arg, 0 };
	pthread_t thread;
	int err;

	if (visit.netns < 0)
		return visit.netns;
	err = -pthread_create(&thread, NULL, enter, &visit);
	if (!err)
		pthread_join(thread, NULL);
	close(visit.netns);
	return err ? err : visit.result;
}

int canal_netns_alive(const char *path)
{
	int fd = open_netns(path);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int sysctl_write(const char *value, const char *format, ...)
{
	char path[256] = "/proc/sys/net/";
	size_t prefix = strlen(path);
	va_list args;
	int fd, err;

	va_start(args, format);
	vsnprintf(path + prefix, sizeof(path) - prefix, format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int sysctl_write_v6(const char *value, const char *format, const char *device)
{
	int err = sysctl_write(value, format, device);

	return err == -ENOENT ? 0 : err;
}

int sysctl_read(const char *path)
{
	char digit = '0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit - '0';
}
