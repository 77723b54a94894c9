#include "crypto/secret.h"
#include "crypto/tink.h"
#include "crypto/uuid.h"
#include "dataplane/batch/opener.h"
#include "dataplane/batch/result.h"
#include "io/input.h"

#include <string.h>

// docs/formats/dead-letter.md. A letter's parts stand next to each other; each is put as it comes, so that a long
// event needs no memory of its size.

static const char head_end[] = "\"},\"event\":\"";

enum {
	HEAD_END_SIZE = sizeof(head_end) - 1,
	DIGITS_MAX = 18
};

/** What a letter says of itself. */
struct letter {
	struct view sealed;
	uint64_t row;
	uint64_t part;
	bool is_last;
	uint8_t link[KEY_LINK_SIZE];
};

/** What follows a name with its quotes and comma: in a string such quotes would be escaped. */
static struct view after(struct view head, const char *name)
{
	const uint8_t *at = memmem(head.bytes, head.size, name, strlen(name));

	if (at == NULL)
		return (struct view){0};
	at += strlen(name);
	return view_of(at, (size_t)(head.bytes + head.size - at));
}

static bool read_number(struct view text, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t digits = 0;

	while (digits < text.size && digits < DIGITS_MAX && text.bytes[digits] >= '0'
	       && text.bytes[digits] <= '9')
		number = number * 10 + (text.bytes[digits++] - '0');
	*ret_number = number;
	return digits != 0;
}

static bool read_letter(struct view row, struct letter *ret_letter)
{
	const uint8_t *event = memmem(row.bytes, row.size, head_end, HEAD_END_SIZE);
	struct view head;
	struct view link;
	struct view last;

	if (event == NULL)
		return false;
	head = view_of(row.bytes, (size_t)(event - row.bytes) + 1);
	event += HEAD_END_SIZE;
	ret_letter->sealed = view_of(event, (size_t)(row.bytes + row.size - event));
	if (ret_letter->sealed.size > 0 && event[ret_letter->sealed.size - 1] == '\r')
		ret_letter->sealed.size--;
	if (ret_letter->sealed.size < 2
	    || memcmp(event + ret_letter->sealed.size - 2, "\"}", 2) != 0)
		return false;
	ret_letter->sealed.size -= 2;
	link = after(head, ",\"keyLink\":\"");
	last = after(head, ",\"last\":");
	ret_letter->is_last = last.size >= 4 && memcmp(last.bytes, "true", 4) == 0;
	return link.size == UUID_TEXT_SIZE + 1
		&& uuid_read((const char *)link.bytes, ret_letter->link)
		&& read_number(after(head, ",\"row\":"), &ret_letter->row)
		&& read_number(after(head, ",\"part\":"), &ret_letter->part)
		&& ret_letter->part != 0;
}

/** A part is the first of its event, or the one after that which came last. */
static bool is_next(const struct open_letter *under_way, const struct letter *letter)
{
	if (letter->part == 1)
		return under_way->part == 0;
	return under_way->part + 1 == letter->part && under_way->row == letter->row
		&& memcmp(under_way->link, letter->link, KEY_LINK_SIZE) == 0;
}

/** Open into opened; the text's size, or SIZE_MAX. */
static size_t open_sealed(struct opener *o, const struct letter *letter)
{
	struct open_burst *burst = o->burst;

	if (letter->sealed.size < field_sealed_size(0)
	    || field_text_size_max(letter->sealed.size) > FIELD_TEXT_MAX + 2
	    || result_reserve(&o->opened, field_text_size_max(letter->sealed.size) + INPUT_PADDING)
		    != SL_OK
	    || !field_path_init(view_of_text("deadLetter"), o->burst_path))
		return SIZE_MAX;
	burst->count = 1;
	burst->field_key[0] = o->burst_key;
	burst->path[0] = o->burst_path;
	burst->key_id[0] = tink_key_id(letter->link, 0);
	burst->sealed[0] = letter->sealed;
	burst->text[0] = o->opened.bytes;
	return engine_open_fields(o->engine, burst) == 1 ? burst->text_size[0] : SIZE_MAX;
}

static enum sl_status refuse_setup(const struct opener *o, struct problem *ret_problem)
{
	if (o->setup.keys != NULL)
		return open_row_problem(
			ret_problem,
			SL_E_FORGED,
			0,
			"dead letters are sealed under the vault's own key, which is in no keys "
			"file",
			"open this file with --vault DIR"
		);
	if (o->setup.purposes != UINT64_MAX)
		return open_row_problem(
			ret_problem,
			SL_E_FORGED,
			0,
			"a dead letter is an event as a whole: it can not be opened for some "
			"purposes only",
			"leave --purposes out"
		);
	return SL_OK;
}

static enum sl_status find_key(
	struct opener *o,
	const struct letter *letter,
	uint64_t number,
	struct problem *ret_problem
)
{
	enum open_state state = OPEN_NO_LINK;
	enum sl_status status = open_keys_find(o->keys, letter->link, 0, &state, o->burst_key);

	if (status == SL_OK && state == OPEN_PENDING)
		return SL_OK;
	return open_row_problem(
		ret_problem,
		status == SL_E_IO ? SL_E_IO : SL_E_FORGED,
		number,
		"the vault has no key for this dead letter",
		"open it with the vault that the job wrote to"
	);
}

enum sl_status open_letter_row(
	struct opener *o,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
)
{
	struct letter letter = {0};
	size_t size;

	SL_TRY(refuse_setup(o, ret_problem));
	if (!read_letter(row, &letter))
		return open_row_problem(
			ret_problem,
			SL_E_SYNTAX,
			number,
			"the dead letter is damaged or cut off",
			"take the file from where it was written once more"
		);
	if (!is_next(&o->letter, &letter))
		return open_row_problem(
			ret_problem,
			SL_E_SYNTAX,
			number,
			"a part of a dead letter is missing before this one",
			"take the file from where it was written once more"
		);
	SL_TRY(find_key(o, &letter, number, ret_problem));
	size = open_sealed(o, &letter);
	bytes_wipe(o->burst_key, KEY_SIZE);
	if (size == SIZE_MAX)
		return open_row_problem(
			ret_problem,
			SL_E_FORGED,
			number,
			"the dead letter can not be opened: it was changed, or the vault is not "
			"its "
			"own",
			"open it with the vault that the job wrote to"
		);
	if (!open_out(o, view_of(o->opened.bytes, size))
	    || (letter.is_last && !open_out(o, view_of("\n", 1))))
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a dead letter");
	o->letter.row = letter.row;
	o->letter.part = letter.is_last ? 0 : letter.part;
	memcpy(o->letter.link, letter.link, KEY_LINK_SIZE);
	o->counts.letters += letter.is_last;
	return SL_OK;
}
