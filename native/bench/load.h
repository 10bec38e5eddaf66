// canal-load: one measurement between two network namespaces, or between two
// processes anywhere, bounded in time and in what it opens. See options.c for
// the command line.
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#define MAX_CONNECTIONS 64

enum metric { RR, CRR, STREAM, UDP_RR, UDP_PPS, FIRST_PACKET };

enum mode {
	BOTH,  // server and client, each in the namespaces that are named
	SERVE, // the server alone; a line on standard input, or its end, stops it
	ASK,   // the client alone
};

struct address {
	struct sockaddr_storage socket;
	socklen_t size;
};

// Where a side runs; NULL: where the caller does.
struct place {
	const char *netns;  // path
	const char *cgroup; // directory of a cgroup (v2)
	int cpu;            // -1: any
};

struct run {
	enum mode mode;
	enum metric metric;
	struct address to;      // whom the client asks
	struct address listen;  // where the server answers: the same but for a service
	struct place client, server;
	int connections;    // of a stream
	const char *congestion; // TCP congestion control; NULL: the namespaces' own
	uint64_t warm_ns;   // not counted
	uint64_t count_ns;  // counted
	pid_t server_pid;
	clockid_t server_clock; // CPU time of the server
};

// Shared by both processes.
struct shared {
	volatile int ready;         // the server listens
	volatile uint64_t bytes;    // received of streams
	volatile uint64_t packets;  // received of udp-pps
	// The server's own window, from the first that it receives: for a client that cannot see the above.
	volatile uint64_t window_ns, window_count;
};

// What is not the path, and yet may be what is measured.
struct limits {
	uint64_t no_ports;      // connections for which the client had no port
	uint64_t time_wait;     // sockets of the client's namespace that only wait, in the end
	uint64_t port_range;    // ports that the client's namespace may choose from
	uint64_t syn_retrans;   // connection requests that went unanswered
	uint64_t listen_drops;  // connection requests for which the server had no room
};

struct result {
	double value;       // per second; stream: Gbit/s; first-packet: median us
	uint64_t samples;   // transactions, packets or sends that were counted
	uint64_t errors;    // refused, timed out, cut short
	struct limits limits;
	double p50_us, p99_us;
	uint64_t cpu_us;    // of both processes while counting
};

struct run options(int argc, char **argv);
void serve(const struct run *run, struct shared *shared);
void load(const struct run *run, const struct shared *shared, struct result *result);

// Called twice, around what is measured: the first takes marks, the second makes differences of them.
void limits_before(const struct run *run, struct limits *limits);
void limits_after(const struct run *run, struct limits *limits);

void set_congestion(const struct run *run, int fd);
uint64_t clock_ns(void);
void die(const char *what) __attribute__((noreturn));
