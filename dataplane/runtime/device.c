#include "dataplane/runtime/device.h"

#include "dataplane/runtime/capture.h"
#include "dataplane/runtime/eal.h"
#include "dataplane/runtime/interface.h"
#include "dataplane/runtime/notice.h"

#include <rte_bus_vdev.h>
#include <rte_errno.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	ARGUMENTS_SIZE = 512,
	AF_PACKET_FRAMES_MIN = 1024, // of the kernel's receive ring
	VHOST_QUEUE_SIZE = 1024
};

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static enum sl_status make(
	const char *name,
	const char *arguments,
	const char *about,
	const char *remedy,
	struct problem *ret_problem
)
{
	int code = rte_vdev_init(name, arguments);

	if (code == 0)
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		SL_E_UNSUPPORTED,
		"port: %s can not be opened by the driver %s%s%s",
		about,
		name,
		// Most drivers say no more than that.
		code == -1 ? "" : ": ",
		code == -1 ? "" : rte_strerror(-code)
	);
	problem_remedy(ret_problem, "%s", remedy);
	return SL_E_UNSUPPORTED;
}

/** The driver lets the kernel join IPv4 fragments, so that a frame may be longer than the interface's MTU. */
static enum sl_status make_af_packet(const struct settings *s, const char *name, struct problem *p)
{
	char text[ARGUMENTS_SIZE];
	uint32_t mtu;

	SL_TRY(interface_mtu(s->port_device, &mtu, p));
	snprintf(
		text,
		sizeof(text),
		"iface=%s,qpairs=%u,framesz=%d,blocksz=%d,framecnt=%u",
		s->port_device,
		s->worker_count,
		DEVICE_SLOT_AF_PACKET,
		DEVICE_SLOT_AF_PACKET,
		power_of_two(
			s->rx_descriptors < AF_PACKET_FRAMES_MIN ? AF_PACKET_FRAMES_MIN
								 : s->rx_descriptors
		)
	);
	return make(name, text, s->port_device, "af_packet wants CAP_NET_RAW", p);
}

static enum sl_status check_queues(const struct settings *s, struct problem *p)
{
	uint32_t usable;
	uint32_t all;

	SL_TRY(interface_queues(s->port_device, &usable, &all, p));
	if (s->worker_count > usable) {
		(void)!problem_set(
			p,
			SL_E_UNSUPPORTED,
			"the port has %u queues; %u workers want one each",
			usable,
			s->worker_count
		);
		problem_remedy(
			p, "fewer worker_cores in sealane.yaml, or ethtool -L %s", s->port_device
		);
		return SL_E_UNSUPPORTED;
	}
	if (all > s->worker_count)
		notice("port %s has %u receive queues and %u workers: what other queues get is the "
		       "kernel's and no event; ethtool -L %s",
		       s->port_device,
		       all,
		       s->worker_count,
		       s->port_device);
	return SL_OK;
}

/**
 * With libxdp's program as the driver's own argument, the driver attaches it, which takes CAP_BPF; libxdp by itself looks
 * programs up by number, for which the kernel wants CAP_SYS_ADMIN. A program that a killed process has left there is
 * taken away first; the claim keeps us from doing that to one that lives.
 */
static enum sl_status make_af_xdp(const struct settings *s, const char *name, struct problem *p)
{
	const char *program = interface_xdp_program();
	char text[ARGUMENTS_SIZE];
	uint32_t mtu;
	int size;

	SL_TRY(interface_mtu(s->port_device, &mtu, p));
	SL_TRY(check_queues(s, p));
	SL_TRY(interface_claim(s->port_device, p));
	SL_TRY(interface_drop_xdp(s->port_device, p));
	size = snprintf(
		text,
		sizeof(text),
		"iface=%s,start_queue=0,queue_count=%u,force_copy=%u",
		s->port_device,
		s->worker_count,
		// Small pages lie anywhere: a card would not follow a frame from one into the next.
		eal_has_huge_pages() ? 0u : 1u
	);
	if (program != NULL)
		snprintf(text + size, sizeof(text) - (size_t)size, ",xdp_prog=%s", program);
	return make(
		name,
		text,
		s->port_device,
		"DPDK must have its driver (package librte-net-af-xdp)",
		p
	);
}

