// libcanal.so: what FFI cannot do well. Flat functions over libbpf, libnl-route
// and a few system calls; no state but the handles they return; no callbacks.
// Every function returns >= 0 or -errno and frees on one path. Strings are
// NUL-terminated UTF-8. Rows travel as arrays of the structs below, so that one
// call moves many (an FFI call costs 3 us, a row in a batch 0.3).
// All functions work in the calling process's network namespace unless they
// take one. Layouts reach TypeScript through BTF (see bpf/abi.h).
#pragma once
#include <stdint.h>

#pragma GCC visibility push(default)

#define CANAL_IFNAMSIZ 16

struct canal_net_addr {  // an address of a device
	uint32_t ifindex;
	uint8_t family;      // 4 or 6
	uint8_t prefixlen;
	uint8_t scope;       // RT_SCOPE_*
	uint8_t flags;       // bit 0: secondary (IPv4) or temporary (IPv6), bit 1: deprecated, bit 2: permanent
	uint8_t addr[16];
};

struct canal_link {
	uint32_t ifindex;
	uint32_t flags;        // IFF_*
	uint32_t mtu;
	uint32_t lower_ifindex;// IFLA_LINK; for vxlan the device that carries it
	int32_t peer_netns;    // IFLA_LINK_NETNSID or -1
	uint32_t master;       // ifindex or 0
	char name[CANAL_IFNAMSIZ];
	char kind[16];         // "vxlan", "veth", "bridge", "" for physical
	uint8_t mac[6];
	uint8_t operstate;     // IF_OPER_*
	uint8_t vxlan_learning;
	uint32_t vxlan_vni;
	uint32_t vxlan_local_be; // IPv4
	uint16_t vxlan_port;     // host order
	uint8_t vxlan_gbp;
	uint8_t vxlan_l2miss;
	uint8_t vxlan_local6[16];
	uint8_t vxlan_group;     // 1: has a group or default remote (read only)
	uint8_t zero[3];
};

struct canal_route {
	uint8_t family;        // 4 or 6
	uint8_t prefixlen;
	uint8_t scope;         // RT_SCOPE_*
	uint8_t protocol;      // RTPROT_*
	uint8_t type;          // RTN_*
	uint8_t onlink;        // RTNH_F_ONLINK
	uint8_t zero[2];
	uint32_t table;        // RT_TABLE_MAIN unless said
	uint32_t ifindex;      // 0: none given
	uint32_t metric;       // 0: none given
	uint8_t dst[16];
	uint8_t gateway[16];   // all zero: none
	uint8_t source[16];    // preferred source; all zero: none
};

struct canal_neigh {       // neighbour (family 4, 6) or FDB entry (family 7, AF_BRIDGE)
	uint32_t ifindex;
	uint16_t state;        // NUD_*
	uint8_t family;        // 4, 6, 7
	uint8_t flags;         // NTF_*
	uint8_t dst[16];       // neighbour's address, or an FDB entry's remote VTEP
	uint8_t dst_family;    // FDB: 4 or 6
	uint8_t mac[6];
	uint8_t zero;
};

struct canal_attachment {  // a program at a device's tc hook
	uint32_t ifindex;
	uint32_t prog_id;
	uint8_t egress;        // 0 ingress, 1 egress
	uint8_t tcx;           // 1 tcx link, 0 clsact filter
	uint8_t zero[2];
	uint32_t link_id;      // tcx only
	char prog_name[16];
};

// ---- sysctl-like and process helpers
int canal_version(void);
int canal_is_bpffs(const char *path);                    // 1: bpf is mounted at path; 0: it is not, or there is no such path
int canal_mount_bpffs(const char *path);                 // mounts bpf at path unless one is there

