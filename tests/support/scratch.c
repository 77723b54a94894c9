#include "tests/support/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[PATH_MAX - 300];
static pid_t owner;

static void need(bool is_so, const char *what)
{
	if (is_so)
		return;
	perror(what);
	abort();
}

static DIR *open_directory(const char *path)
{
	DIR *d = opendir(path);

	need(d != NULL, path);
	return d;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void scratch_empty(const char *path)
{
	DIR *d = open_directory(path);

	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (is_dots(e->d_name))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) != 0)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static void remove_directory(void)
{
	if (getpid() != owner)
		return;
	scratch_empty(directory);
	rmdir(directory);
}

const char *scratch_directory(void)
{
	const char *parent = getenv("TMPDIR");

	if (directory[0] != '\0')
		return directory;
	snprintf(
		directory,
		sizeof(directory),
		"%.500s/sealane-test-XXXXXX",
		parent == NULL ? "/tmp" : parent
	);
	need(mkdtemp(directory) != NULL, directory);
	owner = getpid();
	atexit(remove_directory);
	return directory;
}

const char *scratch_path(const char *name)
{
	static char paths[16][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, PATH_MAX, "%s/%.255s", scratch_directory(), name);
	return path;
}

void scratch_write(const char *path, const void *bytes, size_t size)
{
	FILE *f = fopen(path, "we");

	need(f != NULL && fwrite(bytes, 1, size, f) == size, path);
	need(fclose(f) == 0, path);
}

struct scratch_bytes scratch_read(const char *path)
{
	struct scratch_bytes b = {0};
	struct stat st;
	FILE *f = fopen(path, "re");

	need(f != NULL && fstat(fileno(f), &st) == 0, path);
	b.size = (size_t)st.st_size;
	b.bytes = malloc(b.size + 1);
	need(b.bytes != NULL && fread(b.bytes, 1, b.size, f) == b.size, path);
	fclose(f);
	return b;
}

bool scratch_holds(const char *path, const void *bytes, size_t size)
{
	struct scratch_bytes b;
	bool is_same;

	if (access(path, F_OK) != 0)
		return false;
	b = scratch_read(path);
	is_same = b.size == size && memcmp(b.bytes, bytes, size) == 0;
	free(b.bytes);
	return is_same;
}

size_t scratch_count(const char *path)
{
	DIR *d = open_directory(path);
	size_t count = 0;

	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		count += !is_dots(e->d_name);
	closedir(d);
	return count;
}

uint64_t scratch_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}
