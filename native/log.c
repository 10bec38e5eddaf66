#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "internal.h"

// The verifier's last lines say what is wrong, so a full buffer keeps its tail:
// the older half goes.
static __thread struct {
	char *text;
	uint32_t size, used;
} buffer;

static int collect(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[65536];
	int length;

	if (level == LIBBPF_DEBUG || !buffer.text)
		return 0;
	length = vsnprintf(line, sizeof(line), format, args);
	if (length <= 0)
		return 0;
	const char *from = line;
	uint32_t bytes = (uint32_t)length < sizeof(line) ? (uint32_t)length : sizeof(line) - 1;

	if (bytes > buffer.size / 2) {
		from += bytes - buffer.size / 2;
		bytes = buffer.size / 2;
	}
	if (buffer.used + bytes + 1 > buffer.size) {
		uint32_t keep = buffer.used / 2 < buffer.size / 2 - 1 ? buffer.used / 2 : buffer.size / 2 - 1;

		memmove(buffer.text, buffer.text + buffer.used - keep, keep);
		buffer.used = keep;
	}
	if (buffer.used + bytes + 1 > buffer.size)
		return 0;
	memcpy(buffer.text + buffer.used, from, bytes);
	buffer.used += bytes;
	buffer.text[buffer.used] = 0;
	return 0;
}

static void install(void) { libbpf_set_print(collect); }

void log_begin(char *log, uint32_t size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	buffer.text = size > 1 ? log : NULL;
	buffer.size = size;
	buffer.used = 0;
	if (buffer.text)
		*log = 0;
}

void log_end(void) { buffer.text = NULL; }

// Silent from the first call on, also for functions that keep no log.
__attribute__((constructor)) static void silence(void) { log_begin(NULL, 0); }
