// Built only for its BTF: every struct and enum that TypeScript shares with
// the programs (both families) and with libcanal.so, in one small object.
// abi-types.h, made by the Makefile, has one variable of each.
typedef __UINT8_TYPE__ __u8;
typedef __UINT16_TYPE__ __u16;
typedef __UINT32_TYPE__ __u32;
typedef __UINT64_TYPE__ __u64;

#pragma clang diagnostic error "-Wpadded" // no implicit padding in what is shared

#define CANAL_FAMILY 4
#include "abi.h"
#undef CANAL_FAMILY
#define CANAL_FAMILY 6
#include "abi.h"
#pragma clang diagnostic ignored "-Wpadded"
#include "../native/canal.h"
#include "abi-types.h"
