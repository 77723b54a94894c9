#include "control/vault_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

// The file that owns LMDB's environment: opening, locking, growing, translating its codes.

enum {
	READERS_MAX = 16,
	COMMIT_SIZE_MAX = 32 << 20, // bytes that a commit may want
	SHORT_PAGES_MAX =
		64 // pages that LMDB may have numbered and not written: freed in the same transaction
};

static const size_t MAP_SIZE = (size_t)256 << 30; // address space, not memory
static const size_t MAP_SIZE_MIN = (size_t)1 << 30;

static const struct {
	const char *name;
	unsigned flags;
} databases[VAULT_DB_COUNT] = {
	[VAULT_META] = {"meta", 0},
	[VAULT_KEKS] = {"keks", 0},
	[VAULT_KEYS] = {"keys", 0},
	[VAULT_NAMES] = {"names", 0},
	[VAULT_PAIRS] = {"pairs", 0},
	[VAULT_SUBJECTS] = {"subjects", 0},
	[VAULT_SCOPES] = {"scopes", 0},
	[VAULT_CONTRACTS] = {"contracts", 0},
};

enum sl_status store_status(int code)
{
	switch (code) {
	case MDB_SUCCESS:
		return SL_OK;
	case MDB_NOTFOUND:
		return SL_E_NOT_FOUND;
	case MDB_KEYEXIST:
		return SL_E_EXISTS;
	case MDB_MAP_FULL:
	case EFBIG:
	case EDQUOT:
		return SL_E_NO_SPACE;
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_PAGE_NOTFOUND:
	case MDB_BAD_VALSIZE:
		return SL_E_CORRUPT;
	case MDB_VERSION_MISMATCH:
		return SL_E_UNSUPPORTED;
	default:
		return code > 0 ? status_of_errno(code) : SL_E_IO;
	}
}

enum sl_status store_problem(
	struct problem *ret_problem,
	const struct vault *v,
	int code,
	const char *what
)
{
	enum sl_status status =
		problem_set(ret_problem, store_status(code), "%s: %s", what, mdb_strerror(code));

	problem_at_file(ret_problem, v->dir);
	if (status == SL_E_NO_SPACE)
		problem_remedy(
			ret_problem,
			"make room on the vault's device and run again: nothing that was committed "
			"is lost"
		);
	else if (status == SL_E_CORRUPT)
		problem_remedy(ret_problem, "restore the vault from a backup");
	else if (code == MDB_PANIC)
		problem_remedy(
			ret_problem,
			"look at the vault's disk, and start again: nothing that was committed is "
			"lost"
		);
	else if (status == SL_E_UNSUPPORTED)
		problem_remedy(
			ret_problem,
			"use the version of Sealane that made the vault, or restore it from a "
			"backup"
		);
	return status;
}

static enum sl_status io_problem(struct problem *p, const char *path, const char *what)
{
	enum sl_status status =
		problem_set(p, status_of_errno(errno), "%s: %s", what, strerror(errno));

	problem_at_file(p, path);
	return status;
}

/** flock: it goes with the process, however that ends. */
static enum sl_status lock_dir(struct vault *v, struct problem *ret_problem)
{
	char path[4096];
	char pid[32] = "";
	ssize_t size;

	snprintf(path, sizeof(path), "%s/lock", v->dir);
	v->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (v->lock_fd < 0)
		return io_problem(ret_problem, path, "the vault's lock can not be opened");
	if (flock(v->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		int length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

		// For whoever comes second, and no more: on a full disk the vault is open for reading all the same.
		if (ftruncate(v->lock_fd, 0) == 0)
			(void)!pwrite(v->lock_fd, pid, (size_t)length, 0);
		return SL_OK;
	}
	size = pread(v->lock_fd, pid, sizeof(pid) - 1, 0);
	pid[size > 0 ? strcspn(pid, "\n") : 0] = '\0';
	(void)!problem_set(
		ret_problem,
		SL_E_BUSY,
		"the vault is in use by process %s",
		pid[0] != '\0' ? pid : "(unknown)"
	);
	problem_at_file(ret_problem, v->dir);
	problem_remedy(
		ret_problem,
		"wait for that process to end, or use another vault; if it is an appliance's "
		"control: sealane stop"
	);
	return SL_E_BUSY;
}

int store_sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code;
	int error;

