// Traffic for the lab's tests: servers and clients that count what arrives, and
// hostile frames. Times are CLOCK_MONOTONIC in ms, comparable between processes.
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdint.h>
#include <netinet/in.h>

struct target {
	int tcp;
	struct sockaddr_in address;
};

// `tcp:10.0.0.1:80`; ends the process where it is not of this form.
struct target parse_target(const char *text);
double now_ms(void);
_Noreturn void die(const char *what);
int nonblocking_socket(int type);
// Segments that the kernel has sent again on this connection.
unsigned retransmits(int fd);
// A command of one letter from standard input; 0: none yet. Ends the process at its end.
char next_command(void);

int serve(int count, char **ports);
int stream(double interval_ms, int count, char **targets);
int knock(double interval_ms, int count, char **targets);
int pairs(long count, int parallel, char *target);
int fuzz(char **arguments);
int sniff(void);

#endif
