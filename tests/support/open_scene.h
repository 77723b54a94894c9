#pragma once

#include "control/keyring.h"
#include "control/policy_compile.h"
#include "dataplane/batch/open.h"
#include "dataplane/pipeline/turn.h"

/** A contract at work over a vault of its own: events are sealed by the real turn and opened by the real opener. */
struct open_scene {
	char directory[64];
	char keys_path[96]; // keys file of all purposes, or of those of open_scene_export
	struct contract *contract;
	struct policy_image *image;
	struct policy *policy;
	struct vault *vault;
	struct keyring *keyring;
	struct dead_letter_key dead_key;
	struct csv_header *csv;
	struct turn turn;
};

/** Set up; aborts on failure. @param csv_header NULL for JSON */
struct open_scene *open_scene_new(const char *contract, const char *csv_header);
void open_scene_free(struct open_scene *scene);

/** Seal one row; its line in the sealed output, or in the dead letters when it is bad. Free with free(). */
char *open_scene_seal(struct open_scene *scene, struct view row);

/** Seal a row in pieces of that size, as too long: lines of dead letters. Free with free(). */
char *open_scene_seal_long(struct open_scene *scene, struct view row, size_t piece_size);

/** The header of the sealed CSV. Free with free(). */
char *open_scene_header(struct open_scene *scene);

/** Write the keys file, with the keys of these purposes only, and read it. */
struct keys_file *open_scene_export(struct open_scene *scene, uint64_t purposes);

/** What came of opening. */
struct open_result {
	char *text; // opened rows with their line ends; free with free()
	size_t size;
	enum sl_status status;
	struct open_counts counts;
	struct problem problem;
};

/** Open lines. @param is_csv the first line is a header */
struct open_result open_scene_open(const struct open_setup *setup, const char *lines, bool is_csv);
