#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "internal.h"

#define BPF_FS_MAGIC 0xcafe4a11

int canal_version(void) { return 1; }

int canal_is_bpffs(const char *path)
{
	struct statfs info;

	return !statfs(path, &info) && (uint32_t)info.f_type == BPF_FS_MAGIC;
}

int canal_mount_bpffs(const char *path)
{
	if (canal_is_bpffs(path))
		return 0;
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	return mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ? -errno : 0;
}

int canal_pinned(const char *path) { return bpf_obj_get(path); }
int canal_pin(int fd, const char *path) { return bpf_obj_pin(fd, path); }
int canal_unpin(const char *path) { return unlink(path) && errno != ENOENT ? -errno : 0; }
int canal_close(int fd) { return close(fd) ? -errno : 0; }

int canal_map_info(int fd, struct canal_map_info *out)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (err)
		return err;
	*out = (struct canal_map_info){ info.id, info.type, info.key_size, info.value_size, info.max_entries, info.map_flags, "" };
	memcpy(out->name, info.name, sizeof(out->name));
	return 0;
}

int canal_prog_info(int fd, struct canal_prog_info *out)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (err)
		return err;
	*out = (struct canal_prog_info){ .id = info.id, .type = info.type };
	memcpy(out->tag, info.tag, sizeof(out->tag));
	memcpy(out->name, info.name, sizeof(out->name));
	return 0;
}
