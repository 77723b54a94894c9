#include "bench/load/receiver.h"

#include "bench/load/port.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Noreturn static void receive(const struct receiver *r, uint32_t queues, uint32_t memory_mib)
{
	struct port_setup setup = {
		.queues = queues,
		.memory_mib = memory_mib,
		.core = -1,
	};
	struct problem problem;
	struct port port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(
		setup.device,
		sizeof(setup.device),
		"net_memif0,role=server,id=0,socket-abstract=no,socket=%s",
		r->path
	);
	if (port_open(&setup, &port, &problem) != SL_OK) {
		problem_print(stderr, &problem);
		_exit(EXIT_FAILURE);
	}
	atomic_store_explicit(&r->received->is_ready, true, memory_order_release);
	for (;;) {
		uint32_t count = port_drain(&port);

		if (count != 0)
			atomic_fetch_add_explicit(
				&r->received->frames, count, memory_order_relaxed
			);
	}
}

/** A memif that is not started refuses who comes, for good. */
static enum sl_status wait_for(struct receiver *r, struct problem *ret_problem)
{
	const struct timespec step = {.tv_nsec = 10000000};

	while (!atomic_load_explicit(&r->received->is_ready, memory_order_acquire)) {
		if (waitpid(r->pid, NULL, WNOHANG) == 0) {
			nanosleep(&step, NULL);
			continue;
		}
		r->pid = 0;
		rmdir(r->directory);
		return problem_set(ret_problem, SL_E_UNSUPPORTED, "the receiver has ended");
	}
	return SL_OK;
}

enum sl_status receiver_start(
	struct receiver *r,
	uint32_t queues,
	uint32_t memory_mib,
	struct problem *ret_problem
)
{
	*r = (struct receiver){.directory = "/tmp/sealane-load-XXXXXX"};
	if (mkdtemp(r->directory) == NULL)
		return problem_set(
			ret_problem, SL_E_IO, "no directory in /tmp: %s", strerror(errno)
		);
	snprintf(r->path, sizeof(r->path), "%s/memif.sock", r->directory);
	r->received =
		mmap(NULL,
		     sizeof(*r->received),
		     PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS,
		     -1,
		     0);
	r->pid = r->received == MAP_FAILED ? -1 : fork();
	if (r->pid < 0)
		return problem_set(
			ret_problem, SL_E_NOMEM, "no process to receive: %s", strerror(errno)
		);
	if (r->pid == 0)
		receive(r, queues, memory_mib);
	return wait_for(r, ret_problem);
}

void receiver_connected(struct receiver *r)
{
	unlink(r->path);
	rmdir(r->directory);
}

void receiver_stop(struct receiver *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
		munmap(r->received, sizeof(*r->received));
		receiver_connected(r);
	}
	r->pid = 0;
}
