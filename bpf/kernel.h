// What the kernel offers: types from its BTF, helpers, and the few constants
// that are macros in its headers and therefore not in BTF.
#pragma once
// Packet headers and __sk_buff are stable interfaces: no relocations for them.
// (A relocated context access may become pointer arithmetic, which the
// verifier refuses.) CO-RE serves only to detect features above 5.10.
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2
#define TC_ACT_REDIRECT 7

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86DD
// IPv6's in6.h is no enum.
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60
#define VXLAN_HLEN 8
#define LOOPBACK_IFINDEX 1
#define PACKET_HOST 0
#define AF_INET 2
#define AF_INET6 10

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

// bpf_ktime_get_coarse_ns is of 5.11. The number, not vmlinux.h's name: this
// must compile against an older kernel's BTF too.
enum bpf_func_id___canal {
	BPF_FUNC_ktime_get_coarse_ns___canal = 160,
};

static __always_inline __u32 clock_read(void)
{
	__u64 ns;

	if (bpf_core_enum_value_exists(enum bpf_func_id___canal, BPF_FUNC_ktime_get_coarse_ns___canal))
		ns = bpf_ktime_get_coarse_ns();
	else
		ns = bpf_ktime_get_ns();
	return ns / 1000000000ull;
}

// What the clock said, and in the upper half the tick (32 bits of jiffies) in
// which it was read: one word, so that no CPU sees half of it.
static volatile __u64 clock_last;

// CLOCK_MONOTONIC in seconds. The clock is read once a tick for all CPUs;
// reading it and dividing would be a seventh of what a packet costs.
static __always_inline __u32 clock_seconds(void)
{
	__u64 last = clock_last;
	__u32 tick = bpf_jiffies64(), seconds;

	if (likely((__u32)(last >> 32) == tick))
		return last;
	seconds = clock_read();
	clock_last = (__u64)tick << 32 | seconds;
	return seconds;
}
