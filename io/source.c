#include "io/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int source_open(struct reader_source *s, const char *path)
{
	int fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	off_t start;
	off_t end;

	*s = (struct reader_source){.fd = fd};
	if (fd < 0 || fstat(fd, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return 0;
	start = lseek(fd, 0, SEEK_CUR);
	end = lseek(fd, 0, SEEK_END);
	// Files that the kernel makes up as they are read have no end to go to: read as pipes are.
	if (start < 0 || end < 0)
		return 0;
	if (lseek(fd, start, SEEK_SET) < 0)
		return errno;
	s->has_offsets = true;
	s->start = (uint64_t)start;
	s->size = end > start ? (uint64_t)(end - start) : 0;
	return 0;
}

int source_read_head(
	struct reader_source *s,
	struct blocks *blocks,
	uint8_t *head,
	size_t size,
	size_t *ret_size
)
{
	size_t at = 0;

	while (at < size) {
		size_t left = size - at;
		ssize_t n = s->has_offsets ? pread(s->fd, head + at, left, (off_t)(s->start + at))
					   : reader_read_plain(s->fd, head + at, left, blocks);

		if (n < 0)
			return errno;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	if (!s->has_offsets) {
		memcpy(s->head, head, at);
		s->head_size = (uint32_t)at;
	}
	*ret_size = at;
	return 0;
}

void source_close(struct reader_source *s)
{
	if (s->fd >= 0 && s->fd != STDIN_FILENO)
		close(s->fd);
	s->fd = -1;
}
