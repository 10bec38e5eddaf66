#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"

#ifndef SO_NETNS_COOKIE // Linux 5.14
#define SO_NETNS_COOKIE 71
#endif

// 0: swapped in place; -ENOENT: no pin, or one of another hook or cgroup, such as one that is gone (removed).
static int swap_link(int cgroup, int prog_fd, int type, const char *pin)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	struct stat directory;
	int link = bpf_obj_get(pin), err;

	if (link < 0)
		return link;
	err = fstat(cgroup, &directory) ? -errno : bpf_obj_get_info_by_fd(link, &info, &size);
	if (!err) // a cgroup's id is its inode
		err = info.cgroup.cgroup_id == directory.st_ino && (int)info.cgroup.attach_type == type
			      ? bpf_link_update(link, prog_fd, NULL)
			      : -ENOENT;
	close(link);
	if (err == -ENOLINK)
		err = -ENOENT;
	if (err == -ENOENT && unlink(pin))
		err = -errno;
	return err;
}

int canal_attach_cgroup(const char *path, int prog_fd, int type, const char *pin)
{
	int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err, link;

	if (cgroup < 0)
		return -errno;
	err = swap_link(cgroup, prog_fd, type, pin);
	if (err == -ENOENT) {
		link = bpf_link_create(prog_fd, cgroup, type, NULL);
		err = link < 0 ? link : bpf_obj_pin(link, pin);
		if (link >= 0)
			close(link); // unpinned, this detaches again
	}
	close(cgroup);
	return err;
}

int canal_detach_cgroup(const char *pin)
{
	int link = bpf_obj_get(pin), err;

	if (link < 0)
		return link == -ENOENT ? 0 : link;
	err = bpf_link_detach(link);
	close(link);
	if (err && err != -ENOLINK) // the cgroup is gone
		return err;
	return unlink(pin) ? -errno : 0;
}

int canal_cgroup_link(const char *pin, struct canal_cgroup_link *out)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	int link = bpf_obj_get(pin), err;

	if (link < 0)
		return link;
	err = bpf_obj_get_info_by_fd(link, &info, &size);
	close(link);
	if (!err && info.type != BPF_LINK_TYPE_CGROUP)
		err = -EINVAL;
	if (!err)
		*out = (struct canal_cgroup_link){ info.cgroup.cgroup_id, info.prog_id, info.cgroup.attach_type };
	return err;
}

int canal_netns_cookie(uint64_t *cookie)
{
	socklen_t size = sizeof(*cookie);
	int sk = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (sk < 0)
		return -errno;
	err = getsockopt(sk, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size) ? -errno : 0;
	close(sk);
	return err;
}
