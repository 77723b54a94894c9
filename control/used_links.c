#include "control/used_links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	RUN_BUFFER = 1024 // links of a run held in memory while runs are merged
};

/** One sorted run, read from its beginning. */
struct run {
	off_t offset; // of the next bytes to read
	size_t left;  // links not yet read
	size_t at;
	size_t count; // in links
	uint8_t (*links)[KEY_LINK_SIZE];
};

enum sl_status used_links_init(struct used_links *used, const char *dir, size_t capacity)
{
	*used = (struct used_links){.capacity = capacity, .dir = dir, .fd = -1};
	used->links = malloc(capacity * KEY_LINK_SIZE);
	return used->links == NULL ? SL_E_NOMEM : SL_OK;
}

void used_links_done(struct used_links *used)
{
	free(used->links);
	free(used->run_count);
	if (used->fd >= 0)
		close(used->fd);
	*used = (struct used_links){.fd = -1};
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, KEY_LINK_SIZE);
}

/** New keys come in order; only what was reused from before does not. */
static void sort(struct used_links *used)
{
	size_t kept = 0;

	qsort(used->links, used->count, KEY_LINK_SIZE, compare);
	for (size_t i = 0; i < used->count; i++) {
		if (kept != 0 && compare(used->links[kept - 1], used->links[i]) == 0)
			continue;
		memmove(used->links[kept++], used->links[i], KEY_LINK_SIZE);
	}
	used->count = kept;
}

static int open_file(const char *dir)
{
	char path[4096];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	snprintf(path, sizeof(path), "%s/links.XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static enum sl_status write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size != 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EFBIG ? SL_E_NO_SPACE : status_of_errno(errno);
		bytes += n;
		size -= (size_t)n;
	}
	return SL_OK;
}

static enum sl_status spill(struct used_links *used)
{
	size_t *run_count = realloc(used->run_count, (used->runs + 1) * sizeof(*run_count));

	if (run_count == NULL)
		return SL_E_NOMEM;
	used->run_count = run_count;
	if (used->fd < 0)
		used->fd = open_file(used->dir);
	if (used->fd < 0)
		return status_of_errno(errno);
	sort(used);
	SL_TRY(write_all(used->fd, used->links[0], used->count * KEY_LINK_SIZE));
	used->run_count[used->runs++] = used->count;
	used->count = 0;
	return SL_OK;
}

enum sl_status used_links_add(struct used_links *used, const uint8_t link[static KEY_LINK_SIZE])
{
	if (used->count == used->capacity)
		SL_TRY(spill(used));
	memcpy(used->links[used->count++], link, KEY_LINK_SIZE);
	return SL_OK;
}

/** Have at least one link at hand, unless the run is over. */
static enum sl_status refill(struct run *run, int fd)
{
	size_t want = run->left < RUN_BUFFER ? run->left : RUN_BUFFER;
	size_t size = want * KEY_LINK_SIZE;

	if (run->at < run->count || want == 0)
		return SL_OK;
	for (size_t got = 0; got < size;) {
		ssize_t n = pread(fd, (uint8_t *)run->links + got, size - got, run->offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return SL_E_IO;
		got += (size_t)n;
		run->offset += n;
	}
	run->left -= want;
	run->at = 0;
	run->count = want;
	return SL_OK;
}

static const uint8_t *head_of(const struct run *run)
{
	return run->at < run->count ? run->links[run->at] : NULL;
}

/** The run with the lowest link at its head, NULL when all are over; *ret_second is the next lowest head or NULL. */
static struct run *lowest(struct run runs[], size_t count, const uint8_t **ret_second)
{
	struct run *low = NULL;
	const uint8_t *second = NULL;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *head = head_of(&runs[i]);

		if (head == NULL)
			continue;
		if (low == NULL || compare(head, head_of(low)) < 0) {
			second = low == NULL ? NULL : head_of(low);
			low = &runs[i];
		} else if (second == NULL || compare(head, second) < 0) {
			second = head;
		}
	}
	*ret_second = second;
	return low;
}

struct receiver {
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]);
	void *self;
	uint8_t last[KEY_LINK_SIZE];
	bool has_last;
};

/** Links of one run as long as they are not above `second`: mostly the whole run, for new links ascend. */
static enum sl_status put_run(struct run *run, const uint8_t *second, int fd, struct receiver *to)
{
	const uint8_t *head;

	while ((head = head_of(run)) != NULL && (second == NULL || compare(head, second) <= 0)) {
		bool is_new = !to->has_last || compare(head, to->last) != 0;

		memcpy(to->last, head, KEY_LINK_SIZE);
		to->has_last = true;
		run->at++;
		if (is_new)
			SL_TRY(to->put(to->self, to->last));
		SL_TRY(refill(run, fd));
	}
	return SL_OK;
}

static enum sl_status merge(struct run runs[], size_t count, int fd, struct receiver *to)
{
	const uint8_t *second;
	struct run *low;

	while ((low = lowest(runs, count, &second)) != NULL)
		SL_TRY(put_run(low, second, fd, to));
	return SL_OK;
}

enum sl_status used_links_each(
	struct used_links *used,
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]),
	void *self
)
{
	size_t count = used->runs + 1;
	struct run *runs = calloc(count, sizeof(*runs));
	uint8_t(*buffers)[KEY_LINK_SIZE] = malloc(count * RUN_BUFFER * KEY_LINK_SIZE);
	enum sl_status status = runs == NULL || buffers == NULL ? SL_E_NOMEM : SL_OK;
	struct receiver to = {.put = put, .self = self};
	off_t offset = 0;

	for (size_t i = 0; i < used->runs && status == SL_OK; i++) {
		runs[i] = (struct run){
			.offset = offset,
			.left = used->run_count[i],
			.links = buffers + i * RUN_BUFFER,
		};
		offset += (off_t)(used->run_count[i] * KEY_LINK_SIZE);
		status = refill(&runs[i], used->fd);
	}
	if (status == SL_OK) {
		sort(used);
		runs[used->runs] = (struct run){.count = used->count, .links = used->links};
		status = merge(runs, count, used->fd, &to);
	}
	free(buffers);
	free(runs);
	return status;
}
