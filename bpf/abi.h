// Every struct that the eBPF programs and the TypeScript agent share, once.
// The agent's codecs are generated from the BTF of these types at build time
// and compared with the loaded object's BTF at start: change them only here.
//
// Byte order: addresses and ports of packets are in network order (suffix _be
// or stated); everything else is in host order. No struct has implicit padding.
// Identifiers that are content hashes (class, table, rows, rule) are 64 bits
// wide, so that equal content has one id on every run and collisions do not
// matter in practice (20,000 ids: 1 in 10^11). Zero is never a hash: see each.
//
// Each of the three files below has a part that knows no family, and one that
// holds addresses as long as CANAL_FAMILY (4 or 6) needs; names in BTF end in
// the family. Including this file once with each family gives both (abi.c).

#ifndef CANAL_FAMILY
#define CANAL_FAMILY 4
#endif
#undef FAMILY_STRUCT
#undef ADDR_WORDS
#if CANAL_FAMILY == 4
#define FAMILY_STRUCT(name) name##4
#define ADDR_WORDS 1
#else
#define FAMILY_STRUCT(name) name##6
#define ADDR_WORDS 4
#endif

#if (CANAL_FAMILY == 4 && !defined(CANAL_ABI_4)) || (CANAL_FAMILY == 6 && !defined(CANAL_ABI_6))
#if CANAL_FAMILY == 4
#define CANAL_ABI_4
#else
#define CANAL_ABI_6
#endif

struct FAMILY_STRUCT(addr) {
	__u32 word_be[ADDR_WORDS]; // network order
};

#include "abi_policy.h"
#include "abi_flow.h"
#include "abi_service.h"

#endif // once a family
