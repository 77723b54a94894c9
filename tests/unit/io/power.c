#include "tests/unit/io/power.h"

#include "tests/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NODES_MAX = 4096,
	ENTRIES_MAX = 256, // of a directory
	BLOCK = 512,
	NAME_SIZE = 256,
	PATH_SIZE = 600
};

struct entry {
	char name[NAME_SIZE];
	uint64_t inode;
};

struct listing {
	struct entry entries[ENTRIES_MAX];
	uint32_t count;
};

/** What a sync has made durable. */
struct node {
	uint64_t inode;
	bool is_directory;
	struct scratch_bytes content; // of a file
	struct listing *listing;      // of a directory
};

/** What is to be there after the cut. */
struct survivor {
	char path[PATH_SIZE];
	bool is_directory;
	struct scratch_bytes content;
};

static char root[256];
static struct node nodes[NODES_MAX];
static uint32_t node_count;
static uint64_t fail_rate;
static uint64_t fail_random;

int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

static struct node *find_node(uint64_t inode)
{
	for (uint32_t i = 0; i < node_count; i++)
		if (nodes[i].inode == inode)
			return &nodes[i];
	return NULL;
}

static struct listing *list(const char *path)
{
	struct listing *l = calloc(1, sizeof(*l));
	DIR *d = opendir(path);

	if (l == NULL || d == NULL)
		abort();
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (l->count == ENTRIES_MAX)
			abort();
		snprintf(l->entries[l->count].name, sizeof(l->entries[0].name), "%s", e->d_name);
		l->entries[l->count++].inode = e->d_ino;
	}
	closedir(d);
	return l;
}

/** What lies at the path is durable. */
static void note(const char *path)
{
	struct stat st;
	struct node *n;

	if (stat(path, &st) != 0)
		abort();
	n = find_node(st.st_ino);
	if (n == NULL && node_count == NODES_MAX)
		abort();
	if (n == NULL)
		n = &nodes[node_count++];
	free(n->content.bytes);
	free(n->listing);
	*n = (struct node){.inode = st.st_ino, .is_directory = S_ISDIR(st.st_mode)};
	if (n->is_directory)
		n->listing = list(path);
	else
		n->content = scratch_read(path);
}

static void note_all(const char *path)
{
	struct listing *l;
	struct stat st;

	note(path);
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return;
	l = list(path);
	for (uint32_t i = 0; i < l->count; i++) {
		char below[PATH_SIZE];

		snprintf(below, sizeof(below), "%.300s/%.255s", path, l->entries[i].name);
		note_all(below);
	}
	free(l);
}

void power_on(const char *directory)
{
	snprintf(root, sizeof(root), "%s", directory);
	node_count = 0;
	note_all(root);
}

/** What a file may hold: each block old or new, the length one of the two. */
static struct scratch_bytes mix(
	const struct scratch_bytes *before,
	const struct scratch_bytes *now,
	uint64_t *random
)
{
	uint64_t choice = scratch_random(random) % 4;
	bool is_longer = now->size > before->size;
	struct scratch_bytes mixed = {
		.size = (choice & 1) != 0 ? now->size : before->size,
	};

	mixed.bytes = calloc(1, mixed.size + 1);
	if (mixed.bytes == NULL)
		abort();
	for (size_t at = 0; at < mixed.size; at += BLOCK) {
		bool is_new = choice == 3 || (choice != 0 && (scratch_random(random) & 1) != 0);
		const struct scratch_bytes *from = is_new ? now : before;
		size_t size = mixed.size - at < BLOCK ? mixed.size - at : BLOCK;

		// A block that was durable and is not new keeps its bytes, also in the longer file.
		if (at < from->size)
			memcpy(mixed.bytes + at,
			       from->bytes + at,
			       from->size - at < size ? from->size - at : size);
		else if (is_new && !is_longer && at < before->size)
			memcpy(mixed.bytes + at,
			       before->bytes + at,
			       before->size - at < size ? before->size - at : size);
	}
	return mixed;
}

static struct survivor *survivors;
static uint32_t survivor_count;

static struct survivor *add_survivor(const char *path)
{
	struct survivor *s = &survivors[survivor_count++];

	if (survivor_count > NODES_MAX)
		abort();
	*s = (struct survivor){0};
	snprintf(s->path, sizeof(s->path), "%s", path);
	return s;
}

