#pragma once

#include <stddef.h>

/** The steps of input and output that tests make fail. */
enum io_step {
	IO_STEP_RING,    // getting an io_uring
	IO_STEP_PIN,     // registering its buffers
	IO_STEP_READ,    // each transfer from a file
	IO_STEP_WRITE,   // each transfer to a file, plain or by ring
	IO_STEP_UNNAMED, // making a file without a name
	IO_STEP_SYNC,    // making a file or directory durable
	IO_STEP_PUBLISH, // giving a file its name
	IO_STEP_MAKE,    // making a file that has a name from the start
	IO_STEP_CUT      // making a file shorter
};

/** Asked before every step: an errno other than 0 makes it fail so. NULL but in tests. */
extern int (*io_fault)(enum io_step step);

static inline int io_fault_of(enum io_step step)
{
	return io_fault == NULL ? 0 : io_fault(step);
}
