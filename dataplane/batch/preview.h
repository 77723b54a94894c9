#pragma once

#include "control/policy_compile.h"
#include "dataplane/pipeline/batch.h"
#include "io/base/problem.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// What events would become under a contract: the real turn over them, with keys that are forgotten at once.

/** How an event fares in a derived view. */
enum preview_outcome {
	PREVIEW_SHOWN,
	PREVIEW_NO_CONSENT, // the person has not consented to what the view is for
	PREVIEW_WITHHELD    // `unreadable: fail`: a field that the view may not read
};

/** One event. Texts are without line ends and live until the callback returns. */
struct preview {
	uint64_t number; // row of the source
	struct view before;
	enum drop_reason reason; // not DROP_NONE: nothing below is set but field
	uint16_t field;   // row of the contract's fields that the reason is about, or POLICY_NONE
	uint64_t consent; // bit p = consents to purpose p
	struct view sealed;
	enum preview_outcome outcome[VIEWS_MAX];
	struct view derived[VIEWS_MAX];
};

/** Takes one event. */
typedef void preview_fn(void *self, const struct preview *preview);

/** The header row of CSV, as the outputs have it; called once, before the events. */
typedef void preview_header_fn(void *self, struct view header);

struct preview_setup {
	const struct contract *contract;
	const struct view_spec *views; // [view_count]
	uint32_t view_count;
	const char *file; // events, or "-"
	uint64_t row_count_max;
	preview_header_fn *header;
	preview_fn *show;
	void *self;
};

/** Show the first events of a file. @param problems what is wrong with contract, views or file is added */
enum sl_status preview_run(const struct preview_setup *setup, struct problems *problems);

/**
 * The views that tell most about a contract: one for each of its purposes, and one for all of them together.
 *
 * @param ret_views out; names are not set
 * @return views
 */
uint32_t preview_views(
	const struct contract *contract,
	struct view_spec ret_views[static VIEWS_MAX]
);
