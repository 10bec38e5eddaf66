// canal-lab: one static binary with the few programs that the lab runs inside
// its nodes and pods. Each command is a function that takes its own arguments
// (argv[0] is the command's name) and returns an exit status.
#pragma once
#include <netinet/in.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/socket.h>

int command_pause(int argc, char **argv);
int command_enter(int argc, char **argv);
int command_sandbox(int argc, char **argv);
int command_release(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_probe(int argc, char **argv);
int command_connect(int argc, char **argv);

// Prints `canal-lab: what: strerror(errno)` and exits with 126.
noreturn void die(const char *what);

// Where a process goes before it runs. Null: stays where it is.
struct place {
	const char *cgroup; // directory of a cgroup v2
	const char *net;    // namespace files
	const char *mnt;
	const char *uts;
	const char *ipc;
	const char *cgroupns;
};

// Takes one `--name value` of struct place; 0: it was none.
int place_option(struct place *place, const char *name, const char *value);
// Joins all of them, the cgroup first and the mount namespace last, since paths change with it.
void place_enter(const struct place *place);

void loopback_up(void);
// Sleeps until SIGTERM or SIGINT and reaps orphans.
int pause_forever(void);

// Runs argv on a terminal of its own and copies its bytes from and to stdin and
// stdout. Lines `COLUMNS ROWS` on descriptor 3 resize it. Returns the exit status.
int run_on_terminal(char **argv);

struct endpoint {
	struct sockaddr_storage address;
	socklen_t length;
};

// `1.2.3.4:80` or `[fe80::1]:80`; 0: it is none.
int parse_endpoint(const char *text, struct endpoint *endpoint);
