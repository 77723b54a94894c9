#pragma once

#include "control/purposes.h"
#include "control/yaml.h"
#include "crypto/uuid.h"
#include "io/base/limits.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The definition of a batch job: one finite input; sealed, derived, key and dead-letter files out.
// Two forms are read: Sealane's own (YAML, docs/reference/job.md) and the reference service's JSON
// configuration (snake_case or camelCase). A definition only names things: contract and files are
// looked up by whoever runs the job.

enum {
	JOB_NAME_MAX = 200,          // bytes
	JOB_MASKS_MAX = 64,          // masks of one derived target
	JOB_RETENTION_DAYS = 2556,   // of a key, when the job names no policy: seven years
	JOB_MAX_BAD_SCALE = 1000000, // max_bad_ppm: parts of a million
};

/** A masked field of a derived target. */
struct job_mask {
	char *path;
	char *seed; // Murmur3 seed, or the text that an HMAC key is derived from; NULL = the vault's own
	bool is_murmur3; // otherwise HMAC-SHA-256
};

/** A derived target. */
struct job_view {
	char *file;
	uint64_t purposes; // bit p = purpose p requested
	bool is_cumulative;
	struct job_mask *masks; // [mask_count]
	uint32_t mask_count;
};

/** How many bad rows end the job. */
struct job_max_bad {
	uint64_t rows; // more than this
	uint32_t ppm;  // or, when is_share, more than this share of the rows, in millionths
	bool is_share;
};

/** A rule that overrides the contract's consent extraction. */
struct job_consent_rule {
	char *text;
	uint64_t purposes;
};

struct job {
	char *name;
	char *directory;              // of the definition file: what relative names start from
	char *input;                  // file, or "-"
	char *contract;               // handle/name/version, or a contract file
	char *group;                  // jobs of one group share key windows
	char *sealed;                 // file, or "-"
	char *keys;                   // file; NULL = none
	uint64_t keys_purposes;       // bit p = key of purpose p is exported; all by default
	char *dead_letters;           // file; NULL = beside the sealed file
	char *vault;                  // directory; NULL = the default
	uint8_t policy_id[UUID_SIZE]; // of the keys; zeros = the default policy
	uint32_t retention_days;
	struct job_max_bad max_bad;
	struct job_view views[VIEWS_MAX];
	uint32_t view_count;

	// Overrides of the contract; NULL = as the contract says. Only the reference form sets them.
	char *time_field;
	char *time_form; // rfc3339, epoch-s, epoch-ms or a pattern
	char *time_zone;
	char *consent_field;
	struct job_consent_rule *consent_rules; // [consent_rule_count]
	uint32_t consent_rule_count;
	uint64_t consent_otherwise;
	bool has_consent;
	bool is_csv; // the reference form says so
};

/**
 * Read a job definition, with the purposes map beside it (`purposes:` in the job, else purposes.yaml in its folder, else none).
 *
 * @param problems what is wrong is added, with its place
 */
enum sl_status job_load(
	const char *file,
	struct purposes **ret_purposes,
	struct job *ret_job,
	struct problems *problems
);
void job_done(struct job *job);

/** Read what a derived target opens and to whom: `purposes`, `consent` and `mask` of its map. */
void job_view_read_rules(
	const struct yaml_node *node,
	const struct purposes *purposes,
	struct job_view *view,
	struct problems *problems
);
void job_view_done(struct job_view *view);

/** Read "N" or "P%" (up to four decimals). false: neither. */
bool job_max_bad_read(const char *text, struct job_max_bad *ret_max_bad);

/** A name as written in the job, from where the job's relative names start. Caller frees. "-" and absolute names stay. */
char *job_resolve(const char *directory, const char *name);
