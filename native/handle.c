#include <errno.h>
#include <pthread.h>
#include "internal.h"

#define MAX_HANDLES 256

static struct {
	enum handle_kind kind;
	void *value;
} slots[MAX_HANDLES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int handle_put(enum handle_kind kind, void *value)
{
	int handle = -EMFILE;

	pthread_mutex_lock(&lock);
	for (int i = 1; i < MAX_HANDLES; i++) {
		if (slots[i].value)
			continue;
		slots[i].kind = kind;
		slots[i].value = value;
		handle = i;
		break;
	}
	pthread_mutex_unlock(&lock);
	return handle;
}

static void *find(enum handle_kind kind, int handle, int forget)
{
	void *value = NULL;

	if (handle <= 0 || handle >= MAX_HANDLES)
		return NULL;
	pthread_mutex_lock(&lock);
	if (slots[handle].kind == kind) {
		value = slots[handle].value;
		if (forget)
			slots[handle].value = NULL;
	}
	pthread_mutex_unlock(&lock);
	return value;
}

void *handle_get(enum handle_kind kind, int handle) { return find(kind, handle, 0); }
void *handle_take(enum handle_kind kind, int handle) { return find(kind, handle, 1); }
