#include "dataplane/runtime/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum {
	PCAP_HEADER_SIZE = 24,
	PCAP_LINK_AT = 20,
	PCAP_MAGIC_US = 0xa1b2c3d4, // times in microseconds
	PCAP_MAGIC_NS = 0xa1b23c4d,
	PCAPNG_MAGIC = 0x0a0d0d0a, // the same in both byte orders
	LINK_MASK = 0xffff,        // bits above it say how long the frames' checksums are
	LINK_ETHERNET = 1
};

static enum sl_status refuse(struct problem *p, const char *path, const char *what)
{
	(void)!problem_set(p, SL_E_CORRUPT, "capture %s: %s", path, what);
	problem_remedy(p, "port pcap plays what `tcpdump -i INTERFACE -w FILE` has written");
	return SL_E_CORRUPT;
}

static enum sl_status read_header(
	const char *path,
	uint8_t ret_header[static PCAP_HEADER_SIZE],
	size_t *ret_size,
	struct problem *ret_problem
)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failure = errno;
	ssize_t got = -1;

	if (fd >= 0) {
		got = read(fd, ret_header, PCAP_HEADER_SIZE);
		failure = errno;
		close(fd);
	}
	if (got < 0) {
		(void)!problem_set(
			ret_problem,
			status_of_errno(failure),
			"capture %s: %s",
			path,
			strerror(failure)
		);
		problem_remedy(
			ret_problem,
			"device in sealane.yaml names it; the dataplane's user reads it"
		);
		return status_of_errno(failure);
	}
	*ret_size = (size_t)got;
	return SL_OK;
}

enum sl_status capture_check(const char *path, struct problem *ret_problem)
{
	uint8_t header[PCAP_HEADER_SIZE];
	uint32_t magic = 0;
	uint32_t link;
	bool is_swapped;
	size_t size;

	SL_TRY(read_header(path, header, &size, ret_problem));
	if (size >= sizeof(magic))
		memcpy(&magic, header, sizeof(magic));
	if (magic == PCAPNG_MAGIC)
		return SL_OK;
	is_swapped = magic != PCAP_MAGIC_US && magic != PCAP_MAGIC_NS;
	if (is_swapped)
		magic = __builtin_bswap32(magic);
	if (magic != PCAP_MAGIC_US && magic != PCAP_MAGIC_NS)
		return refuse(ret_problem, path, "this is no capture file");
	if (size < PCAP_HEADER_SIZE)
		return refuse(ret_problem, path, "it ends within its header");
	memcpy(&link, header + PCAP_LINK_AT, sizeof(link));
	if (is_swapped)
		link = __builtin_bswap32(link);
	if ((link & LINK_MASK) != LINK_ETHERNET)
		return refuse(ret_problem, path, "its frames are not Ethernet's");
	return SL_OK;
}
