// Names of netfilter's chains, to know what a predecessor left. Only tables
// that are there are looked at: to ask for one of iptables-legacy makes it.
#include <errno.h>
#include <netinet/in.h> // before the kernel's, which then leave out what it has
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include "internal.h"

struct lines {
	char *out;
	uint32_t capacity, length; // length goes on counting where there is no room
};

static void add(struct lines *lines, const char *way, const char *family, const char *table, const char *chain)
{
	int room = lines->length < lines->capacity ? (int)(lines->capacity - lines->length) : 0;
	int length = snprintf(room ? lines->out + lines->length : NULL, room, "%s %s %s %s\n", way, family, table, chain);

	lines->length += length;
}

static int on_chain(struct nl_msg *message, void *context)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct nfgenmsg *general = nlmsg_data(header);
	struct nlattr *attributes[NFTA_CHAIN_MAX + 1];

	if (nlmsg_parse(header, sizeof(*general), attributes, NFTA_CHAIN_MAX, NULL) < 0 || !attributes[NFTA_CHAIN_TABLE] || !attributes[NFTA_CHAIN_NAME])
		return NL_OK;
	add(context, "nft", general->nfgen_family == AF_INET ? "ip" : general->nfgen_family == AF_INET6 ? "ip6" : "other",
	    nla_get_string(attributes[NFTA_CHAIN_TABLE]), nla_get_string(attributes[NFTA_CHAIN_NAME]));
	return NL_OK;
}

// A kernel without nftables has none of its chains.
static int nft_chains(struct lines *lines)
{
	struct nfgenmsg general = { .nfgen_family = AF_UNSPEC };
	struct nl_sock *socket = nl_socket_alloc();
	int result;

	if (!socket)
		return -ENOMEM;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_chain, lines);
	result = nl_connect(socket, NETLINK_NETFILTER);
	if (result >= 0)
		result = nl_send_simple(socket, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &general, sizeof(general));
	if (result >= 0)
		nl_recvmsgs_default(socket);
	nl_socket_free(socket);
	return 0;
}

// Both families' entries begin with the header that they match, then say where
// the target is and where the next entry. A chain of the user's begins with a target ERROR.
struct legacy {
	const char *family, *tables;
	int domain, level;
	uint32_t targets_at; // offset of struct ipt_entry's target_offset
};

static void legacy_entries(struct lines *lines, const struct legacy *way, const char *table, const char *entries, uint32_t size)
{
	const struct xt_error_target *target;
	uint16_t target_at, next_at;

	for (uint32_t at = 0; at + way->targets_at + 4 <= size; at += next_at) {
		memcpy(&target_at, entries + at + way->targets_at, sizeof(target_at));
		memcpy(&next_at, entries + at + way->targets_at + 2, sizeof(next_at));
		if (!next_at || at + target_at + sizeof(*target) > size)
			return;
		target = (const void *)(entries + at + target_at);
		if (!strncmp(target->target.u.user.name, "ERROR", sizeof(target->target.u.user.name)) && strcmp(target->errorname, "ERROR"))
			add(lines, "legacy", way->family, table, target->errorname);
	}
}

static int legacy_table(struct lines *lines, const struct legacy *way, int socket, const char *table)
{
	struct ipt_getinfo info = {};
	struct ipt_get_entries *entries;
	socklen_t length = sizeof(info);

	snprintf(info.name, sizeof(info.name), "%s", table);
	if (getsockopt(socket, way->level, IPT_SO_GET_INFO, &info, &length))
		return -errno;
	length = sizeof(*entries) + info.size;
	entries = calloc(1, length);
	if (!entries)
		return -ENOMEM;
	memcpy(entries->name, info.name, sizeof(entries->name));
	entries->size = info.size;
	if (!getsockopt(socket, way->level, IPT_SO_GET_ENTRIES, entries, &length))
		legacy_entries(lines, way, table, (const char *)entries->entrytable, info.size);
	free(entries);
	return 0;
}

// The tables that are there are in /proc/net, a name a line.
static void legacy_chains(struct lines *lines, const struct legacy *way)
{
	FILE *tables = fopen(way->tables, "re");
	int raw = tables ? socket(way->domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW) : -1;
	char table[XT_TABLE_MAXNAMELEN];

	while (raw >= 0 && fgets(table, sizeof(table), tables)) {
		table[strcspn(table, "\n")] = 0;
		legacy_table(lines, way, raw, table);
	}
	if (raw >= 0)
		close(raw);
	if (tables)
		fclose(tables);
}

int canal_netfilter_chains(char *out, uint32_t capacity)
{
	struct lines lines = { .out = out, .capacity = capacity };
	const struct legacy ways[] = {
		{ "ip", "/proc/thread-self/net/ip_tables_names", AF_INET, IPPROTO_IP, offsetof(struct ipt_entry, target_offset) },
		{ "ip6", "/proc/thread-self/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6, offsetof(struct ip6t_entry, target_offset) },
	};
	int result = nft_chains(&lines);

	if (result)
		return result;
	for (uint32_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		legacy_chains(&lines, &ways[i]);
	return lines.length;
}
