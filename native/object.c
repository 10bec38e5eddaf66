#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define MAX_PROGRAMS 64

struct object {
	struct bpf_object *bpf;
	// Programs that were pinned before and are the same: used instead of ours.
	struct {
		const char *name;
		int fd;
	} kept[MAX_PROGRAMS];
	int kept_count;
};

static struct object *get(int handle) { return handle_get(HANDLE_OBJECT, handle); }

static int set_pin_paths(struct bpf_object *bpf, const char *dir)
{
	char path[PATH_MAX];
	struct bpf_map *map;
	int err;

	bpf_object__for_each_map(map, bpf) {
		if (bpf_map__is_internal(map))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map)) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		err = bpf_map__set_pin_path(map, *dir ? path : NULL);
		if (err)
			return err;
	}
	return 0;
}

int canal_object_open(const char *path, const char *pin_dir, char *log, uint32_t log_size)
{
	struct object *object = calloc(1, sizeof(*object));
	int err = -ENOMEM;

	if (!object)
		return err;
	log_begin(log, log_size);
	object->bpf = bpf_object__open_file(path, NULL);
	err = object->bpf ? 0 : -errno;
	if (!err)
		err = set_pin_paths(object->bpf, pin_dir);
	if (!err)
		err = handle_put(HANDLE_OBJECT, object);
	log_end();
	if (err < 0) {
		bpf_object__close(object->bpf);
		free(object);
	}
	return err;
}

int canal_object_maps(int handle, struct canal_map_info *out, uint32_t capacity, uint32_t *needed)
{
	struct row_array rows = { out, sizeof(*out), capacity, 0 };
	struct object *object = get(handle);
	struct bpf_map *map;

	if (!object)
		return -EBADF;
	bpf_object__for_each_map(map, object->bpf) {
		struct canal_map_info *row = bpf_map__is_internal(map) ? NULL : row_next(&rows);

		if (!row)
			continue;
		row->type = bpf_map__type(map);
		row->key_size = bpf_map__key_size(map);
		row->value_size = bpf_map__value_size(map);
		row->max_entries = bpf_map__max_entries(map);
		row->flags = bpf_map__map_flags(map);
		snprintf(row->name, sizeof(row->name), "%s", bpf_map__name(map));
	}
	return row_result(&rows, needed);
}

int canal_object_map_size(int handle, const char *name, uint32_t max_entries)
{
	struct object *object = get(handle);
	struct bpf_map *map = object ? bpf_object__find_map_by_name(object->bpf, name) : NULL;

	return map ? bpf_map__set_max_entries(map, max_entries) : -ENOENT;
}

int canal_object_only(int handle, const char *name)
{
	struct object *object = get(handle);
	struct bpf_program *program;
	struct bpf_map *map;
	int err = 0;

	if (!object || !bpf_object__find_program_by_name(object->bpf, name))
		return -ENOENT;
	bpf_object__for_each_program(program, object->bpf)
		err = err ?: bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), name));
	bpf_object__for_each_map(map, object->bpf)
		err = err ?: bpf_map__set_autocreate(map, false);
	return err;
}

// The kernel breaks off a program's verification with EAGAIN while a signal
// waits, and a profiler sends them faster than a program is verified: they wait
// until all is loaded.
int canal_object_load(int handle, char *log, uint32_t log_size)
{
	struct object *object = get(handle);
	sigset_t all, before;
	int err;

	if (!object)
		return -EBADF;
	sigfillset(&all);
	err = pthread_sigmask(SIG_BLOCK, &all, &before);
	if (err)
		return -err;
	log_begin(log, log_size);
	err = bpf_object__load(object->bpf);
	log_end();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static int adopt_map(struct bpf_map *map)
{
	const char *path = bpf_map__pin_path(map);
	int fd, err;

	if (bpf_map__is_internal(map))
		return 0;
	fd = path ? bpf_obj_get(path) : -ENOENT;
	if (fd < 0)
		return fd;
	err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

static int adopt_program(struct object *object, struct bpf_program *program, const char *dir)
{
	const char *name = bpf_program__name(program);
	char path[PATH_MAX];
	int fd;

	if (!bpf_program__autoload(program))
		return 0;
	if (object->kept_count == MAX_PROGRAMS)
		return -E2BIG;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	object->kept[object->kept_count].name = name;
	object->kept[object->kept_count++].fd = fd;
	return 0;
}

int canal_object_adopt(int handle, const char *dir)
{
	struct object *object = get(handle);
	struct bpf_program *program;
	struct bpf_map *map;
	int err;

	if (!object)
		return -EBADF;
	bpf_object__for_each_program(program, object->bpf) {
		err = adopt_program(object, program, dir);
		if (err)
			goto fail;
	}
	bpf_object__for_each_map(map, object->bpf) {
		err = adopt_map(map);
		if (err)
			goto fail;
	}
	return 0;
fail:
	while (object->kept_count)
		close(object->kept[--object->kept_count].fd);
	return err;
}

int canal_object_map(int handle, const char *name)
{
	struct object *object = get(handle);
	struct bpf_map *map = object ? bpf_object__find_map_by_name(object->bpf, name) : NULL;

	return map ? bpf_map__fd(map) : -ENOENT;
}

int canal_object_program(int handle, const char *name)
{
	struct object *object = get(handle);
	struct bpf_program *program = object ? bpf_object__find_program_by_name(object->bpf, name) : NULL;

	if (!program)
		return -ENOENT;
	for (int i = 0; i < object->kept_count; i++)
		if (!strcmp(object->kept[i].name, name))
			return object->kept[i].fd;
	return bpf_program__fd(program);
}

static int same_program(int a, int b)
{
	struct canal_prog_info left, right;

	return !canal_prog_info(a, &left) && !canal_prog_info(b, &right) && left.type == right.type &&
	       !memcmp(left.tag, right.tag, sizeof(left.tag)) && !memcmp(left.name, right.name, sizeof(left.name));
}

// 1: pinned ours, 0: the pinned one is the same and stays, or -errno.
static int pin_program(struct object *object, struct bpf_program *program, const char *dir)
{
	const char *name = bpf_program__name(program);
	char path[PATH_MAX];
	int old, err;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	old = bpf_obj_get(path);
	if (old >= 0 && object->kept_count < MAX_PROGRAMS && same_program(old, bpf_program__fd(program))) {
		object->kept[object->kept_count].name = name;
		object->kept[object->kept_count++].fd = old;
		return 0;
	}
	if (old >= 0) {
		close(old);
		if (unlink(path))
			return -errno;
	}
	err = bpf_obj_pin(bpf_program__fd(program), path);
	return err ? err : 1;
}

int canal_object_pin_programs(int handle, const char *dir)
{
	struct object *object = get(handle);
	struct bpf_program *program;
	int replaced = 0, result;

	if (!object)
		return -EBADF;
	bpf_object__for_each_program(program, object->bpf) {
		if (!bpf_program__autoload(program))
			continue;
		result = pin_program(object, program, dir);
		if (result < 0)
			return result;
		replaced += result;
	}
	return replaced;
}

int canal_object_close(int handle)
{
	struct object *object = handle_take(HANDLE_OBJECT, handle);

	if (!object)
		return -EBADF;
	for (int i = 0; i < object->kept_count; i++)
		close(object->kept[i].fd);
	bpf_object__close(object->bpf);
	free(object);
	return 0;
}
