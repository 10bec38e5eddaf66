#include "lab.h"
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

int place_option(struct place *place, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **value;
	} options[] = {
		{ "--cgroup", &place->cgroup }, { "--net", &place->net }, { "--mnt", &place->mnt },
		{ "--uts", &place->uts },       { "--ipc", &place->ipc }, { "--cgroupns", &place->cgroupns },
	};
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (!strcmp(name, options[i].name)) {
			*options[i].value = value;
			return 1;
		}
	return 0;
}

static void join_cgroup(const char *directory)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/cgroup.procs", directory);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

void place_enter(const struct place *place)
{
	const char *paths[] = { place->net, place->uts, place->ipc, place->cgroupns, place->mnt };
	const int kinds[] = { CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWCGROUP, CLONE_NEWNS };
	int fds[5];
	if (place->cgroup)
		join_cgroup(place->cgroup);
	for (int i = 0; i < 5; i++)
		if (paths[i] && (fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC)) < 0)
			die(paths[i]);
	for (int i = 0; i < 5; i++) {
		if (!paths[i])
			continue;
		if (setns(fds[i], kinds[i]))
			die(paths[i]);
		close(fds[i]);
	}
}

void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		die("lo up");
	close(fd);
}

static void stop(int signal)
{
	(void)signal;
	_exit(0);
}

static void reap(int signal)
{
	(void)signal;
	while (waitpid(-1, 0, WNOHANG) > 0)
		;
}

int pause_forever(void)
{
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGCHLD, reap);
	for (;;)
		pause();
}

int command_pause(int argc, char **argv)
{
	(void)argc, (void)argv;
	return pause_forever();
}

int command_enter(int argc, char **argv)
{
	struct place place = { 0 };
	const char *cwd = "/";
	int terminal = 0, i = 1;
	for (; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--tty"))
			terminal = 1;
		else if (i + 1 < argc && !strcmp(argv[i], "--cwd"))
			cwd = argv[++i];
		else if (i + 1 < argc && place_option(&place, argv[i], argv[i + 1]))
			i++;
		else
			return fprintf(stderr, "canal-lab enter: unknown option %s\n", argv[i]), 2;
	}
	if (i + 1 >= argc)
		return fprintf(stderr, "canal-lab enter: no command\n"), 2;
	char **command = argv + i + 1;
	place_enter(&place);
	if (chdir(cwd))
		die(cwd);
	if (terminal)
		return run_on_terminal(command);
	execvp(command[0], command);
	fprintf(stderr, "canal-lab: exec %s: %m\n", command[0]);
	return 127;
}
