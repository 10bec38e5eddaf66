// The CNI plugin: static C, no runtime, no credentials. It frames what the
// container runtime gave it, sends that to the agent's socket and prints the
// answer. Whether the JSON is any good is the agent's affair.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define DEFAULT_SOCKET "/run/canal/cni.sock"
#define DEFAULT_QUEUE "/var/lib/canal/cni/queue"

enum {
	CONFIG_MAX = 1 << 20,  // bytes of configuration on standard input
	ENV_MAX = 64 << 10,    // bytes of CNI_* variables
	ANSWER_MAX = 1 << 20,  // bytes of an answer
	PATH_LEN = 256,
	VERSION_LEN = 16,
	HEADER_LEN = 12,
};

// Error codes of the CNI specification that the plugin gives itself.
enum cni_code {
	CNI_ENV = 4,
	CNI_IO = 5,
	CNI_DECODE = 6,
	CNI_TRY_LATER = 11,
	CNI_UNAVAILABLE = 50,
};

struct bytes {
	char *data;
	size_t size;
};

struct answer {
	uint32_t status;    // what the process exits with: 0 or 1
	struct bytes output;
};

// ---- scan.c
// Value of a string member of the outermost JSON object. Good for a path or a
// version: a value with escapes, or one that does not fit, counts as absent.
int scan_string(const struct bytes *json, const char *key, char *out, size_t out_size); // 1 found, 0 not

// ---- frame.c: all of these give 0 or -errno; deadlines are CLOCK_MONOTONIC milliseconds
int64_t now_ms(void);
int read_all(int fd, size_t max, int64_t deadline_ms, struct bytes *out);   // -EFBIG: more than max
// "CNI1", u32 size of env, u32 size of config (big endian), env as NUL-ended NAME=VALUE, config.
int frame_request(const struct bytes *config, struct bytes *out);          // -E2BIG: CNI_* too large
int exchange(const char *socket_path, const struct bytes *frame, int64_t deadline_ms, struct answer *out);

// ---- queue.c
// Keeps a frame in dir as one file, on disk before it returns. The same request
// twice is one file.
int queue_put(const char *dir, const struct bytes *frame);