/** Where an inode lies now; false when it is gone. */
static bool find_path(const char *directory, uint64_t inode, char ret_path[static PATH_SIZE])
{
	struct listing *l = list(directory);
	bool is_found = false;

	for (uint32_t i = 0; i < l->count && !is_found; i++) {
		char below[PATH_SIZE];
		struct stat st;

		snprintf(below, sizeof(below), "%.300s/%.255s", directory, l->entries[i].name);
		is_found = l->entries[i].inode == inode;
		if (is_found)
			memcpy(ret_path, below, PATH_SIZE);
		else if (stat(below, &st) == 0 && S_ISDIR(st.st_mode))
			is_found = find_path(below, inode, ret_path);
	}
	free(l);
	return is_found;
}

static void survive(const char *path, uint64_t inode, uint64_t *random);

static void survive_directory(const char *path, const struct listing *l, uint64_t *random)
{
	add_survivor(path)->is_directory = true;
	for (uint32_t i = 0; i < l->count; i++) {
		char below[PATH_SIZE];

		snprintf(below, sizeof(below), "%.300s/%.255s", path, l->entries[i].name);
		survive(below, l->entries[i].inode, random);
	}
}

static void survive(const char *path, uint64_t inode, uint64_t *random)
{
	const struct node *n = find_node(inode);
	struct scratch_bytes before = {0};
	struct scratch_bytes now = {0};
	char there[PATH_SIZE] = "";
	bool is_there = inode == 0 || find_path(root, inode, there);
	struct listing *l = NULL;
	struct stat st;

	if (inode == 0)
		snprintf(there, sizeof(there), "%s", root);
	if (inode == 0 && stat(root, &st) == 0)
		n = find_node(st.st_ino);
	if (is_there && stat(there, &st) == 0 && S_ISDIR(st.st_mode)) {
		l = list(there);
		// A directory that was never synced has no names, or those of now.
		if ((scratch_random(random) & 1) != 0)
			survive_directory(path, l, random);
		else
			survive_directory(
				path, n == NULL ? &(struct listing){0} : n->listing, random
			);
		free(l);
		return;
	}
	if (n != NULL)
		before = n->content;
	now = is_there ? scratch_read(there) : (struct scratch_bytes){before.bytes, before.size};
	add_survivor(path)->content = mix(&before, &now, random);
}

static void wipe(const char *path)
{
	struct listing *l = list(path);

	for (uint32_t i = 0; i < l->count; i++) {
		char below[PATH_SIZE];
		struct stat st;

		snprintf(below, sizeof(below), "%.300s/%.255s", path, l->entries[i].name);
		if (lstat(below, &st) == 0 && S_ISDIR(st.st_mode)) {
			wipe(below);
			rmdir(below);
		} else {
			unlink(below);
		}
	}
	free(l);
}

void power_cut(uint64_t seed)
{
	uint64_t random = seed;

	fail_rate = 0;
	survivors = calloc(NODES_MAX, sizeof(*survivors));
	if (survivors == NULL)
		abort();
	survivor_count = 0;
	survive(root, 0, &random);
	wipe(root);
	for (uint32_t i = 0; i < survivor_count; i++) {
		const struct survivor *s = &survivors[i];

		if (s->is_directory)
			(void)mkdir(s->path, 0700);
		else
			scratch_write(s->path, s->content.bytes, s->content.size);
	}
}

void power_fail(uint64_t rate, uint64_t seed)
{
	fail_rate = rate;
	fail_random = seed;
}

/** The pages that could not be written are no longer what was written to them. */
static void lose_pages(const char *path)
{
	struct scratch_bytes now;
	struct scratch_bytes mixed;
	struct stat st;
	const struct node *n;
	int fd;

	if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
		return;
	n = find_node(st.st_ino);
	now = scratch_read(path);
	mixed = mix(n == NULL ? &(struct scratch_bytes){0} : &n->content, &now, &fail_random);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (size_t at = 0; at < now.size; at++)
		if (at >= mixed.size)
			now.bytes[at] = 0;
	memcpy(now.bytes, mixed.bytes, mixed.size < now.size ? mixed.size : now.size);
	if (fd < 0 || pwrite(fd, now.bytes, now.size, 0) != (ssize_t)now.size)
		abort();
	close(fd);
	free(now.bytes);
	free(mixed.bytes);
}

static int sync_noted(int fd, int result)
{
	char path[64];

	if (root[0] == '\0' || result != 0)
		return result;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fail_rate != 0 && scratch_random(&fail_random) % fail_rate == 0) {
		lose_pages(path);
		errno = EIO;
		return -1;
	}
	note(path);
	return 0;
}

int __wrap_fdatasync(int fd)
{
	return sync_noted(fd, __real_fdatasync(fd));
}

int __wrap_fsync(int fd)
{
	return sync_noted(fd, __real_fsync(fd));
}