// ---- BPF objects (libbpf)
// Opens an object file. Its maps (not .rodata and the like) will be pinned by
// name under pin_dir ("": not at all) and reused from there when their shape
// agrees. Returns a handle. log ("" on success) receives libbpf's and the
// verifier's text when opening or loading fails.
int canal_object_open(const char *path, const char *pin_dir, char *log, uint32_t log_size);
struct canal_map_info { uint32_t id, type, key_size, value_size, max_entries, flags; char name[16]; };
// Maps of an object as declared (id 0 before load). Returns count or -ENOSPC with *needed.
int canal_object_maps(int object, struct canal_map_info *out, uint32_t capacity, uint32_t *needed);
// Changes a map's max_entries before load; call between open and load.
int canal_object_map_size(int object, const char *map, uint32_t max_entries);
// Load will load this program alone, and no map: it must use none.
int canal_object_only(int object, const char *program);
// Loads everything. -EINVAL with "couldn't reuse pinned map" in log: a pin of another shape is in the way.
int canal_object_load(int object, char *log, uint32_t log_size);
// Instead of load: takes the maps pinned below the object's pin directory and the
// programs pinned as dir/<name>, which the caller knows to be this object's. On an error nothing is taken but maps, and load may follow.
int canal_object_adopt(int object, const char *dir);
int canal_object_map(int object, const char *map);       // fd, owned by the object
int canal_object_program(int object, const char *program); // fd, owned by the object
// Pins every program as dir/<name>. A pin whose program has the same tag (same
// instructions) stays, and canal_object_program answers with it from then on:
// a restart with the same object changes no attachment. Returns programs replaced.
int canal_object_pin_programs(int object, const char *dir);
int canal_object_close(int object);
// Layouts of all structs in BTF of an object file, or of a map's key and value
// (fd), as text: "struct: NAME SIZE\n" and "NAME OFFSET SIZE\n" for each member;
// for a map "key: NAME SIZE" and "value: NAME SIZE" first. Returns bytes without
// the NUL, or -ENOSPC with *needed.
int canal_btf_of_file(const char *path, char *out, uint32_t size, uint32_t *needed);
int canal_btf_of_map(int fd, char *out, uint32_t size, uint32_t *needed);
int canal_pinned(const char *path);                      // fd of a pinned map, program or link
int canal_pin(int fd, const char *path);
int canal_unpin(const char *path);
int canal_close(int fd);
int canal_map_info(int fd, struct canal_map_info *info);
struct canal_prog_info { uint32_t id, type; uint8_t tag[8]; char name[16]; };
int canal_prog_info(int fd, struct canal_prog_info *info);

// Rows as packed arrays of keys and values. Fall back to single writes where a
// map type has no batch operation. *done says how many rows succeeded; on
// -errno the row at index *done is the one that failed.
int canal_map_update(int fd, const void *keys, const void *values, uint32_t count, uint64_t flags, uint32_t *done);
int canal_map_delete(int fd, const void *keys, uint32_t count, uint32_t *done); // absent keys count as deleted
int canal_map_lookup(int fd, const void *key, void *value);
// Whole map; keys and values hold capacity rows. Returns rows, or -ENOSPC with
// *needed, a capacity to try next (maps can grow meanwhile and are not counted first).
// Values of per-CPU maps are canal_cpus() values, each padded to 8 bytes.
int canal_map_dump(int fd, void *keys, void *values, uint32_t capacity, uint32_t *needed);
int canal_cpus(void);                                    // possible CPUs: per-CPU values are this many, 8-byte aligned each

// ---- netfilter
// Chains in this network namespace, a line each: WAY FAMILY TABLE CHAIN,
// of nftables (which iptables-nft is too) and of tables of iptables-legacy that are there.
// Returns bytes of all lines, which may be more than capacity, or -errno.
int canal_netfilter_chains(char *out, uint32_t capacity);

// ---- attachments
// Puts a program at a device's hook and replaces ours in place (no packet is
// unseen meanwhile). tcx links are pinned at pin; clsact filters need none.
int canal_attach(uint32_t ifindex, int prog_fd, int egress, int tcx, const char *pin);
int canal_detach(uint32_t ifindex, int egress, int tcx, const char *pin); // ours only; never the qdisc
// What is attached of ours (program names as given, comma separated) on these devices.
// links_only: tcx links, without filters, which is cheap enough to poll. Returns count or -ENOSPC with *needed.
int canal_attachments(const uint32_t *ifindexes, uint32_t count, int links_only, const char *names,
		      struct canal_attachment *out, uint32_t capacity, uint32_t *needed);
int canal_has_tcx(void);                                 // 1, 0