	if (fd < 0)
		return errno == EACCES ? 0 : -1; // one that may be written to, not read
	code = fsync(fd);
	error = errno;
	close(fd);
	errno = error;
	return code;
}

/** A directory, with its name in the one above it made durable. Returns 0, or -1 with errno. */
static int make_dir(const char *path)
{
	char above[4096];
	char *slash;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -1;
	snprintf(above, sizeof(above), "%s", path);
	slash = strrchr(above, '/');
	if (slash == NULL)
		return store_sync_dir(".");
	slash[slash == above] = '\0';
	return store_sync_dir(above);
}

/** The vault's directory and the folders above it that are missing. Returns 0, or -1 with errno. */
static int make_dirs(const char *dir)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (make_dir(path) != 0)
			return -1;
		*slash = '/';
	}
	return make_dir(path);
}

static enum sl_status open_dir(
	struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/data.mdb", v->dir);
	if (stat(path, &st) == 0)
		return SL_OK;
	if (errno != ENOENT)
		return io_problem(ret_problem, v->dir, "the vault can not be read");
	if (!options->may_create) {
		(void)!problem_set(ret_problem, SL_E_NOT_FOUND, "there is no vault here");
		problem_at_file(ret_problem, v->dir);
		problem_remedy(ret_problem, "name the directory that the job wrote its keys to");
		return SL_E_NOT_FOUND;
	}
	if (make_dirs(v->dir) != 0) {
		(void)io_problem(ret_problem, v->dir, "the vault's directory can not be made");
		problem_remedy(
			ret_problem, "make it for this user, or name another place for the vault"
		);
		return ret_problem->status;
	}
	return SL_OK;
}

/** A data file cut short would kill the process at the first look into the map: refuse it here. */
static int check_size(struct vault *v)
{
	MDB_envinfo info;
	MDB_stat stat_;
	struct stat st;
	int fd;
	off_t want;
	int code = mdb_env_info(v->env, &info);

	if (code == 0)
		code = mdb_env_stat(v->env, &stat_);
	if (code == 0)
		code = mdb_env_get_fd(v->env, &fd);
	if (code != 0)
		return code;
	if (fstat(fd, &st) != 0)
		return errno;
	want = (off_t)(info.me_last_pgno + 1) * stat_.ms_psize;
	if (st.st_size >= want)
		return 0;
	if (want - st.st_size > (off_t)SHORT_PAGES_MAX * stat_.ms_psize)
		return MDB_CORRUPTED;
	return ftruncate(fd, want) == 0 ? 0 : errno;
}

static int open_databases(struct vault *v)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(v->env, NULL, 0, &txn);

	if (code != 0)
		return code;
	for (int i = 0; i < VAULT_DB_COUNT && code == 0; i++)
		code = mdb_dbi_open(
			txn, databases[i].name, MDB_CREATE | databases[i].flags, &v->db[i]
		);
	if (code != 0) {
		mdb_txn_abort(txn);
		return code;
	}
	return mdb_txn_commit(txn);
}

