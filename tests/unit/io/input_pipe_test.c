#include "io/input.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/input_text.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	int fd;
	const uint8_t *bytes;
	size_t size;
	size_t piece; // bytes a write
} feed;

static void *write_pipe(void *unused)
{
	(void)unused;
	for (size_t at = 0; at < feed.size;) {
		size_t size = feed.size - at < feed.piece ? feed.size - at : feed.piece;
		ssize_t n = write(feed.fd, feed.bytes + at, size);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	close(feed.fd);
	return NULL;
}

/** Read bytes as standard input; from a pipe, written in pieces, or from the middle of a file. */
static enum sl_status read_stdin(
	const uint8_t *bytes,
	size_t size,
	size_t piece,
	size_t *ret_size,
	struct problem *p
)
{
	int before = dup(STDIN_FILENO);
	struct input_options o = {.block_size = 3000};
	enum sl_status status;
	pthread_t id;
	int ends[2];

	CHECK_FATAL(pipe(ends) == 0);
	feed.fd = ends[1];
	feed.bytes = bytes;
	feed.size = size;
	feed.piece = piece;
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	CHECK_FATAL(pthread_create(&id, NULL, write_pipe, NULL) == 0);
	status = read_text("-", &o, ret_size, p);
	pthread_join(id, NULL);
	dup2(before, STDIN_FILENO);
	close(before);
	return status;
}

static void reads_pipes(void)
{
	struct problem p = {0};
	size_t size;
	size_t end;

	CHECK_EQUAL(read_stdin(text, TEXT_SIZE, 5000, &size, &p), SL_OK);
	CHECK_EQUAL(size, TEXT_SIZE);
	CHECK_EQUAL(read_stdin(text, 20, 1, &size, &p), SL_OK);
	CHECK_EQUAL(size, 20);
	CHECK_EQUAL(read_stdin(text, 0, 1, &size, &p), SL_OK);
	CHECK_EQUAL(size, 0);
	for (size_t i = 0; i < 2; i++) {
		end = pack(i == 1, 0, TEXT_SIZE, 0);
		CHECK_EQUAL(read_stdin(packed, end, 777, &size, &p), SL_OK);
		CHECK_EQUAL(size, TEXT_SIZE);
		CHECK_EQUAL(read_stdin(packed, end - 3, 10000, &size, &p), SL_E_TRUNCATED);
		CHECK(strcmp(p.file, "standard input") == 0);
	}
}

static void reads_a_file_as_standard_input(void)
{
	int before = dup(STDIN_FILENO);
	const char *path = scratch_path("text");
	struct problem p;
	size_t size;
	int fd;

	// What a shell's < gives, part of it being read already.
	scratch_write(path, "read already", 12);
	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	CHECK_FATAL(fd >= 0 && write(fd, text, TEXT_SIZE) == TEXT_SIZE);
	CHECK_FATAL(lseek(fd, 12, SEEK_SET) == 12);
	dup2(fd, STDIN_FILENO);
	close(fd);
	CHECK_EQUAL(read_text("-", NULL, &size, &p), SL_OK);
	CHECK_EQUAL(size, TEXT_SIZE);
	dup2(before, STDIN_FILENO);
	close(before);
}

static const struct check_test tests[] = {
	{"(makes the text)", fill_text},
	{"reads pipes", reads_pipes},
	{"reads a file as standard input", reads_a_file_as_standard_input},
};

CHECK_MAIN("io/input_pipe")
