#pragma once

#include "control/job.h"
#include "control/yaml.h"

#include <stdbool.h>

/** Is this the reference service's JSON configuration of an encryption batch job? It has source_data or sourceData. */
bool job_reference_is(const struct yaml_node *root);

/**
 * Read it: source_data, consent, encryption, event_contract_ref, encrypted_data, encryption_keys_data, derived_data,
 * policy_id, in snake_case or camelCase. Data connectors are folders here: a target's file is path_prefix/file_name.
 * Project ids and connector references are accepted and have no meaning.
 */
void job_reference_read(const struct yaml_node *root, struct job *job, struct problems *problems);

/** Shared by both forms (job.c): a copy of a scalar's text; NULL for none or null. */
char *job_text(const struct yaml_node *node);

/** Shared by both forms (job.c): the policy's id, a UUID; null or none is the default policy. */
void job_policy_id(const struct yaml_node *node, struct job *job, struct problems *problems);

/** Shared by both forms (job.c): room for the next derived target; NULL after a problem when there are too many. */
struct job_view *job_view_room(
	struct job *job,
	const struct yaml_node *node,
	struct problems *problems
);
