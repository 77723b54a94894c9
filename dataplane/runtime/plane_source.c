#include "dataplane/runtime/plane_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/** Map the image so that it can neither change nor shrink under us, then check it. */
static enum sl_status map_image(struct plane_source *s, int fd, struct problem *ret_problem)
{
	const int needed = F_SEAL_SHRINK | F_SEAL_WRITE;
	struct stat st;
	void *memory;

	if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct plane_image)
	    || st.st_size > PLANE_IMAGE_MAX)
		return problem_set(ret_problem, SL_E_CORRUPT, "the image's size can not be right");
	if ((fcntl(fd, F_GET_SEALS) & needed) != needed)
		return problem_set(ret_problem, SL_E_CORRUPT, "the image is not sealed");
	s->size = (size_t)st.st_size;
	memory = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return problem_set(
			ret_problem, SL_E_NOMEM, "the image can not be mapped: %s", strerror(errno)
		);
	s->image = memory;
	(void)madvise(memory, s->size, MADV_DONTDUMP);
	(void)mlock(memory, s->size);
	s->image_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (s->image_fd < 0)
		return problem_set(ret_problem, SL_E_NOMEM, "no descriptor for the image");
	return plane_image_check(memory, s->size, ret_problem);
}

enum sl_status plane_source_new(
	const int fds[],
	uint32_t fd_count,
	struct plane_source **ret_source,
	struct problem *ret_problem
)
{
	struct plane_source *s;
	enum sl_status status;

	if (fd_count == 0 || fd_count - 1 > PLANE_STREAMS_MAX)
		return problem_set(ret_problem, SL_E_CORRUPT, "no image came along");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for an image");
	s->image_fd = -1;
	status = map_image(s, fds[0], ret_problem);
	for (uint32_t t = 1; t < fd_count && status == SL_OK; t++) {
		status = key_table_attach(fds[t], &s->tables[s->table_count], ret_problem);
		s->table_count += status == SL_OK;
	}
	if (status != SL_OK) {
		plane_source_free(s);
		return status;
	}
	*ret_source = s;
	return SL_OK;
}

void plane_source_free(void *source)
{
	struct plane_source *s = source;

	for (uint32_t t = 0; t < s->table_count; t++)
		key_table_free(s->tables[t]);
	if (s->image != NULL)
		munmap((void *)s->image, s->size);
	if (s->image_fd >= 0)
		close(s->image_fd);
	free(s);
}
