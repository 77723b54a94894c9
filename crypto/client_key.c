#include "crypto/client_key.h"

#include "crypto/base64.h"
#include "crypto/secret.h"
#include "crypto/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TEXT_MAX = 1024, // bytes of the file
	KEY_TEXT_SIZE = 44
};

enum line {
	LINE_CLIENT = 1 << 0,
	LINE_ID = 1 << 1,
	LINE_KEY = 1 << 2,
	LINE_ALL = LINE_CLIENT | LINE_ID | LINE_KEY
};

static enum sl_status fail(struct problem *p, const char *path, int error, const char *what)
{
	const enum sl_status status =
		problem_set(p, status_of_errno(error), "%s: %s", what, strerror(error));

	problem_at_file(p, path);
	return status;
}

bool client_name_is_fine(const char *name)
{
	const size_t length = strlen(name);

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return length >= 1 && length <= CLIENT_NAME_MAX;
}

/** What stands behind a word at a line's beginning; NULL when the line begins otherwise. */
static const char *behind(const char *line, const char *word)
{
	const size_t length = strlen(word);

	return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

/** Which line it is; 0: it is none, or broken. */
static enum line read_line(const char *line, struct client_key *k)
{
	const char *value;
	uint8_t key[KEY_TEXT_SIZE];
	bool is_fine;

	value = behind(line, "client");
	if (value != NULL && client_name_is_fine(value)) {
		snprintf(k->name, sizeof(k->name), "%s", value);
		return LINE_CLIENT;
	}
	value = behind(line, "id");
	if (value != NULL && strlen(value) == UUID_TEXT_SIZE && uuid_read(value, k->id))
		return LINE_ID;
	value = behind(line, "key");
	if (value == NULL || strlen(value) != KEY_TEXT_SIZE)
		return 0;
	is_fine = base64_decode(view_of(value, KEY_TEXT_SIZE), key) == CLIENT_KEY_SIZE;
	memcpy(k->key, key, sizeof(k->key));
	bytes_wipe(key, sizeof(key));
	return is_fine ? LINE_KEY : 0;
}

/** Read the text; returns the number of the line that is wrong, or 0. Lines are cut into texts of their own. */
static uint32_t read_lines(char *text, struct client_key *k)
{
	unsigned seen = 0;
	uint32_t number = 1;
	char *line = text;

	for (; *line != '\0'; number++) {
		char *end = strchrnul(line, '\n');
		char *next = *end == '\n' ? end + 1 : end;
		enum line which;

		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		if (*line != '\0' && *line != '#') {
			which = read_line(line, k);
			if (which == 0 || (seen & which) != 0)
				return number;
			seen |= which;
		}
		line = next;
	}
	return seen == LINE_ALL ? 0 : number;
}

static enum sl_status read_text(
	int fd,
	const char *path,
	char *ret_text,
	struct problem *ret_problem
)
{
	struct stat st;
	ssize_t size;

	if (fstat(fd, &st) != 0)
		return fail(ret_problem, path, errno, "the client's key can not be read");
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		(void)!problem_set(
			ret_problem,
			SL_E_DENIED,
			"the client's key is open to others (mode %04o)",
			(unsigned)st.st_mode & 07777
		);
		problem_at_file(ret_problem, path);
		problem_remedy(
			ret_problem,
			"run `chmod 600 %s`, and think about who may have read it",
			path
		);
		return SL_E_DENIED;
	}
	size = read(fd, ret_text, TEXT_MAX);
	if (size < 0)
		return fail(ret_problem, path, errno, "the client's key can not be read");
	if (size == TEXT_MAX || memchr(ret_text, '\0', (size_t)size) != NULL)
		size = 0; // no such file: it is read as an empty one
	ret_text[size] = '\0';
	return SL_OK;
}

enum sl_status client_key_read(
	const char *path,
	struct client_key *ret_key,
	struct problem *ret_problem
)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct client_key key = {0};
	char text[TEXT_MAX + 1];
	enum sl_status status;
	uint32_t line;

	if (fd < 0)
		return fail(ret_problem, path, errno, "the client's key can not be opened");
	status = read_text(fd, path, text, ret_problem);
	close(fd);
	if (status != SL_OK)
		return status;
	line = read_lines(text, &key);
	bytes_wipe(text, sizeof(text));
	if (line == 0) {
		*ret_key = key;
	} else {
		status = problem_set(
			ret_problem,
			SL_E_SYNTAX,
			"this is no key file of a client: `client NAME`, "
			"`id UUID` and `key BASE64` are due, once each"
		);
		problem_at_file(ret_problem, path);
		ret_problem->line = line;
		problem_remedy(ret_problem, "name a file that `sealane create client` has written");
	}
	bytes_wipe(&key, sizeof(key));
	return status;
}

enum sl_status client_key_write(
	const char *path,
	const struct client_key *key,
	struct problem *ret_problem
)
{
	char text[TEXT_MAX];
	char id[UUID_TEXT_SIZE];
	uint8_t key_text[KEY_TEXT_SIZE];
	enum sl_status status = SL_OK;
	int size;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(ret_problem, path, errno, "the client's key file can not be made");
	uuid_write(key->id, id);
	base64_encode(view_of(key->key, CLIENT_KEY_SIZE), key_text);
	size = snprintf(
		text,
		sizeof(text),
		"client %s\nid %.*s\nkey %.*s\n",
		key->name,
		UUID_TEXT_SIZE,
		id,
		KEY_TEXT_SIZE,
		(const char *)key_text
	);
	if (write(fd, text, (size_t)size) != size || fsync(fd) != 0)
		status = fail(ret_problem, path, errno, "the client's key file can not be written");
	if (close(fd) != 0 && status == SL_OK)
		status = fail(ret_problem, path, errno, "the client's key file can not be written");
	if (status != SL_OK)
		unlink(path);
	bytes_wipe(text, sizeof(text));
	bytes_wipe(key_text, sizeof(key_text));
	return status;
}
