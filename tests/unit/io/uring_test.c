#include "io/fault.h"
#include "io/uring.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	SIZE = 64 << 10,
	DEPTH = 4
};

static uint8_t *memory; // [DEPTH * SIZE], mapped
static enum io_step bad_step;

static int fail_bad_step(enum io_step step)
{
	return step == bad_step ? EPERM : 0;
}

static struct uring *make_for(int fd)
{
	struct iovec regions[DEPTH];
	struct uring *ring = NULL;

	if (memory == NULL)
		memory =
			mmap(NULL,
			     DEPTH * SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS,
			     -1,
			     0);
	for (size_t i = 0; i < DEPTH; i++)
		regions[i] = (struct iovec){memory + i * SIZE, SIZE};
	CHECK_FATAL(uring_new(fd, regions, DEPTH, DEPTH, &ring) == SL_OK);
	return ring;
}

static struct uring *make(void)
{
	return make_for(-1);
}

static void submit_all(struct uring *ring, struct uring_op ops[DEPTH], int fd, bool is_write)
{
	for (uint32_t i = 0; i < DEPTH; i++) {
		ops[i] = (struct uring_op){
			.bytes = memory + i * SIZE,
			.offset = (uint64_t)i * SIZE,
			.size = SIZE,
			.region = i,
			.fd = fd,
			.is_write = is_write,
		};
		uring_submit(ring, &ops[i]);
	}
}

