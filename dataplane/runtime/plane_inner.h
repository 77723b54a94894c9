#pragma once

#include "control/api/link.h"
#include "dataplane/runtime/plane.h"
#include "dataplane/runtime/runtime.h"

#include <stdbool.h>

// Inside of the plane: plane.c is the conversation with control, plane_source.c the images and tables that came.

/** An image and its tables, mapped, with the descriptors that a new control gets in the HELLO. */
struct plane_source {
	const struct plane_image *image; // mapped
	size_t size;
	int image_fd;
	struct key_table *tables[PLANE_STREAMS_MAX];
	uint32_t table_count;
};

/**
 * Map and check what came with an APPLY.
 *
 * @param fds image, then tables; stay the caller's
 * Outcomes  SL_OK; SL_E_CORRUPT, SL_E_NOMEM, SL_E_IO with *ret_problem
 */
enum sl_status plane_source_new(
	const int fds[],
	uint32_t fd_count,
	struct plane_source **ret_source,
	struct problem *ret_problem
);

/** Unmap and close. For epoch_source.release. */
void plane_source_free(void *source);
