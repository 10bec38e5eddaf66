#include "plugin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CANAL_VERSION
#define CANAL_VERSION "0.0.0"
#endif

enum verb { ADD, DEL, CHECK, GC, STATUS, VERSION, VERBS };
static const char *const VERB_NAMES[VERBS] = { "ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION" };

// ADD may wait in the agent for policy to be in force (30 s at most); the runtime's own limit is minutes.
static const int TIMEOUT_MS[VERBS] = { 55000, 30000, 30000, 55000, 5000, 5000 };

static const char *version_of(const struct bytes *config, char out[VERSION_LEN])
{
	if (!scan_string(config, "cniVersion", out, VERSION_LEN) || strspn(out, "0123456789.") != strlen(out))
		return "1.1.0";
	return out;
}

// A CNI error object on standard output, and 1. The texts need no escaping: all are our own.
static int fail(const struct bytes *config, enum cni_code code, const char *msg, const char *details)
{
	char version[VERSION_LEN];

	printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n", version_of(config, version), code, msg, details);
	return 1;
}

static int print_version(void)
{
	puts("{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
	return 0;
}

static enum verb parse_verb(const char *command)
{
	enum verb v = ADD;

	while (v < VERBS && strcmp(command, VERB_NAMES[v]))
		v++;
	return v;
}

// A variable, else a member of the configuration, else the default.
static const char *setting(const char *variable, const struct bytes *config, const char *key, const char *otherwise, char out[PATH_LEN])
{
	const char *value = getenv(variable);

	if (value && *value)
		return value;
	return scan_string(config, key, out, PATH_LEN) && *out ? out : otherwise;
}

static int timeout_ms(enum verb verb)
{
	const char *text = getenv("CANAL_CNI_TIMEOUT_MS");
	int ms = text ? atoi(text) : 0;

	return ms > 0 ? ms : TIMEOUT_MS[verb];
}

// The agent gave no answer. DEL must not block the node's clean-up: it is kept and done later.
static int without_agent(enum verb verb, const struct bytes *config, const struct bytes *frame, int err)
{
	char dir[PATH_LEN];

	if (verb == STATUS)
		return fail(config, CNI_UNAVAILABLE, "the canal agent does not answer", strerror(-err));
	if (verb != DEL)
		return fail(config, CNI_TRY_LATER, "the canal agent does not answer", strerror(-err));
	err = queue_put(setting("CANAL_CNI_QUEUE", config, "queue", DEFAULT_QUEUE, dir), frame);
	if (err)
		return fail(config, CNI_IO, "the canal agent does not answer and DEL cannot be queued", strerror(-err));
	return 0;
}

static int serve(enum verb verb, const struct bytes *config)
{
	int64_t deadline = now_ms() + timeout_ms(verb);
	struct bytes frame;
	struct answer answer;
	char path[PATH_LEN];
	int err = frame_request(config, &frame);

	if (err)
		return fail(config, CNI_ENV, "the CNI_ variables are too large", strerror(-err));
	err = exchange(setting("CANAL_CNI_SOCKET", config, "socket", DEFAULT_SOCKET, path), &frame, deadline, &answer);
	if (err)
		return without_agent(verb, config, &frame, err);
	fwrite(answer.output.data, 1, answer.output.size, stdout);
	return (int)answer.status;
}

int main(int argc, char **argv)
{
	const char *command = getenv("CNI_COMMAND");
	struct bytes config = { 0 };
	enum verb verb;
	int err;

	if (argc > 1 && (!strcmp(argv[1], "-v") || !strcmp(argv[1], "--version")))
		return puts("canal CNI plugin " CANAL_VERSION) < 0;
	if (!command)
		return fail(&config, CNI_ENV, "CNI_COMMAND: not set", "ADD, DEL, CHECK, GC, STATUS or VERSION");
	verb = parse_verb(command);
	if (verb == VERBS)
		return fail(&config, CNI_ENV, "CNI_COMMAND: unknown command", "ADD, DEL, CHECK, GC, STATUS or VERSION");
	if (verb == VERSION)
		return print_version();
	err = read_all(STDIN_FILENO, CONFIG_MAX, now_ms() + timeout_ms(verb), &config);
	if (err == -EFBIG)
		return fail(&(struct bytes){ 0 }, CNI_DECODE, "the configuration on standard input is larger than 1 MiB", "");
	if (err)
		return fail(&(struct bytes){ 0 }, CNI_IO, "standard input cannot be read", strerror(-err));
	return serve(verb, &config);
}
