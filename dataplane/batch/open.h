#pragma once

#include "control/contract.h"
#include "control/keys_file.h"
#include "control/vault.h"
#include "crypto/engine.h"
#include "io/base/problem.h"
#include "io/base/view.h"

#include <stdint.h>

// Opening what a batch job wrote: sealed files, derived files and dead letters, back to the events as they were.
//
// No contract is needed: a sealed text names its key, and the event names its key link; where the text
// stands is what it was bound to. So a text is opened or it is not, whatever stands around it. What can not be
// opened becomes what the contract says under `unreadable`, when the contract is known, and else stays as it is.

enum {
	OPEN_ROW_MAX =
		4 << 20 // bytes of a sealed event: more than an event of EVENT_SIZE_MAX can become
};

/** What became of a sealed text. */
enum open_state {
	OPEN_PENDING,
	OPEN_OPENED,
	OPEN_NOT_ASKED, // its purpose is not among those asked for
	OPEN_NO_LINK,   // the event's key link is not known here
	OPEN_NO_KEY,    // the key link is known, its key of that purpose is not
	OPEN_FORGED, // there is a key, and it does not open the text: wrong key, or a changed text
	OPEN_STATE_COUNT
};

struct open_setup {
	const struct keys_file *keys; // where keys come from; NULL: vault
	struct vault *vault;          // the same; NULL: keys
	const struct contract
		*contract; // of all events; NULL: by their own word, from the vault, if it is there
	uint64_t purposes; // bit p = fields of purpose p may be opened
	struct engine_options engine;
};

struct open_counts {
	uint64_t events;  // dead letters left out
	uint64_t letters; // events from dead letters
	uint64_t fields[OPEN_STATE_COUNT];
	uint64_t replaced;      // of those not opened: became what the contract says
	bool is_contract_known; // of every event so far
};

/** Takes the opened text in pieces. */
typedef enum sl_status open_put_fn(void *self, struct view text, struct problem *ret_problem);

struct opener;

/** Everything that one thread needs to open rows; setup's objects are borrowed. */
enum sl_status opener_new(
	const struct open_setup *setup,
	open_put_fn *put,
	void *self,
	struct opener **ret_opener,
	struct problem *ret_problem
);
void opener_free(struct opener *opener);

/** The columns of a CSV file; every row after it is one of CSV. SL_E_SYNTAX: not a sealed file's. */
enum sl_status opener_csv_header(
	struct opener *opener,
	struct view row,
	struct problem *ret_problem
);

/**
 * Take one row. What came of it is put at the latest by the next opener_flush.
 *
 * @param row    without line end, 64 readable bytes after it; borrowed until opener_flush
 * @param number for problems
 *
 * Outcomes  SL_OK; SL_E_SYNTAX (no sealed event, damaged), SL_E_BAD_ROWS (`unreadable: fail`), SL_E_FORGED (a dead
 *           letter without its key), SL_E_CORRUPT and SL_E_IO of the vault, SL_E_NOMEM; what put returned
 */
enum sl_status opener_row(
	struct opener *opener,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
);

/** Put everything that is still under way. */
enum sl_status opener_flush(struct opener *opener, struct problem *ret_problem);

/** The end of the input: opener_flush, and nothing may be missing. */
enum sl_status opener_end(struct opener *opener, struct problem *ret_problem);

const struct open_counts *opener_counts(const struct opener *opener);

/**
 * Open a file; both names may be "-". CSV is told from JSON by the first byte. A target that is a file is seen only
 * when all went well.
 *
 * Outcomes  of input_open, output_open, opener_row; SL_E_FORGED: there were sealed texts and no single one opened
 */
enum sl_status open_file(
	const struct open_setup *setup,
	const char *input,
	const char *output,
	struct open_counts *ret_counts,
	struct problem *ret_problem
);
