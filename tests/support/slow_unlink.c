#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Preloaded into a program: it thinks a while before it removes a socket, so that a test can have another one come between.

enum {
	PAUSE_US = 300 * 1000
};

int unlink(const char *path)
{
	static int (*real)(const char *);
	const char *end = strrchr(path, '.');

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "unlink");
	if (end != NULL && strcmp(end, ".sock") == 0)
		usleep(PAUSE_US);
	return real(path);
}
