#include "dataplane/runtime/eal.h"

#include "dataplane/runtime/interface.h"
#include "dataplane/runtime/notice.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <glob.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ARGUMENTS_MAX = 24,
	ARGUMENT_MAX = 512,
	AF_PACKET_FRAMES_MIN = 1024, // of the kernel's receive ring
};

/** The command line that EAL wants, made from settings. */
struct arguments {
	char text[ARGUMENTS_MAX][ARGUMENT_MAX];
	char *word[ARGUMENTS_MAX + 1];
	int count;
};

static bool is_started;
static bool has_huge_pages;
static const char *port_device;
static const char *exception_device;

static void PRINTF_LIKE(2, 3) put(struct arguments *a, const char *format, ...)
{
	va_list args;

	if (a->count == ARGUMENTS_MAX)
		SL_BUG("more EAL arguments than places for them");
	va_start(args, format);
	vsnprintf(a->text[a->count], ARGUMENT_MAX, format, args);
	va_end(args);
	a->word[a->count] = a->text[a->count];
	a->count++;
}

static bool find_free_huge_pages(void)
{
	unsigned long total = 0;
	glob_t found;

	if (glob("/sys/kernel/mm/hugepages/*/free_hugepages", 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "re");
		unsigned long free_pages = 0;

		if (file == NULL)
			continue;
		if (fscanf(file, "%lu", &free_pages) == 1)
			total += free_pages;
		fclose(file);
	}
	globfree(&found);
	return total != 0;
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

/** The driver lets the kernel join IPv4 fragments, so that a frame may be longer than the interface's MTU. */
static void put_af_packet(struct arguments *a, const struct settings *s)
{
	uint32_t frames = power_of_two(
		s->rx_descriptors < AF_PACKET_FRAMES_MIN ? AF_PACKET_FRAMES_MIN : s->rx_descriptors
	);

	port_device = "net_af_packet0";
	put(a,
	    "--vdev=net_af_packet0,iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=%u",
	    s->port_device,
	    s->worker_count,
	    EAL_AF_PACKET_SLOT,
	    EAL_AF_PACKET_SLOT,
	    frames);
}

static enum sl_status put_port(struct arguments *a, const struct settings *s, struct problem *p)
{
	uint32_t mtu = 0;

	switch ((enum settings_port_kind)s->port_kind) {
	case SETTINGS_PORT_AF_PACKET:
		SL_TRY(interface_mtu(s->port_device, &mtu, p));
		put_af_packet(a, s);
		return SL_OK;
	case SETTINGS_PORT_AF_XDP:
		SL_TRY(interface_mtu(s->port_device, &mtu, p));
		port_device = "net_af_xdp0";
		put(a,
		    "--vdev=net_af_xdp0,iface=%s,start_queue=0,queue_count=%u",
		    s->port_device,
		    s->worker_count);
		return SL_OK;
	case SETTINGS_PORT_MEMIF:
		port_device = "net_memif0";
		put(a,
		    "--vdev=net_memif0,role=server,id=0,socket-abstract=no,mac=02:00:00:00:00:02,"
		    "socket=%s",
		    s->port_device);
		return SL_OK;
	case SETTINGS_PORT_PCAP:
		port_device = "net_pcap0";
		put(a, "--vdev=net_pcap0,rx_pcap=%s", s->port_device);
		return SL_OK;
	case SETTINGS_PORT_PCI:
		port_device = s->port_device;
		put(a, "--allow=%s", s->port_device);
		return SL_OK;
	case SETTINGS_PORT_RING:
		port_device = NULL;
		return SL_OK;
	}
	return problem_set(p, SL_E_INVALID, "port.kind %u is unknown", s->port_kind);
}

static void put_exception(struct arguments *a, const struct settings *s)
{
	exception_device = NULL;
	if (s->host_interface[0] == '\0')
		return;
	if (has_huge_pages && access("/dev/vhost-net", R_OK | W_OK) == 0) {
		exception_device = "virtio_user0";
		put(a,
		    "--vdev=virtio_user0,path=/dev/vhost-net,queues=%u,queue_size=1024,iface=%s",
		    s->worker_count,
		    s->host_interface);
		return;
	}
	exception_device = "net_tap0";
	put(a, "--vdev=net_tap0,iface=%s", s->host_interface);
}

static void put_memory(struct arguments *a, const struct settings *s)
{
	if (has_huge_pages) {
		put(a, "--in-memory");
		put(a, "--single-file-segments");
	} else {
		put(a, "--no-huge");
		put(a, "--no-shconf");
		put(a, "-m");
		put(a, "%u", s->memory_mib);
	}
	put(a, "--file-prefix=%s", s->eal_prefix[0] != '\0' ? s->eal_prefix : "sealane");
}

static int first_core(const cpu_set_t *cores)
{
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, cores))
			return core;
	return 0;
}

enum sl_status eal_start(const struct settings *s, struct problem *ret_problem)
{
	struct arguments *a = calloc(1, sizeof(*a));
	enum sl_status status = SL_E_NOMEM;
	cpu_set_t cores;

	if (is_started) {
		free(a);
		return SL_OK;
	}
	CPU_ZERO(&cores);
	if (a == NULL || sched_getaffinity(0, sizeof(cores), &cores) != 0) {
		free(a);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for DPDK's arguments");
	}
	has_huge_pages = s->use_huge_pages != 0 && find_free_huge_pages();
	put(a, "sealane-dataplane");
	put(a, "--no-telemetry");
	put(a, "--log-level=*:error");
	// It complains about traffic classes that nobody asked for.
	put(a, "--log-level=pmd.net.tap:critical");
	put(a, "-l");
	put(a, "%d", first_core(&cores));
	put_memory(a, s);
	if (s->port_kind != SETTINGS_PORT_PCI)
		put(a, "--no-pci");
	status = put_port(a, s, ret_problem);
	if (status == SL_OK) {
		put_exception(a, s);
		if (rte_eal_init(a->count, a->word) < 0) {
			status = problem_set(
				ret_problem,
				SL_E_UNSUPPORTED,
				"the packet runtime does not start: %s",
				rte_strerror(rte_errno)
			);
			problem_remedy(
				ret_problem,
				"look at port, host_interface and memory in sealane.yaml, and at "
				"the capabilities of the process"
			);
		}
	}
	is_started = status == SL_OK;
	// EAL has bound the calling thread to its main core; threads made from now on must not inherit that.
	if (sched_setaffinity(0, sizeof(cores), &cores) != 0)
		notice("the main thread stays on one core");
	if (status == SL_OK)
		notice("memory: %u MiB for %u frames and the packet runtime, in %s pages; parcels "
		       "beside it as streams need them",
		       s->memory_mib,
		       s->frames,
		       has_huge_pages ? "huge" : "small");
	free(a);
	return status;
}

bool eal_has_huge_pages(void)
{
	return has_huge_pages;
}

const char *eal_exception_device(void)
{
	return exception_device;
}

const char *eal_port_device(void)
{
	return port_device;
}
