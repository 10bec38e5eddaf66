#include "plugin.h"

#include <string.h>

struct cursor {
	const char *at;
	const char *end;
};

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
		c->at++;
}

// Past a string whose opening quote is under the cursor; *start and *len are its raw contents.
static int take_string(struct cursor *c, const char **start, size_t *len)
{
	*start = ++c->at;
	for (; c->at < c->end; c->at++) {
		if (*c->at == '\\') {
			c->at++;
		} else if (*c->at == '"') {
			*len = (size_t)(c->at++ - *start);
			return 1;
		}
	}
	return 0;
}

static int copy_plain(const char *start, size_t len, char *out, size_t out_size)
{
	if (len >= out_size || memchr(start, '\\', len) || memchr(start, 0, len))
		return 0;
	memcpy(out, start, len);
	out[len] = 0;
	return 1;
}

int scan_string(const struct bytes *json, const char *key, char *out, size_t out_size)
{
	struct cursor c = { json->data, json->data + json->size };
	int depth = 0;

	while (c.at < c.end) {
		const char *start, *value;
		size_t len, value_len;

		if (*c.at == '{' || *c.at == '[')
			depth++;
		if (*c.at == '}' || *c.at == ']')
			depth--;
		if (*c.at != '"') {
			c.at++;
			continue;
		}
		if (!take_string(&c, &start, &len))
			return 0;
		skip_space(&c);
		if (depth != 1 || c.at >= c.end || *c.at != ':')
			continue; // a value, or a name inside something
		c.at++;
		skip_space(&c);
		if (len != strlen(key) || memcmp(start, key, len))
			continue;
		if (c.at >= c.end || *c.at != '"' || !take_string(&c, &value, &value_len))
			return 0;
		return copy_plain(value, value_len, out, out_size);
	}
	return 0;
}
