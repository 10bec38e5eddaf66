#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

	netlink_pass();
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

// In a container /proc/sys is read-only: CANAL_PROC_SYS is where the node's is
// mounted. What stands below net there is that of the calling thread's namespace.
static int sysctl_open(int flags, const char *format, va_list args)
{
	const char *root = getenv("CANAL_PROC_SYS");
	char path[512];
	int prefix = snprintf(path, sizeof(path), "%s/net/", root && *root ? root : "/proc/sys");

	if (prefix >= (int)sizeof(path) - 128)
		return -ENAMETOOLONG;
	vsnprintf(path + prefix, sizeof(path) - prefix, format, args);
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_write(const char *value, const char *format, ...)
{
	va_list args;
	int fd, err;

	va_start(args, format);
	fd = sysctl_open(O_WRONLY, format, args);
	va_end(args);
	if (fd < 0)
		return fd;
	err = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int sysctl_read(const char *format, ...)
{
	char digit = '0';
	va_list args;
	int fd;

	va_start(args, format);
	fd = sysctl_open(O_RDONLY, format, args);
	va_end(args);
	if (fd < 0)
		return fd;
	if (read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit - '0';
}
