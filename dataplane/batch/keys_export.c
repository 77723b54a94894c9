#include "dataplane/batch/keys_export.h"

#include "control/keys_csv.h"

#include <stdlib.h>

struct keys_export {
	struct keyring *keyring;
	struct targets *targets;
	struct keys_csv *csv;
	keys_export_failed_fn *failed;
	void *self;
	uint64_t count;         // keys; the committing thread's while is_watching
	enum sl_status status;  // the same
	struct problem problem; // of the target, status is not SL_OK
	bool is_watching;
};

static enum sl_status put_text(void *self, struct view text)
{
	struct keys_export *to = self;

	return targets_put_keys(to->targets, text, &to->problem);
}

/** @param ret_purposes those of the contract that the job exports; returns how many */
static size_t choose_purposes(
	const struct batch_setup *setup,
	uint8_t ret_purposes[static CONTRACT_PURPOSES_MAX]
)
{
	const struct policy_image *image = setup->image;
	const uint8_t *levels = policy_rows(image, image->purposes);
	size_t count = 0;

	for (uint32_t i = 0; i < image->purposes.count; i++)
		if (setup->keys_purposes >> levels[i] & 1)
			ret_purposes[count++] = levels[i];
	return count;
}

/** A key that the job has made, in the committing thread. */
static void add_made(void *self, const struct vault_key *key)
{
	struct keys_export *to = self;

	if (to->status != SL_OK)
		return;
	to->status = keys_csv_add_key(to->csv, key);
	to->count++;
	if (to->status != SL_OK)
		to->failed(to->self, &to->problem);
}

static enum sl_status add_used(void *self, const uint8_t link[static KEY_LINK_SIZE])
{
	struct keys_export *to = self;

	to->count++;
	return keys_csv_add(to->csv, link);
}

enum sl_status keys_export_new(
	const struct batch_setup *setup,
	struct targets *targets,
	keys_export_failed_fn *failed,
	void *self,
	struct keys_export **ret_export,
	struct problem *ret_problem
)
{
	uint8_t purposes[CONTRACT_PURPOSES_MAX];
	size_t count = choose_purposes(setup, purposes);
	struct keys_export *to;
	enum sl_status status;

	if (count == 0) {
		status = problem_set(
			ret_problem,
			SL_E_INVALID,
			"the keys file would hold no key: the contract has none of its purposes"
		);
		problem_remedy(ret_problem, "correct keys.purposes in the job, or leave it out");
		return status;
	}
	to = calloc(1, sizeof(*to));
	if (to == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the keys file");
	*to = (struct keys_export
	){.keyring = setup->keyring, .targets = targets, .failed = failed, .self = self};
	status = keys_csv_new(setup->vault, purposes, count, put_text, to, &to->csv, ret_problem);
	if (status != SL_OK) {
		keys_export_free(to);
		return status;
	}
	to->is_watching = !targets_has_stream(targets);
	if (to->is_watching)
		keyring_watch_made(to->keyring, add_made, to);
	*ret_export = to;
	return SL_OK;
}

enum sl_status keys_export_finish(
	struct keys_export *to,
	uint64_t *ret_count,
	struct problem *ret_problem
)
{
	enum sl_status status;

	if (to->is_watching)
		keyring_watch_made(to->keyring, NULL, NULL);
	to->is_watching = false;
	status = to->status;
	if (status == SL_OK)
		status = keyring_used_links(to->keyring, add_used, to);
	if (status == SL_OK)
		status = keys_csv_flush(to->csv);
	*ret_count = to->count;
	if (status == SL_OK)
		return SL_OK;
	if (to->problem.status != SL_OK) {
		*ret_problem = to->problem;
		return status;
	}
	return problem_set(
		ret_problem, status, "the keys can not be exported: %s", status_text(status)
	);
}

void keys_export_free(struct keys_export *to)
{
	if (to == NULL)
		return;
	if (to->is_watching)
		keyring_watch_made(to->keyring, NULL, NULL);
	keys_csv_free(to->csv);
	free(to);
}
