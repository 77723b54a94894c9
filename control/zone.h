#pragma once

#include "control/api/policy.h"

// Time zones for event times without an offset: an IANA name is looked up in the machine's tzdata (TZif,
// RFC 8536) once, when a contract is compiled; the image carries the steps, so that a dataplane needs no files.

enum {
	ZONE_NAME_MAX = 64,   // bytes
	ZONE_LAST_YEAR = 2100 // yearly rules are written out up to its end
};

struct zone {
	struct policy_zone_step *steps; // [count] owned, as policy_image.zone wants them
	uint32_t count;                 // 0 = UTC
};

/**
 * The steps of a zone: `UTC`, `Z`, an offset (`+02:00`, `-0530`, `+9`, also behind `UTC` or `GMT`), or an
 * IANA name such as `Europe/Amsterdam`.
 *
 * Outcomes  SL_OK: *ret_zone is the caller's until zone_done; SL_E_NOT_FOUND, SL_E_SYNTAX, SL_E_CORRUPT with
 *           *ret_problem and its remedy, without a place
 */
enum sl_status zone_load(struct view name, struct zone *ret_zone, struct problem *ret_problem);
void zone_done(struct zone *zone);

/**
 * The same from the bytes of a TZif file.
 *
 * Outcomes  SL_OK; SL_E_CORRUPT, SL_E_NOMEM
 */
enum sl_status zone_read(struct view tzif, struct zone *ret_zone);
