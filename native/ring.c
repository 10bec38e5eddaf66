#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

struct ring {
	struct ring_buffer *buffer;
	char *out;           // of the drain under way
	uint32_t size, used;
	char *pending;       // a record that did not fit: libbpf has consumed it already
	uint32_t pending_size;
};

static int append(struct ring *ring, const void *record, uint32_t length)
{
	uint32_t space = 8 + ((length + 7) & ~7u);

	if (ring->used + space > ring->size)
		return -ENOBUFS;
	memset(ring->out + ring->used, 0, space);
	memcpy(ring->out + ring->used, &length, sizeof(length));
	memcpy(ring->out + ring->used + 8, record, length);
	ring->used += space;
	return 0;
}

static int on_record(void *arg, void *record, size_t length)
{
	struct ring *ring = arg;

	if (!append(ring, record, length))
		return 0;
	ring->pending = malloc(length);
	if (!ring->pending)
		return -ENOMEM;
	memcpy(ring->pending, record, length);
	ring->pending_size = length;
	return -ENOBUFS;
}

int canal_ring_open(int map_fd)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int handle = -ENOMEM;

	if (!ring)
		return handle;
	ring->buffer = ring_buffer__new(map_fd, on_record, ring, NULL);
	handle = ring->buffer ? handle_put(HANDLE_RING, ring) : -errno;
	if (handle < 0) {
		ring_buffer__free(ring->buffer);
		free(ring);
	}
	return handle;
}

int canal_ring_drain(int handle, void *out, uint32_t size)
{
	struct ring *ring = handle_get(HANDLE_RING, handle);
	int err;

	if (!ring)
		return -EBADF;
	ring->out = out;
	ring->size = size;
	ring->used = 0;
	if (ring->pending) {
		err = append(ring, ring->pending, ring->pending_size);
		if (err)
			return err;
		free(ring->pending);
		ring->pending = NULL;
	}
	err = ring_buffer__consume(ring->buffer);
	return err < 0 && err != -ENOBUFS ? err : (int)ring->used;
}

int canal_ring_close(int handle)
{
	struct ring *ring = handle_take(HANDLE_RING, handle);

	if (!ring)
		return -EBADF;
	ring_buffer__free(ring->buffer);
	free(ring->pending);
	free(ring);
	return 0;
}