// The same at a cgroup (v2, by path): a link pinned at pin, swapped in place. type: enum bpf_attach_type.
// Hooks of a cgroup run for its sockets and those of the cgroups below.
int canal_attach_cgroup(const char *path, int prog_fd, int type, const char *pin);
int canal_detach_cgroup(const char *pin);                // absent: success
struct canal_cgroup_link {
	uint64_t cgroup_id; // inode of the cgroup's directory; 0: it is gone
	uint32_t prog_id;
	uint32_t type;      // enum bpf_attach_type
};
int canal_cgroup_link(const char *pin, struct canal_cgroup_link *out); // what is pinned; -ENOENT: nothing
int canal_netns_cookie(uint64_t *cookie);                // of the caller's network namespace (Linux 5.14)

// ---- connected UDP sockets of the caller's network namespace
struct canal_udp_socket {
	uint64_t cookie;       // as programs see it
	uint8_t peer[16];      // 4 or 16 bytes
	uint16_t peer_port;    // host order
	uint8_t peer_family;   // 4 or 6; IPv4 through an IPv6 socket is 4
	uint8_t socket_family; // 4 or 6
	uint32_t zero;
	uint8_t id[48];        // struct inet_diag_sockid
};
int canal_udp_connected(int family, struct canal_udp_socket *out, uint32_t capacity, uint32_t *needed); // family: the sockets'
// Its owner's next call fails with ECONNABORTED, and it is not connected any more. Gone already: success.
// Needs CONFIG_INET_DIAG_DESTROY (-EOPNOTSUPP).
int canal_udp_abort(const struct canal_udp_socket *row);

// ---- program test runs
int canal_test_run(int prog_fd, const void *in, uint32_t in_size, void *out, uint32_t *out_size,
		   void *skb_ctx, uint32_t ctx_size, uint32_t repeat, uint32_t *retval, uint32_t *duration_ns);
// Many packets through one program: inputs back to back, sizes[i] each; verdicts[i] out.
int canal_test_run_many(int prog_fd, const void *in, const uint32_t *sizes, uint32_t count, uint32_t ifindex, uint32_t *verdicts);

// ---- ring buffer: non-blocking drain into a buffer. Each record: u32 length, u32 zero, bytes padded to 8
int canal_ring_open(int map_fd);                         // handle
int canal_ring_drain(int ring, void *out, uint32_t size);// bytes written
int canal_ring_close(int ring);

// ---- links, addresses, routes, neighbours (rtnetlink over libnl). Lists return count or -ENOSPC with *needed.
// Calls with rows go on after a failed row: errors[i] is 0 or -errno, the result
// is the number of rows that failed, or -errno where nothing was tried.
int canal_link_list(struct canal_link *out, uint32_t capacity, uint32_t *needed);
int canal_link_get(const char *name, struct canal_link *out);
int canal_link_at(uint32_t ifindex, struct canal_link *out);
int canal_link_add_vxlan(const struct canal_link *want);
int canal_link_delete(uint32_t ifindex);
int canal_link_set(uint32_t ifindex, const uint8_t *mac, uint32_t mtu, int up); // NULL, 0, -1: leave
// ifindex of the three lists: rows of that device only; 0: of all.
int canal_addr_list(uint32_t ifindex, struct canal_net_addr *out, uint32_t capacity, uint32_t *needed);
int canal_addr_replace(const struct canal_net_addr *rows, uint32_t count, int32_t *errors);
int canal_addr_delete(const struct canal_net_addr *rows, uint32_t count, int32_t *errors); // absent: success
int canal_route_list(int family, uint32_t ifindex, struct canal_route *out, uint32_t capacity, uint32_t *needed); // all tables
int canal_route_replace(const struct canal_route *rows, uint32_t count, int32_t *errors);
int canal_route_delete(const struct canal_route *rows, uint32_t count, int32_t *errors); // absent: success
int canal_route_get(int family, const uint8_t *dst, struct canal_route *out); // ip route get
int canal_ipsec_policies(uint32_t *policies);            // in force in the namespace, but for single sockets'
int canal_neigh_list(int family, uint32_t ifindex, struct canal_neigh *out, uint32_t capacity, uint32_t *needed);
int canal_neigh_replace(const struct canal_neigh *rows, uint32_t count, int32_t *errors);
int canal_neigh_delete(const struct canal_neigh *rows, uint32_t count, int32_t *errors); // absent: success; FDB: dst all zero deletes every remote

