#include "bench/load/counted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COUNTED_PATH_MAX = 64
};

static enum sl_status map(struct counted *counted, const char *path, struct problem *ret_problem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum sl_status status;
	struct stat about;
	void *bytes;

	if (fd < 0)
		return problem_set(
			ret_problem,
			errno == ENOENT ? SL_E_NOT_FOUND : SL_E_IO,
			"%s: %s",
			path,
			strerror(errno)
		);
	if (fstat(fd, &about) != 0 || about.st_size == 0) {
		close(fd);
		return problem_set(ret_problem, SL_E_CORRUPT, "%s holds no counters", path);
	}
	bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return problem_set(ret_problem, SL_E_IO, "%s: %s", path, strerror(errno));
	counted->counters = bytes;
	counted->size = (size_t)about.st_size;
	status = counters_check(bytes, counted->size, ret_problem);
	if (status != SL_OK) {
		problem_at_file(ret_problem, path);
		counted_close(counted);
	}
	return status;
}

/** Path of the counters among the files that a process has open. @return whether there are any */
static bool find_in_process(const char *pid, char ret_path[static COUNTED_PATH_MAX])
{
	char directory[40];
	const struct dirent *entry;
	bool is_found = false;
	DIR *files;

	snprintf(directory, sizeof(directory), "/proc/%.10s/fd", pid);
	files = opendir(directory);
	if (files == NULL)
		return false;
	while (!is_found && (entry = readdir(files)) != NULL) {
		char name[64] = "";

		snprintf(ret_path, COUNTED_PATH_MAX, "%s/%.10s", directory, entry->d_name);
		if (readlink(ret_path, name, sizeof(name) - 1) > 0)
			is_found = strncmp(name, "/memfd:sealane-counters", 23) == 0;
	}
	closedir(files);
	return is_found;
}

static enum sl_status map_from(
	struct counted *counted,
	const char *from,
	struct problem *ret_problem
)
{
	char path[COUNTED_PATH_MAX];

	if (from[strspn(from, "0123456789")] != '\0')
		return map(counted, from, ret_problem);
	if (find_in_process(from, path))
		return map(counted, path, ret_problem);
	(void)!problem_set(
		ret_problem, SL_E_NOT_FOUND, "process %s shows no counters of a dataplane", from
	);
	problem_remedy(
		ret_problem,
		"name the process of sealane-dataplane or sealane-control; be root or its user"
	);
	return SL_E_NOT_FOUND;
}

enum sl_status counted_open(
	struct counted *counted,
	const char *from,
	const struct transport *transport,
	struct problem *ret_problem
)
{
	*counted = (struct counted){.transport = transport};
	if (from != NULL) {
		counted->source = COUNTED_BY_COUNTERS;
		return map_from(counted, from, ret_problem);
	}
	if (transport->is_counted)
		counted->source = COUNTED_TRANSPORT;
	return SL_OK;
}

void counted_close(struct counted *counted)
{
	if (counted->counters != NULL)
		munmap((void *)counted->counters, counted->size);
	*counted = (struct counted){0};
}

/** A reader needs no order among counters: what was offered has long been counted when a trial has settled. */
static uint64_t load(const counter_word *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void add_row(const struct counters_row *row, struct counted_figures *f)
{
	f->taken += load(&row->value[COUNTER_EVENTS_IN]);
	for (uint32_t i = 0; i < COUNTERS_FRAMES_MAX; i++) {
		uint64_t dropped = load(&row->frame_drop[i]);

		f->drop[i] += dropped;
		f->dropped += dropped;
	}
}

static void read_counters(const struct counters *c, struct counted_figures *f)
{
	for (uint32_t i = 0; i < c->worker_count * (PLANE_STREAMS_MAX + 1); i++)
		add_row(&c->row[i], f);
	for (uint32_t s = 0; s < PLANE_STREAMS_MAX; s++) {
		f->delivered += load(&c->sink[s].rows_delivered);
		for (uint32_t i = 0; i < COUNTERS_LATENCY_BUCKETS; i++)
			f->latency_ns[i] += load(&c->sink[s].latency_ns[i]);
	}
}

void counted_read(const struct counted *counted, struct counted_figures *ret_figures)
{
	*ret_figures = (struct counted_figures){0};
	if (counted->source == COUNTED_BY_COUNTERS)
		read_counters(counted->counters, ret_figures);
	else if (counted->source == COUNTED_TRANSPORT)
		ret_figures->taken = ret_figures->delivered = counted->transport->delivered;
}

void counted_latency(
	const struct counted_figures *before,
	const struct counted_figures *after,
	struct histogram *ret_latency
)
{
	for (uint32_t i = 0; i < COUNTERS_LATENCY_BUCKETS; i++) {
		uint64_t count = after->latency_ns[i] - before->latency_ns[i];

		// The top of the bucket: no latency is told better than it was.
		if (count != 0 && i + 1 < COUNTERS_LATENCY_BUCKETS)
			histogram_record(ret_latency, counters_latency_floor(i + 1) - 1, count);
	}
}
