#include "io/format.h"

#include "io/file_problem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/** A compression that we know by its first bytes; COMPRESSION_NONE = know, but can not read. */
static const struct format {
	enum compression compression;
	const char *text;
	const char *suffix;
	uint8_t head[FORMAT_HEAD_SIZE];
	uint8_t mask; // of the first byte
	uint8_t head_size;
} formats[] = {
	{COMPRESSION_GZIP, "gzip", ".gz", {0x1f, 0x8b}, 0xff, 2},
	{COMPRESSION_ZSTD, "zstd", ".zst", {0x28, 0xb5, 0x2f, 0xfd}, 0xff, 4},
	{COMPRESSION_ZSTD, "zstd", ".zst", {0x50, 0x2a, 0x4d, 0x18}, 0xf0, 4}, // a skippable frame
	{COMPRESSION_NONE, "xz", ".xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 0xff, 6},
	{COMPRESSION_NONE, "lz4", ".lz4", {0x04, 0x22, 0x4d, 0x18}, 0xff, 4},
	{COMPRESSION_NONE, "zip", ".zip", {'P', 'K', 3, 4}, 0xff, 4},
};

enum {
	FORMATS = sizeof(formats) / sizeof(formats[0])
};

enum compression format_of_name(const char *path)
{
	size_t size = strlen(path);

	for (size_t i = 0; i < FORMATS; i++) {
		size_t suffix_size = strlen(formats[i].suffix);

		if (size > suffix_size
		    && strcasecmp(path + size - suffix_size, formats[i].suffix) == 0)
			return formats[i].compression;
	}
	return COMPRESSION_NONE;
}

static const struct format *find_compression(enum compression compression)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (formats[i].compression == compression)
			return &formats[i];
	return NULL;
}

const char *format_text(enum compression compression)
{
	const struct format *f = find_compression(compression);

	return compression == COMPRESSION_NONE || f == NULL ? "" : f->text;
}

/** Whether the head is the format's, as far as it goes. */
static bool begins_as(const struct format *f, struct view head)
{
	size_t size = head.size < f->head_size ? head.size : f->head_size;

	return size != 0 && (head.bytes[0] & f->mask) == f->head[0]
		&& memcmp(head.bytes + 1, f->head + 1, size - 1) == 0;
}

static const struct format *find_head(struct view head)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (head.size >= formats[i].head_size && begins_as(&formats[i], head))
			return &formats[i];
	return NULL;
}

static enum sl_status refuse_plain(const char *file, const struct format *found, struct problem *p)
{
	if (found->compression == COMPRESSION_NONE) {
		(void
		)!problem_set(p, SL_E_SYNTAX, "is %s-compressed, which is not read", found->text);
		problem_remedy(p, "Decompress it, or compress it as .gz or .zst");
	} else {
		(void)!problem_set(
			p,
			SL_E_SYNTAX,
			"is %s-compressed, though its name does not end in %s",
			found->text,
			found->suffix
		);
		problem_remedy(p, "Rename it so that it ends in %s", found->suffix);
	}
	problem_at_file(p, file);
	return SL_E_SYNTAX;
}

static enum sl_status refuse_compressed(
	const char *file,
	const struct format *wanted,
	const struct format *found,
	bool is_by_name,
	struct problem *p
)
{
	(void)!problem_set(
		p,
		SL_E_SYNTAX,
		"%s%s%s, though %s%s",
		found == NULL ? "is not " : "is ",
		found == NULL ? wanted->text : found->text,
		"-compressed",
		is_by_name ? "its name ends in " : "the options say ",
		is_by_name ? wanted->suffix : wanted->text
	);
	problem_at_file(p, file);
	if (found != NULL && found->compression != COMPRESSION_NONE)
		problem_remedy(p, "Give it a name that ends in %s", found->suffix);
	else
		problem_remedy(
			p, "Give it a name without %s, or get the right file", wanted->suffix
		);
	return SL_E_SYNTAX;
}

enum sl_status format_settle(
	const char *file,
	enum compression wanted,
	bool is_stdin,
	struct view head,
	enum compression *ret_compression,
	struct problem *ret_problem
)
{
	const struct format *found = find_head(head);
	bool is_by_name = wanted == COMPRESSION_BY_NAME;
	const struct format *f;

	if (is_by_name)
		wanted = is_stdin ? COMPRESSION_NONE : format_of_name(file);
	if (is_by_name && is_stdin && found != NULL)
		wanted = found->compression;
	if (wanted == COMPRESSION_NONE) {
		if (is_by_name && found != NULL)
			return refuse_plain(file, found, ret_problem);
		*ret_compression = COMPRESSION_NONE;
		return SL_OK;
	}

	f = find_compression(wanted);
	if (head.size == 0) {
		(void
		)!problem_set(ret_problem, SL_E_TRUNCATED, "is empty, as no %s data is", f->text);
		problem_at_file(ret_problem, file);
		problem_remedy(ret_problem, "Get the file again: it was cut off");
		return SL_E_TRUNCATED;
	}
	// Too short a head to tell is left to the decoder, which finds it cut off.
	if (found == NULL ? !begins_as(f, head) || head.size >= f->head_size
			  : found->compression != wanted)
		return refuse_compressed(file, f, found, is_by_name, ret_problem);
	*ret_compression = wanted;
	return SL_OK;
}