/** Write a file and read it back; the file is 100 bytes shorter then. */
static void moves_bytes(void)
{
	struct uring *ring = make();
	struct uring_op ops[DEPTH];
	int fd = open(scratch_path("ring"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct uring_op *op;
	uint32_t count = 0;

	CHECK_FATAL(fd >= 0);
	for (size_t i = 0; i < DEPTH * SIZE; i++)
		memory[i] = (uint8_t)(i * 7 + i / SIZE);
	submit_all(ring, ops, fd, true);
	CHECK_EQUAL(uring_in_flight(ring), DEPTH);
	for (; (op = uring_wait(ring)) != NULL; count++)
		CHECK(op->error == 0 && op->done == SIZE);
	CHECK_EQUAL(count, DEPTH);
	CHECK_EQUAL(uring_in_flight(ring), 0);

	CHECK_FATAL(ftruncate(fd, DEPTH * SIZE - 100) == 0);
	memset(memory, 0, DEPTH * SIZE);
	submit_all(ring, ops, fd, false);
	while ((op = uring_wait(ring)) != NULL) {
		uint32_t i = (uint32_t)(op - ops);

		CHECK_EQUAL(op->error, 0);
		CHECK_EQUAL(op->done, i == DEPTH - 1 ? SIZE - 100 : SIZE);
		CHECK_EQUAL(memory[i * SIZE + 5], (uint8_t)((i * SIZE + 5) * 7 + i));
	}
	close(fd);
	uring_free(ring);
}

static void tells_errors(void)
{
	struct uring *ring = make();
	struct uring_op ops[DEPTH];
	struct uring_op *op;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	CHECK_FATAL(fd >= 0);
	submit_all(ring, ops, fd, true);
	while ((op = uring_wait(ring)) != NULL)
		CHECK_EQUAL(op->error, ENOSPC);
	close(fd);
	submit_all(ring, ops, fd, true);
	while ((op = uring_wait(ring)) != NULL)
		CHECK_EQUAL(op->error, EBADF);
	uring_free(ring);
}

static void moves_bytes_and_tells_errors_by_threads(void)
{
	setenv("SEALANE_IO", "posix", 1);
	moves_bytes();
	tells_errors();
	unsetenv("SEALANE_IO");
}

static void moves_bytes_and_tells_errors_at_once(void)
{
	setenv("SEALANE_IO", "plain", 1);
	moves_bytes();
	tells_errors();
	unsetenv("SEALANE_IO");
}

/** What lies in memory is read and written at once, unless the environment says otherwise. */
static void waits_for_no_memory(void)
{
	static const struct {
		const char *choice;
		bool is_plain;
	} cases[] = {{"", true}, {"plain", true}, {"posix", false}};

	int fd = memfd_create("ring", MFD_CLOEXEC);

	CHECK_FATAL(fd >= 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uring_op ops[DEPTH];
		struct uring_op *op;
		struct uring *ring;

		setenv("SEALANE_IO", cases[i].choice, 1);
		ring = make_for(fd);
		CHECK_EQUAL(uring_is_plain(ring), cases[i].is_plain);
		CHECK(!cases[i].is_plain || strstr(uring_text(ring), "plain reads") != NULL);
		memset(memory, 'a' + (int)i, DEPTH * SIZE);
		submit_all(ring, ops, fd, true);
		memset(memory, 0, cases[i].is_plain ? DEPTH * SIZE : 0);
		while ((op = uring_wait(ring)) != NULL)
			CHECK(op->error == 0 && op->done == SIZE);
		submit_all(ring, ops, fd, false);
		while ((op = uring_wait(ring)) != NULL)
			CHECK(op->error == 0 && op->done == SIZE);
		CHECK(memory[0] == 'a' + i && memory[DEPTH * SIZE - 1] == 'a' + i);
		uring_free(ring);
	}
	unsetenv("SEALANE_IO");
	close(fd);
}

static bool is_text(const char *wanted)
{
	struct uring *ring = make();
	bool is_same = strstr(uring_text(ring), wanted) != NULL;

	uring_free(ring);
	return is_same;
}

static void stands_in_for_a_refused_ring(void)
{
	struct iovec region = {memory, SIZE};
	struct uring *ring;

	io_fault = fail_bad_step;
	bad_step = IO_STEP_RING;
	CHECK(is_text("threads with pread and pwrite: io_uring is refused: Operation not permitted")
	);
	moves_bytes();
	setenv("SEALANE_IO", "uring", 1);
	CHECK_EQUAL(uring_new(-1, &region, 1, 1, &ring), SL_E_UNSUPPORTED);
	io_fault = NULL;
	setenv("SEALANE_IO", "posix", 1);
	CHECK(is_text("SEALANE_IO=posix"));
	setenv("SEALANE_IO", "fast", 1);
	CHECK_EQUAL(uring_new(-1, &region, 1, 1, &ring), SL_E_INVALID);
	unsetenv("SEALANE_IO");
}

static void does_without_registered_buffers(void)
{
	if (is_text("threads"))
		return; // no io_uring on this machine: nothing to be registered
	io_fault = fail_bad_step;
	bad_step = IO_STEP_PIN;
	CHECK(is_text("io_uring; buffers are not registered"));
	moves_bytes();
	io_fault = NULL;
	CHECK(is_text("io_uring with registered buffers"));
}

static struct uring *shared_ring;
static struct uring_op shared_ops[DEPTH];

static void *submit_and_end(void *fd)
{
	submit_all(shared_ring, shared_ops, *(int *)fd, true);
	return NULL;
}

/** What a thread had in flight when it ended must come to its end all the same. */
static void outlives_a_thread(void)
{
	int fd = open(scratch_path("ring"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct uring_op *op;
	pthread_t id;

	CHECK_FATAL(fd >= 0);
	for (int round = 0; round < 20; round++) {
		shared_ring = make();
		CHECK_FATAL(pthread_create(&id, NULL, submit_and_end, &fd) == 0);
		pthread_join(id, NULL);
		while ((op = uring_wait(shared_ring)) != NULL)
			CHECK(op->error == 0 && op->done == SIZE);
		uring_free(shared_ring);
	}
	close(fd);
}

static const struct check_test tests[] = {
	{"moves bytes", moves_bytes},
	{"tells errors", tells_errors},
	{"moves bytes and tells errors by threads", moves_bytes_and_tells_errors_by_threads},
	{"moves bytes and tells errors at once", moves_bytes_and_tells_errors_at_once},
	{"waits for no memory", waits_for_no_memory},
	{"stands in for a refused ring", stands_in_for_a_refused_ring},
	{"does without registered buffers", does_without_registered_buffers},
	{"outlives a thread", outlives_a_thread},
};

CHECK_MAIN("io/uring")
