#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Two independent 64-bit FNV-1a sums of the frame name its file: one request, one file.
static uint64_t fnv1a(const struct bytes *frame, uint64_t sum)
{
	for (size_t i = 0; i < frame->size; i++)
		sum = (sum ^ (unsigned char)frame->data[i]) * 0x100000001b3ull;
	return sum;
}

static int make_dirs(const char *dir)
{
	char path[PATH_LEN];

	if (strlen(dir) >= sizeof path)
		return -ENAMETOOLONG;
	strcpy(path, dir);
	for (char *slash = path + 1;; slash++) {
		char end = *slash;

		if (end && end != '/')
			continue;
		*slash = 0;
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
		if (!end)
			return 0;
		*slash = end;
	}
}

static int write_synced(const char *path, const struct bytes *frame)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = 0;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; !err && done < frame->size;) {
		ssize_t n = write(fd, frame->data + done, frame->size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int queue_put(const char *dir, const struct bytes *frame)
{
	char path[PATH_LEN + 64], unfinished[PATH_LEN + 96];
	uint64_t a = fnv1a(frame, 0xcbf29ce484222325ull), b = fnv1a(frame, 0x9e3779b97f4a7c15ull);
	int err = make_dirs(dir);

	if (err)
		return err;
	snprintf(path, sizeof path, "%s/%016llx%016llx.request", dir, (unsigned long long)a, (unsigned long long)b);
	snprintf(unfinished, sizeof unfinished, "%s.%d.tmp", path, (int)getpid());
	err = write_synced(unfinished, frame);
	if (!err && rename(unfinished, path))
		err = -errno;
	if (err) {
		unlink(unfinished);
		return err;
	}
	return sync_dir(dir);
}