static int open_env(struct vault *v, size_t map_size)
{
	int code = mdb_env_create(&v->env);

	if (code == 0)
		code = mdb_env_set_maxdbs(v->env, VAULT_DB_COUNT);
	if (code == 0)
		code = mdb_env_set_maxreaders(v->env, READERS_MAX);
	if (code == 0)
		code = mdb_env_set_mapsize(v->env, map_size);
	if (code == 0)
		code = mdb_env_open(v->env, v->dir, MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (code != 0) {
		mdb_env_close(v->env);
		v->env = NULL;
	}
	return code;
}

enum sl_status store_open(
	struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
)
{
	size_t map_size = options->map_size != 0 ? options->map_size : MAP_SIZE;
	int code;

	SL_TRY(open_dir(v, options, ret_problem));
	SL_TRY(lock_dir(v, ret_problem));
	SL_TRY(mark_check(v, options, ret_problem));
	v->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	do {
		code = open_env(v, map_size);
		map_size /= 2;
	} while (code == ENOMEM && map_size >= MAP_SIZE_MIN);
	if (code == 0)
		code = check_size(v);
	if (code == 0)
		code = open_databases(v);
	// LMDB syncs the file, not its name.
	if (code == 0 && options->may_create && store_sync_dir(v->dir) != 0)
		code = errno;
	if (code == 0)
		code = mdb_txn_begin(v->env, NULL, MDB_RDONLY, &v->reader);
	if (code != 0)
		return store_problem(ret_problem, v, code, "the vault can not be opened");
	mdb_txn_reset(v->reader);
	return SL_OK;
}

void store_close(struct vault *v)
{
	if (v->reader != NULL)
		mdb_txn_abort(v->reader);
	if (v->env != NULL)
		mdb_env_close(v->env);
	if (v->lock_fd >= 0)
		close(v->lock_fd);
	if (v->statm_fd >= 0)
		close(v->statm_fd);
	v->statm_fd = -1;
	v->reader = NULL;
	v->env = NULL;
	v->lock_fd = -1;
}

/**
 * LMDB calls a write that was cut short EIO. Tell a disk (or limit) that is full from one that is broken: by
 * whether there was room for a commit.
 */
static int cause_of_eio(struct vault *v)
{
	struct rlimit limit;
	struct statvfs room;
	struct stat st;
	int fd;

	if (mdb_env_get_fd(v->env, &fd) != 0 || fstat(fd, &st) != 0 || fstatvfs(fd, &room) != 0
	    || getrlimit(RLIMIT_FSIZE, &limit) != 0)
		return EIO;
	if ((uint64_t)room.f_bavail * room.f_frsize < COMMIT_SIZE_MAX)
		return ENOSPC;
	if (limit.rlim_cur != RLIM_INFINITY
	    && limit.rlim_cur < (rlim_t)st.st_size + COMMIT_SIZE_MAX)
		return EFBIG;
	return EIO;
}

static int write_once(struct vault *v, store_work_fn work, void *arg)
{
	MDB_txn *txn;
	int code;

	pthread_rwlock_rdlock(&v->map_lock);
	code = mdb_txn_begin(v->env, NULL, 0, &txn);
	if (code == 0) {
		code = work(v, txn, arg);
		if (code == 0)
			code = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	store_trim(v);
	pthread_rwlock_unlock(&v->map_lock);
	return code;
}

static int grow(struct vault *v)
{
	MDB_envinfo info;
	int code;

	pthread_rwlock_wrlock(&v->map_lock);
	code = mdb_env_info(v->env, &info);
	if (code == 0)
		code = mdb_env_set_mapsize(v->env, 2 * info.me_mapsize);
	v->map = NULL;
	pthread_rwlock_unlock(&v->map_lock);
	return code;
}

int store_write(struct vault *v, store_work_fn work, void *arg)
{
	int code = write_once(v, work, arg);

	while (code == MDB_MAP_FULL) {
		code = grow(v);
		if (code == 0)
			code = write_once(v, work, arg);
	}
	if (code == MDB_PANIC)
		atomic_store_explicit(&v->is_broken, true, memory_order_relaxed);
	return code == EIO ? cause_of_eio(v) : code;
}

MDB_txn *store_read_begin(struct vault *v, int *ret_code)
{
	pthread_mutex_lock(&v->read_lock);
	pthread_rwlock_rdlock(&v->map_lock);
	*ret_code = mdb_txn_renew(v->reader);
	if (*ret_code == 0)
		return v->reader;
	pthread_rwlock_unlock(&v->map_lock);
	pthread_mutex_unlock(&v->read_lock);
	return NULL;
}

void store_read_end(struct vault *v)
{
	mdb_txn_reset(v->reader);
	pthread_rwlock_unlock(&v->map_lock);
	pthread_mutex_unlock(&v->read_lock);
}
