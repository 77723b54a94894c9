#include "dataplane/runtime/eal.h"

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
};

/** The command line that EAL wants, made from settings. */
struct arguments {
	char text[ARGUMENTS_MAX][ARGUMENT_MAX];
	char *word[ARGUMENTS_MAX + 1];
	int count;
};

static bool is_started;
static uint32_t huge_mib; // that memory takes of huge pages; 0 = none

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

/** Read one number of sysfs; 0 when it can not be read. */
static uint64_t read_number(const char *directory, const char *name)
{
	unsigned long long number = 0;
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

/**
 * Memory to take from huge pages: all of memory_mib in whole pages, or nothing. Too few of them would be an error in
 * the midst of a start, and small pages do as well.
 */
static uint32_t choose_huge_mib(const struct settings *s)
{
	static const char pages[] = "/sys/kernel/mm/hugepages/hugepages-";
	uint64_t chosen = 0;
	uint64_t most = 0;
	glob_t found;

	if (s->use_huge_pages == 0
	    || glob("/sys/kernel/mm/hugepages/hugepages-*kB", 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		uint64_t kib = strtoull(found.gl_pathv[i] + strlen(pages), NULL, 10);
		uint64_t count = read_number(found.gl_pathv[i], "free_hugepages");
		uint64_t wanted = kib == 0 ? 0 : (((uint64_t)s->memory_mib << 10) + kib - 1) / kib;

		if (count != 0 && count >= wanted && wanted * kib > chosen)
			chosen = wanted * kib;
		if (count * kib > most)
			most = count * kib;
	}
	globfree(&found);
	if (chosen == 0 && most != 0)
		notice("memory: %llu MiB of huge pages are free and memory_mib is %u: small pages "
		       "are used",
		       (unsigned long long)most >> 10,
		       s->memory_mib);
	return (uint32_t)(chosen >> 10);
}

/** No more than this of huge pages: they are others' too. One number for each node of memory. */
static void put_limit(struct arguments *a, uint32_t mib)
{
	char text[ARGUMENT_MAX];
	int size = snprintf(text, sizeof(text), "--socket-limit=%u", mib);

	for (uint32_t node = 1; node < RTE_MAX_NUMA_NODES; node++)
		size += snprintf(text + size, sizeof(text) - (size_t)size, ",%u", mib);
	put(a, "%s", text);
}

static void put_memory(struct arguments *a, const struct settings *s)
{
	if (huge_mib != 0) {
		put(a, "--in-memory");
		put(a, "--single-file-segments");
		put_limit(a, huge_mib);
	} else {
		put(a, "--no-huge");
		put(a, "--no-shconf");
	}
	put(a, "-m");
	put(a, "%u", huge_mib != 0 ? huge_mib : s->memory_mib);
	put(a, "--file-prefix=%s", s->eal_prefix[0] != '\0' ? s->eal_prefix : "sealane");
}

static int first_core(const cpu_set_t *cores)
{
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, cores))
			return core;
	return 0;
}

static enum sl_status init(struct arguments *a, struct problem *p)
{
	if (rte_eal_init(a->count, a->word) >= 0)
		return SL_OK;
	(void)!problem_set(
		p,
		SL_E_UNSUPPORTED,
		"the packet runtime does not start: %s",
		rte_strerror(rte_errno)
	);
	problem_remedy(
		p,
		"look at memory_mib, huge_pages and device in sealane.yaml, and at the limits of "
		"the process"
	);
	return SL_E_UNSUPPORTED;
}

enum sl_status eal_start(const struct settings *s, struct problem *ret_problem)
{
	struct arguments *a = calloc(1, sizeof(*a));
	enum sl_status status;
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
	huge_mib = choose_huge_mib(s);
	put(a, "sealane-dataplane");
	put(a, "--no-telemetry");
	put(a, "--log-level=*:error");
	put(a, "-l");
	put(a, "%d", first_core(&cores));
	put_memory(a, s);
	if (s->port_kind == SETTINGS_PORT_PCI)
		put(a, "--allow=%s", s->port_device);
	else
		put(a, "--no-pci");
	status = init(a, ret_problem);
	is_started = status == SL_OK;
	// EAL has bound the calling thread to its main core; threads made from now on must not inherit that.
	if (sched_setaffinity(0, sizeof(cores), &cores) != 0)
		notice("the main thread stays on one core");
	if (status == SL_OK)
		notice("memory: %u MiB for %u frames and the packet runtime, in %s pages; parcels "
		       "beside it as streams need them",
		       s->memory_mib,
		       s->frames,
		       huge_mib != 0 ? "huge" : "small");
	free(a);
	return status;
}

bool eal_has_huge_pages(void)
{
	return huge_mib != 0;
}
