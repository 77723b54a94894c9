#include "io/base/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const texts[SL_STATUS_COUNT] = {
	[SL_OK] = "ok",
#define SL_ERROR(name, text) [SL_E_##name] = (text),
#include "io/base/errors.def"
#undef SL_ERROR
};

const char *status_text(enum sl_status status)
{
	if ((unsigned)status >= SL_STATUS_COUNT)
		return "unknown status";
	return texts[status];
}

enum sl_status status_of_errno(int error)
{
	switch (error) {
	case 0:
		return SL_OK;
	case ENOMEM:
		return SL_E_NOMEM;
	case EINVAL:
		return SL_E_INVALID;
	case ENOENT:
	case ENOTDIR:
		return SL_E_NOT_FOUND;
	case EEXIST:
		return SL_E_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return SL_E_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return SL_E_NO_SPACE;
	case EBUSY:
	case EAGAIN:
		return SL_E_BUSY;
	case ENOSYS:
	case EOPNOTSUPP:
		return SL_E_UNSUPPORTED;
	case EINTR:
		return SL_E_INTERRUPTED;
	default:
		return SL_E_IO;
	}
}

void status_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "sealane: bug at %s:%d: %s\n", file, line, what);
	abort();
}
