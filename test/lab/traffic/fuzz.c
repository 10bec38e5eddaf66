#include "traffic.h"
#include "packet-socket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TARGETS = 16, FRAME = 1514 };

static uint64_t state;
static in_addr_t own, node, targets[TARGETS];
static int target_count;
static unsigned char frame[FRAME + 64], *packet = frame + ETH_HLEN;

// splitmix64: the seed says everything.
static uint64_t any(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t below(uint32_t limit)
{
	return any() % limit;
}

static int chance(uint32_t percent)
{
	return below(100) < percent;
}

static void random_bytes(unsigned char *to, int count)
{
	for (int i = 0; i < count; i++)
		to[i] = any();
}

static uint16_t sum(const void *from, int count)
{
	const unsigned char *bytes = from;
	uint32_t total = 0;
	for (int i = 0; i < count; i++)
		total += i & 1 ? bytes[i] : bytes[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons(~total);
}

static void fix_checksum(void)
{
	struct iphdr *ip = (void *)packet;
	if (ip->ihl < 5)
		return;
	ip->check = 0;
	ip->check = sum(ip, ip->ihl * 4);
}

static in_addr_t source(void)
{
	return chance(80) ? own : chance(30) ? node : chance(50) ? targets[below(target_count)] : (in_addr_t)any();
}

static in_addr_t destination(void)
{
	return chance(85) ? targets[below(target_count)] : chance(30) ? node : chance(30) ? htonl(0xe0000001) : (in_addr_t)any();
}

static uint16_t port(void)
{
	static const uint16_t ports[] = { 80, 81, 53, 8472, 0, 65535 };
	return htons(chance(80) ? ports[below(6)] : any());
}

static int ip_header(unsigned char *at, int protocol, int options, int payload)
{
	struct iphdr *ip = (void *)at;
	*ip = (struct iphdr){ .version = 4, .ihl = 5 + options, .tot_len = htons(20 + 4 * options + payload), .id = any(), .ttl = chance(90) ? 64 : below(3),
		.protocol = protocol, .saddr = source(), .daddr = destination(), .frag_off = htons(chance(80) ? 0 : chance(50) ? IP_MF : any() & 0x3fff) };
	random_bytes(at + 20, 4 * options);
	ip->check = sum(ip, 20 + 4 * options);
	return 20 + 4 * options;
}

static int transport(unsigned char *at, int protocol)
{
	int payload = below(chance(90) ? 64 : 1300);
	random_bytes(at, 20 + payload);
	switch (protocol) {
	case IPPROTO_TCP: {
		struct tcphdr *tcp = (void *)at;
		*tcp = (struct tcphdr){ .source = port(), .dest = port(), .seq = any(), .ack_seq = any(), .doff = chance(80) ? 5 : below(16), .window = any() };
		at[13] = chance(60) ? TH_SYN : chance(50) ? TH_ACK : any();
		return 20 + payload;
	}
	case IPPROTO_UDP:
		*(struct udphdr *)at = (struct udphdr){ .source = port(), .dest = port(), .len = htons(chance(80) ? 8 + payload : any()) };
		return 8 + payload;
	case IPPROTO_ICMP:
		at[0] = chance(40) ? ICMP_ECHO : chance(50) ? ICMP_DEST_UNREACH : any();
		at[1] = chance(70) ? 0 : any();
		return 8 + payload;
	}
	return payload;
}

static int protocol(void)
{
	static const uint8_t known[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_IPIP, IPPROTO_GRE };
	return chance(90) ? known[below(chance(80) ? 3 : 6)] : below(256);
}

static int ip_packet(unsigned char *at)
{
	int proto = protocol(), options = chance(90) ? 0 : below(11);
	int payload = transport(at + 20 + 4 * options, proto);
	return ip_header(at, proto, options, payload) + payload;
}

// An error whose quoted packet claims to be somebody's flow.
static int icmp_error(void)
{
	unsigned char *icmp = packet + 20;
	memset(icmp, 0, 8);
	icmp[0] = chance(50) ? ICMP_DEST_UNREACH : ICMP_TIME_EXCEEDED;
	icmp[1] = below(5);
	int length = 8 + ip_packet(icmp + 8);
	((struct icmphdr *)icmp)->checksum = sum(icmp, length);
	return ip_header(packet, IPPROTO_ICMP, 0, length) + length;
}

// A frame for the overlay, sent by a pod.
static int vxlan(void)
{
	unsigned char *udp = packet + 20, *inner = udp + 16;
	*(struct udphdr *)udp = (struct udphdr){ .source = any(), .dest = htons(8472) };
	memcpy(udp + 8, "\x08\0\0\0\0\0\x01\0", 8);
	random_bytes(inner, 12);
	memcpy(inner + 12, "\x08\0", 2);
	int length = 16 + ETH_HLEN + ip_packet(inner + ETH_HLEN);
	((struct udphdr *)udp)->len = htons(length);
	return ip_header(packet, IPPROTO_UDP, 0, length) + length;
}

static int compose(void)
{
	static const uint16_t types[] = { ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD, ETH_P_MPLS_UC, 0x88cc, 0x0600 };
	memset(frame, 0xee, 6);
	if (chance(3))
		random_bytes(frame, 6);
	uint16_t type = chance(95) ? ETH_P_IP : types[below(6)];
	frame[12] = type >> 8;
	frame[13] = type;
	int length = chance(70) ? ip_packet(packet) : chance(50) ? icmp_error() : vxlan();
	if (chance(40))
		for (int i = below(6); i >= 0; i--)
			packet[below(chance(50) ? 24 : length)] = any();
	if (chance(60))
		fix_checksum();
	if (chance(15))
		length = below(length + 1);
	// The kernel itself drops a frame that ends within its VLAN tag, before any program.
	if ((type == ETH_P_8021Q || type == ETH_P_8021AD) && length < 6)
		length = 6;
	return ETH_HLEN + (length < FRAME - ETH_HLEN ? length : FRAME - ETH_HLEN);
}

static void own_mac(int fd)
{
	struct ifreq request = { .ifr_name = "eth0" };
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		die("eth0");
	memcpy(frame + 6, request.ifr_hwaddr.sa_data, 6);
}

// SEED COUNT FROM NODE TO,TO...: sends frames that are almost right, none of
// them ARP, and prints how many the device has taken.
int fuzz(char **arguments)
{
	state = strtoull(arguments[0], NULL, 0);
	own = inet_addr(arguments[2]);
	node = inet_addr(arguments[3]);
	for (char *to = strtok(arguments[4], ","); to && target_count < TARGETS; to = strtok(NULL, ","))
		targets[target_count++] = inet_addr(to);
	int fd = packet_socket(), sent = 0;
	own_mac(fd);
	for (int i = atoi(arguments[1]); i > 0; i--) {
		int length = compose();
		if (send(fd, frame, length, 0) == length)
			sent++;
		else if (errno == ENOBUFS)
			usleep(100);
	}
	printf("%d\n", sent);
	return fflush(stdout);
}
