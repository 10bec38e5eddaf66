#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "internal.h"

struct text {
	char *out;
	uint32_t size, used;
};

// Counts on past the end, so that the caller learns how much it takes.
static void __attribute__((format(printf, 2, 3))) print(struct text *text, const char *format, ...)
{
	uint32_t room = text->used < text->size ? text->size - text->used : 0;
	va_list args;

	va_start(args, format);
	text->used += vsnprintf(room ? text->out + text->used : NULL, room, format, args);
	va_end(args);
}

static void print_struct(struct text *text, const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member = btf_members(type);

	print(text, "struct: %s %u\n", btf__name_by_offset(btf, type->name_off), type->size);
	for (int i = 0; i < btf_vlen(type); i++, member++)
		print(text, "%s %u %lld\n", btf__name_by_offset(btf, member->name_off),
		      btf_member_bit_offset(type, i) / 8, (long long)btf__resolve_size(btf, member->type));
}

static void print_structs(struct text *text, const struct btf *btf)
{
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		if (btf_is_struct(type) && *btf__name_by_offset(btf, type->name_off))
			print_struct(text, btf, id);
	}
}

static int finish(const struct text *text, uint32_t *needed)
{
	*needed = text->used + 1;
	return text->used < text->size ? (int)text->used : -ENOSPC;
}

int canal_btf_of_file(const char *path, char *out, uint32_t size, uint32_t *needed)
{
	struct text text = { out, size, 0 };
	struct btf *btf = btf__parse_elf(path, NULL);

	if (!btf)
		return -errno;
	print_structs(&text, btf);
	btf__free(btf);
	return finish(&text, needed);
}

static void print_side(struct text *text, const struct btf *btf, const char *side, uint32_t id)
{
	id = btf__resolve_type(btf, id);
	const struct btf_type *type = btf__type_by_id(btf, id);

	if (type)
		print(text, "%s: %s %u\n", side, btf__name_by_offset(btf, type->name_off), type->size);
}

int canal_btf_of_map(int fd, char *out, uint32_t size, uint32_t *needed)
{
	struct text text = { out, size, 0 };
	struct bpf_map_info info = {};
	uint32_t info_size = sizeof(info);
	struct btf *btf;
	int err = bpf_obj_get_info_by_fd(fd, &info, &info_size);

	if (err)
		return err;
	if (!info.btf_id)
		return -ENODATA;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf)
		return -errno;
	print_side(&text, btf, "key", info.btf_key_type_id);
	print_side(&text, btf, "value", info.btf_value_type_id);
	print_structs(&text, btf);
	btf__free(btf);
	return finish(&text, needed);
}
