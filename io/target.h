#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// A file that gets its name only when it is whole:
//
//      target_open    an unnamed file in the name's directory (else .NAME.<random>.partial)
//      target_sync    its bytes are durable
//      target_publish link to a temporary name, rename over the old file, directory made durable
//
// Standard output, pipes and devices are just opened: there is nothing to be renamed.

struct target {
	char *name;      // as the user wrote it
	char *directory; // of the file that a symbolic link leads to
	char *base;      // the file's name in directory
	char *partial; // a name in directory, while the file has that; NULL = unnamed or published
	int fd;
	int directory_fd; // -1 = a stream
	bool is_stream;
};

/** Outcomes as output_open; on failure there is nothing to be done for. */
enum sl_status target_open(
	struct target *target,
	const char *path,
	mode_t mode,
	struct problem *ret_problem
);

/** Set space aside, if it is to be had. */
void target_expect(const struct target *target, uint64_t size);

/** Make size bytes durable, and give up what was set aside beyond. */
enum sl_status target_sync(const struct target *target, uint64_t size, struct problem *ret_problem);

enum sl_status target_publish(struct target *target, struct problem *ret_problem);

/** Close it; what is not published is removed. */
void target_done(struct target *target);