// Change notices: what was said of each device since the last drain, and rows
// that notices told whole. Routes of the local table are left out, and what can
// take nothing away (qdiscs that come, classes). The descriptor is pollable; several namespaces' worth is the caller's affair.
struct canal_notice {
	uint32_t ifindex; // 0: any device may be meant
	uint32_t changed; // links 1, addresses 2, routes 4, neighbours 8, tc 16; a link was down or gone 32, an address went 64
};
struct canal_told {
	uint32_t change;  // routes 4, neighbours (FDB entries too) 8, tc 16
	uint32_t gone;    // 1: there is no such row any more
	uint8_t row[72];  // canal_route, canal_neigh, canal_attachment (ifindex, prog_id and egress only)
};
int canal_monitor_open(void);                            // handle
int canal_monitor_fd(int monitor);
// Non-blocking; returns rows. Notices that were lost, or for which there is no room, become one row of device 0 with
// all bits. *told_count: rows told, in the order in which they were; those beyond told_capacity become rows of their device.
int canal_monitor_drain(int monitor, struct canal_notice *out, uint32_t capacity, struct canal_told *told,
			uint32_t told_capacity, uint32_t *told_count);
int canal_monitor_close(int monitor);

// A thread that waits until fd has something to read (epoll), then pauses for what follows at once, and
// puts a byte into a pipe, whose end to read from is the caller's to close, unless all has been read by then. fd stays open until the waker is closed. Returns a handle.
int canal_waker_open(int fd, uint32_t pause_ms, int32_t *pipe_fd);
int canal_waker_close(int waker);

// ---- a pod's end. A short-lived thread enters netns (path) for the netlink
// socket and the sysctls; the caller's own namespace never changes.
struct canal_pod_link {
	char host_device[CANAL_IFNAMSIZ];
	char ifname[CANAL_IFNAMSIZ];
	uint32_t mtu;
	uint32_t num_queues;   // 0: 1
	uint8_t host_mac[6];
	uint8_t pod_mac[6];    // all zero: random
	uint32_t addr4_be;     // 0: none
	uint8_t addr6[16];
	uint8_t ip_forward;    // container_settings.allow_ip_forwarding
	uint8_t default_route; // via 169.254.1.1, or the host device's link-local address
	uint8_t host_up;       // out of check
	uint8_t pod_up;        // out of check
	uint32_t host_ifindex; // out
	uint32_t pod_ifindex;  // out
	uint32_t peer_ifindex; // out of check: IFLA_LINK of the pod's device, which is the other end's ifindex in its own namespace
};
// Makes the veth pair inside netns with its peer in this namespace (an old host
// device of that name is removed first), with MACs, MTU and the settings of both
// sides, and the pod's routes and then addresses (compat.md 5.2, 5.3; routes need a
// device that is up). The host's end is down: until canal_pod_link_up nothing goes
// through. Between the two the caller attaches programs and writes rows. Fills ifindexes and MACs.
int canal_pod_link_add(const char *netns, struct canal_pod_link *link);
// Brings up the host's end, with the host route(s). Waits only for an IPv6 link-local address.
// -EEXIST: the host routes the address elsewhere. May be repeated.
int canal_pod_link_up(const struct canal_pod_link *link);
int canal_pod_link_delete(const char *netns, const char *ifname); // from the pod's side; absent netns or link: success
// From the host's, where the device of that name has this ifindex (0: any). 1: gone now, 0: there was none.
int canal_pod_link_drop(const char *host_device, uint32_t ifindex);
// Reads what is there of host_device and ifname into the other fields; what is
// absent is zero (pod_ifindex 0: no device in the pod). -ENOENT: no such netns.
int canal_pod_link_check(const char *netns, struct canal_pod_link *link);
// Packets of a device, as records of a capture file (pcap-savefile(5), host's byte order).
int canal_capture_open(const char *netns, const char *device); // fd; netns empty: the caller's
int canal_capture_read(int fd, void *out, uint32_t size, uint32_t timeout_ms); // bytes of whole records; size: 1 MiB or more
int canal_capture_dropped(int fd);                       // since the last call
int canal_netns_alive(const char *netns);                // 1, 0

#pragma GCC visibility pop
