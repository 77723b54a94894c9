#pragma once

#include "dataplane/pipeline/batch.h"
#include "io/base/problem.h"

#include <netinet/in.h>

// Datagrams that only the kernel can put together (fragments): a socket of the kernel on every event port, bound to the
// exception path's interface, read by an ordinary thread and handed to a worker.

enum {
	KERNEL_ROW_SIZE_MAX = 65535, // bytes of a datagram
	KERNEL_ROWS = 64             // buffers
};

struct kernel_row {
	uint16_t port; // that it came to, host order
	int socket;    // to answer by
	struct sockaddr_in6 sender;
	uint32_t size;
	uint8_t bytes[KERNEL_ROW_SIZE_MAX + 1 + BATCH_FRAME_PADDING];
};

struct kernel_rows;

/** @param interface of the exception path */
enum sl_status kernel_rows_start(
	const char *interface,
	struct kernel_rows **ret_rows,
	struct problem *ret_problem
);
void kernel_rows_free(struct kernel_rows *rows);

/**
 * Listen on these ports too; what was listened on before stays so. Not a worker.
 *
 * Outcomes  SL_OK; SL_E_BUSY (another program has the port), SL_E_DENIED, SL_E_IO
 */
enum sl_status kernel_rows_listen(
	struct kernel_rows *rows,
	const uint16_t ports[],
	uint32_t count,
	struct problem *ret_problem
);

/** What has come. One worker. @return rows, 0..max */
uint32_t kernel_rows_take(struct kernel_rows *rows, struct kernel_row *ret_rows[], uint32_t max);

/** Give them back. The same worker. */
void kernel_rows_put(struct kernel_rows *rows, struct kernel_row *const taken[], uint32_t count);
