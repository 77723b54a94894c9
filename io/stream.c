#include "io/stream.h"

#include "io/fault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	struct pollfd wanted = {.fd = fd, .events = POLLOUT};
	int error = io_fault_of(IO_STEP_WRITE);

	while (error == 0 && size != 0) {
		ssize_t n = write(fd, bytes, size);

		if (n >= 0) {
			bytes += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			poll(&wanted, 1, -1); // the caller's descriptor may be set not to wait
		} else if (errno != EINTR) {
			error = errno;
		}
	}
	return error;
}

int stream_write(int fd, const uint8_t *bytes, size_t size)
{
	const struct timespec at_once = {0};
	sigset_t pipe_only;
	sigset_t before;
	sigset_t pending;
	int error;

	// SIGPIPE goes to the thread that writes: hold it back there, and take it off if it came.
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	error = write_all(fd, bytes, size);
	if (error == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
