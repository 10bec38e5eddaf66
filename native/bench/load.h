// canal-load: one measurement between two network namespaces, bounded in time
// and in what it opens. See main.c for the command line.
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#define MAX_CONNECTIONS 64

enum metric { RR, CRR, STREAM, UDP_RR, UDP_PPS, FIRST_PACKET };

struct run {
	enum metric metric;
	struct sockaddr_storage server;
	socklen_t server_size;
	int connections;    // of a stream
	uint64_t warm_ns;   // not counted
	uint64_t count_ns;  // counted
	int client_cpu;     // -1: any
	int server_cpu;
	clockid_t server_clock; // CPU time of the server
};

// Shared by both processes.
struct shared {
	volatile int ready;         // the server listens
	volatile uint64_t bytes;    // received of streams
	volatile uint64_t packets;  // received of udp-pps
};

struct result {
	double value;       // per second; stream: Gbit/s; first-packet: median us
	uint64_t samples;   // transactions, packets or sends that were counted
	uint64_t errors;    // refused, timed out, cut short
	double p50_us, p99_us;
	uint64_t cpu_us;    // of both processes while counting
};

void serve(const struct run *run, struct shared *shared);
void load(const struct run *run, struct shared *shared, struct result *result);

uint64_t clock_ns(void);
void die(const char *what) __attribute__((noreturn));
