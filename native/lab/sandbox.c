#include "lab.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Files of /etc that a pod has for itself. They lie in the pod's own tmpfs; the
// lab writes them through /proc/PID/root.
static const char *const own_files[] = { "/etc/hosts", "/etc/hostname", "/etc/resolv.conf" };

static void own_file(const char *path)
{
	char copy[64];
	snprintf(copy, sizeof copy, "/run/pod%s", strrchr(path, '/'));
	int fd = open(copy, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		die(copy);
	close(fd);
	if (mount(copy, path, NULL, MS_BIND, NULL))
		die(path);
}

static void own_mounts(int own_network)
{
	// A slave: what the node unmounts goes here too, or pods would pin each other's namespaces.
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		die("mount --make-rslave /");
	umount2("/run", MNT_DETACH);
	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m"))
		die("/run");
	// The node's sysfs shows the node's devices: right for a pod on its network.
	if (own_network && mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		die("/sys");
	if (mkdir("/run/pod", 0755))
		die("/run/pod");
	for (size_t i = 0; i < sizeof own_files / sizeof *own_files; i++)
		own_file(own_files[i]);
}

// Names the network namespace in the node, as container runtimes do.
static void bind_network(const char *path)
{
	mkdir("/run/netns", 0755);
	int fd = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);
	if (fd < 0 || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL))
		die(path);
	close(fd);
}

// Undoes what --bind-net did; a path that is gone is fine.
int command_release(int argc, char **argv)
{
	struct place place = { 0 };
	for (int i = 1; i + 1 < argc; i += 2)
		place_option(&place, argv[i], argv[i + 1]);
	if (argc < 2)
		return 2;
	place_enter(&place);
	umount2(argv[argc - 1], MNT_DETACH);
	unlink(argv[argc - 1]);
	return 0;
}

// Makes a pod's namespaces and holds them. Without --net the network namespace
// is new, with loopback up; with it the pod shares the given one (hostNetwork).
// Prints "ready" once everything is in place.
int command_sandbox(int argc, char **argv)
{
	struct place place = { 0 };
	const char *hostname = "pod";
	const char *bind = NULL;
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return fprintf(stderr, "canal-lab sandbox: %s needs a value\n", argv[i]), 2;
		if (!strcmp(argv[i], "--hostname"))
			hostname = argv[i + 1];
		else if (!strcmp(argv[i], "--bind-net"))
			bind = argv[i + 1];
		else if (!place_option(&place, argv[i], argv[i + 1]))
			return fprintf(stderr, "canal-lab sandbox: unknown option %s\n", argv[i]), 2;
	}
	place_enter(&place);
	if (!place.net && unshare(CLONE_NEWNET))
		die("unshare net");
	if (bind)
		bind_network(bind);
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC))
		die("unshare");
	if (sethostname(hostname, strlen(hostname)))
		die("sethostname");
	if (!place.net)
		loopback_up();
	own_mounts(!place.net);
	if (chdir("/"))
		die("/");
	if (write(1, "ready\n", 6) != 6)
		die("stdout");
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	return pause_forever();
}
