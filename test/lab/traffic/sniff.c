#include "traffic.h"
#include "packet-socket.h"
#include <fcntl.h>
#include <net/ethernet.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

// Frames that have come in, but the node's own talk on the link (ARP, and
// IPv6 from its link-local address); and the first bytes of the last one.
static unsigned long frames;
static unsigned char last[96];
static int last_length;

static void take(int fd)
{
	unsigned char bytes[2048];
	struct sockaddr_ll from;
	socklen_t length = sizeof from;
	int n = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (void *)&from, &length);
	if (n < 0 || from.sll_pkttype == PACKET_OUTGOING || from.sll_protocol == htons(ETH_P_ARP))
		return;
	if (from.sll_protocol == htons(ETH_P_IPV6) && n > 24 && bytes[22] == 0xfe && (bytes[23] & 0xc0) == 0x80)
		return;
	frames++;
	last_length = n < (int)sizeof last ? n : (int)sizeof last;
	memcpy(last, bytes, last_length);
}

static void report(void)
{
	printf("%lu ", frames);
	for (int i = 0; i < last_length; i++)
		printf("%02x", last[i]);
	printf("\n.\n");
	fflush(stdout);
}

// Counts what the pod receives. `r` on standard input prints FRAMES LAST_FRAME_IN_HEX.
int sniff(void)
{
	fcntl(0, F_SETFL, O_NONBLOCK);
	int fd = packet_socket();
	printf("ready\n");
	fflush(stdout);
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			die("poll");
		if (fds[0].revents)
			take(fd);
		// All that has come before the question counts.
		else if (fds[1].revents && next_command() == 'r')
			report();
	}
}
