#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

int canal_cpus(void) { return libbpf_num_possible_cpus(); }

// How many bytes one key and one value take in the caller's arrays; -errno.
static int row_sizes(int fd, uint32_t *key, size_t *value)
{
	struct canal_map_info info;
	int err = canal_map_info(fd, &info);

	if (err)
		return err;
	*key = info.key_size;
	*value = info.value_size;
	if (info.type == BPF_MAP_TYPE_PERCPU_HASH || info.type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	    info.type == BPF_MAP_TYPE_LRU_PERCPU_HASH)
		*value = (size_t)((info.value_size + 7) & ~7u) * canal_cpus();
	return 0;
}

int canal_map_update(int fd, const void *keys, const void *values, uint32_t count, uint64_t flags, uint32_t *done)
{
	size_t value_size;
	uint32_t key_size, n = count;
	int err = row_sizes(fd, &key_size, &value_size);

	*done = 0;
	if (err || !count)
		return err;
	// The kernel takes no element flags in batches.
	if (!flags) {
		if (!bpf_map_update_batch(fd, keys, values, &n, NULL)) {
			*done = count;
			return 0;
		}
		*done = n <= count && errno != EFAULT ? n : 0;
		if (*done == count)
			*done = 0; // not supported: the count was left alone
	}
	for (; *done < count; ++*done) {
		err = bpf_map_update_elem(fd, (const char *)keys + (size_t)*done * key_size,
					  (const char *)values + *done * value_size, flags);
		if (err)
			return err;
	}
	return 0;
}

int canal_map_delete(int fd, const void *keys, uint32_t count, uint32_t *done)
{
	size_t value_size;
	uint32_t key_size, n = count;
	int err = row_sizes(fd, &key_size, &value_size);

	*done = 0;
	if (err || !count)
		return err;
	if (!bpf_map_delete_batch(fd, keys, &n, NULL)) {
		*done = count;
		return 0;
	}
	*done = n < count && errno != EFAULT ? n : 0;
	for (; *done < count; ++*done) {
		err = bpf_map_delete_elem(fd, (const char *)keys + (size_t)*done * key_size);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

int canal_map_lookup(int fd, const void *key, void *value) { return bpf_map_lookup_elem(fd, key, value); }

// Returns rows, -ENOSPC, or -EOPNOTSUPP where the map type has no batches.
static int dump_batches(int fd, char *keys, char *values, uint32_t capacity, uint32_t key_size, size_t value_size)
{
	// Hash maps want 4 bytes of cursor, the others a key.
	void *cursor = calloc(1, key_size > 4 ? key_size : 4);
	uint32_t total = 0;
	int err = cursor ? 0 : -ENOMEM;

	for (int first = 1; !err; first = 0) {
		uint32_t n = capacity - total;

		if (!n) {
			err = -ENOSPC;
			break;
		}
		err = bpf_map_lookup_batch(fd, first ? NULL : cursor, cursor, keys + (size_t)total * key_size,
					   values + total * value_size, &n, NULL);
		if (err && err != -ENOENT) {
			if (first && err != -ENOSPC)
				err = -EOPNOTSUPP;
			break;
		}
		total += n;
	}
	free(cursor);
	return err == -ENOENT ? (int)total : err;
}

// A row that vanishes between the two calls is skipped.
static int dump_singly(int fd, char *keys, char *values, uint32_t capacity, uint32_t key_size, size_t value_size)
{
	char *key = calloc(2, key_size ? key_size : 1), *next = key + key_size;
	uint32_t total = 0;
	int err = key ? 0 : -ENOMEM;

	for (int first = 1; !err; first = 0) {
		err = bpf_map_get_next_key(fd, first ? NULL : key, next);
		if (err)
			break;
		if (total == capacity) {
			err = -ENOSPC;
			break;
		}
		memcpy(key, next, key_size);
		if (!bpf_map_lookup_elem(fd, key, values + total * value_size))
			memcpy(keys + (size_t)total++ * key_size, key, key_size);
	}
	free(key);
	return err == -ENOENT ? (int)total : err;
}

int canal_map_dump(int fd, void *keys, void *values, uint32_t capacity, uint32_t *needed)
{
	size_t value_size;
	uint32_t key_size;
	int result = row_sizes(fd, &key_size, &value_size);

	*needed = 0;
	if (result)
		return result;
	result = dump_batches(fd, keys, values, capacity, key_size, value_size);
	if (result == -EOPNOTSUPP)
		result = dump_singly(fd, keys, values, capacity, key_size, value_size);
	if (result == -ENOSPC)
		*needed = capacity < 1024 ? 4096 : capacity * 4;
	return result;
}
