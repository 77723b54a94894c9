#include "control/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 16
};

static enum sl_status refuse(struct problem *p, const char *path, const char *verb)
{
	enum sl_status status = status_of_errno(errno);

	(void)!problem_set(p, status, "the socket can not be %s: %m", verb);
	problem_at_file(p, path);
	if (status == SL_E_DENIED)
		problem_remedy(p, "run this as root, or as the user that control runs as");
	return status;
}

static bool make_address(const char *path, struct sockaddr_un *ret_address)
{
	if (strlen(path) >= sizeof(ret_address->sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret_address->sun_path, path, strlen(path) + 1);
	return true;
}

enum sl_status unix_socket_connect(
	const char *path,
	int type,
	int *ret_fd,
	struct problem *ret_problem
)
{
	struct sockaddr_un address;
	int fd;

	if (!make_address(path, &address))
		return refuse(ret_problem, path, "named");
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refuse(ret_problem, path, "made");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = fd;
		return SL_OK;
	}
	(void)refuse(ret_problem, path, "reached");
	if (errno == ENOENT || errno == ECONNREFUSED)
		ret_problem->status = SL_E_NOT_FOUND;
	close(fd);
	return ret_problem->status;
}

/** Does somebody listen there? If not, and it is a socket, it goes. */
static enum sl_status clear_way(const char *path, int type, struct problem *ret_problem)
{
	struct stat about;
	int fd;

	if (lstat(path, &about) != 0)
		return SL_OK;
	if (!S_ISSOCK(about.st_mode)) {
		errno = EEXIST;
		return refuse(ret_problem, path, "made");
	}
	if (unix_socket_connect(path, type, &fd, ret_problem) == SL_OK) {
		close(fd);
		(void)!problem_set(ret_problem, SL_E_BUSY, "another control process runs here");
		problem_at_file(ret_problem, path);
		problem_remedy(
			ret_problem, "stop it first, or give this one a run_directory of its own"
		);
		return SL_E_BUSY;
	}
	unlink(path);
	return SL_OK;
}

enum sl_status unix_socket_listen(
	const char *path,
	int type,
	mode_t mode,
	int *ret_fd,
	struct problem *ret_problem
)
{
	struct sockaddr_un address;
	mode_t before;
	int fd;
	int bound;

	if (!make_address(path, &address))
		return refuse(ret_problem, path, "named");
	SL_TRY(clear_way(path, type, ret_problem));
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse(ret_problem, path, "made");
	before = umask(0777 & ~mode);
	bound = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (bound != 0 || listen(fd, BACKLOG) != 0) {
		(void)refuse(ret_problem, path, "made");
		close(fd);
		return ret_problem->status;
	}
	*ret_fd = fd;
	return SL_OK;
}

int unix_socket_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int unix_socket_accept(int listener, int *spare)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int error = errno;

	if (fd >= 0 || (error != EMFILE && error != ENFILE) || *spare < 0)
		return fd;
	close(*spare);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	*spare = unix_socket_spare();
	errno = error;
	return -1;
}

bool unix_socket_may_speak(int fd, uid_t other, uid_t *ret_uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return false;
	*ret_uid = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid() || (other != (uid_t)-1 && peer.uid == other);
}