/** What a killed process has left is nobody's; the driver would not go over it. */
static enum sl_status clear_socket(const char *path, struct problem *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int failure = 0;
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path)
	    >= (int)sizeof(address.sun_path))
		return problem_set(p, SL_E_TOO_BIG, "device: the path of a socket is shorter");
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		failure = errno;
	if (fd >= 0)
		close(fd);
	if (failure == ECONNREFUSED && unlink(path) != 0)
		failure = errno;
	if (failure == ENOENT || failure == ECONNREFUSED)
		return SL_OK;
	(void)!problem_set(
		p,
		failure == 0 ? SL_E_BUSY : status_of_errno(failure),
		"device: %s %s",
		path,
		failure == 0 ? "is served by another process" : strerror(failure)
	);
	problem_remedy(p, "port memif makes this socket: end the other process, or name another");
	return p->status;
}

static enum sl_status make_memif(const struct settings *s, const char *name, struct problem *p)
{
	char text[ARGUMENTS_SIZE];

	SL_TRY(clear_socket(s->port_device, p));
	snprintf(
		text,
		sizeof(text),
		"role=server,id=0,socket-abstract=no,mac=02:00:00:00:00:02,socket=%s",
		s->port_device
	);
	return make(
		name,
		text,
		s->port_device,
		"the socket's directory must be there, and ours to write into",
		p
	);
}

static enum sl_status make_pcap(const struct settings *s, const char *name, struct problem *p)
{
	char text[ARGUMENTS_SIZE];

	SL_TRY(capture_check(s->port_device, p));
	snprintf(text, sizeof(text), "rx_pcap=%s", s->port_device);
	return make(name, text, s->port_device, "look at what the driver says above", p);
}

enum sl_status device_make_port(
	const struct settings *s,
	const char **ret_name,
	struct problem *ret_problem
)
{
	static const char *const names[] = {
		[SETTINGS_PORT_AF_PACKET] = "net_af_packet0",
		[SETTINGS_PORT_AF_XDP] = "net_af_xdp0",
		[SETTINGS_PORT_MEMIF] = "net_memif0",
		[SETTINGS_PORT_PCAP] = "net_pcap0",
	};

	// The drivers' arguments end at a comma.
	if (strpbrk(s->port_device, ",[") != NULL) {
		(void)!problem_set(
			ret_problem,
			SL_E_INVALID,
			"device: \"%s\" has a comma or bracket",
			s->port_device
		);
		problem_remedy(ret_problem, "give it another name, or a link of another name");
		return SL_E_INVALID;
	}
	*ret_name = names[s->port_kind];
	switch ((enum settings_port_kind)s->port_kind) {
	case SETTINGS_PORT_AF_PACKET:
		return make_af_packet(s, *ret_name, ret_problem);
	case SETTINGS_PORT_AF_XDP:
		return make_af_xdp(s, *ret_name, ret_problem);
	case SETTINGS_PORT_MEMIF:
		return make_memif(s, *ret_name, ret_problem);
	case SETTINGS_PORT_PCAP:
		return make_pcap(s, *ret_name, ret_problem);
	case SETTINGS_PORT_PCI:
	case SETTINGS_PORT_RING:
		break;
	}
	return problem_set(ret_problem, SL_E_INVALID, "port.kind %u is no driver's", s->port_kind);
}

const char *device_make_vhost(const struct settings *s, const uint8_t mac[static 6])
{
	static const char name[] = "virtio_user0";
	char text[ARGUMENTS_SIZE];

	if (!eal_has_huge_pages() || access("/dev/vhost-net", R_OK | W_OK) != 0)
		return NULL;
	snprintf(
		text,
		sizeof(text),
		"path=/dev/"
		"vhost-net,queues=%u,queue_size=%d,iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x",
		s->worker_count,
		VHOST_QUEUE_SIZE,
		s->host_interface,
		mac[0],
		mac[1],
		mac[2],
		mac[3],
		mac[4],
		mac[5]
	);
	return rte_vdev_init(name, text) == 0 ? name : NULL;
}

void device_remove(const char *name)
{
	if (name != NULL)
		(void)rte_vdev_uninit(name);
}
