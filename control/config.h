#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdint.h>
#include <stdio.h>

// sealane.yaml: the configuration of an appliance, control's own and the dataplane's (docs/reference/config.md). The table
// of keys is config.def.

enum {
	CONFIG_USER_MAX = 64 // bytes of a user's name, NUL included
};

struct config {
	struct settings settings; // the dataplane's
	char vault[SETTINGS_PATH_MAX];
	char root_key[SETTINGS_PATH_MAX]; // "" = root.key in the vault
	char run_directory[SETTINGS_PATH_MAX];
	char definitions[SETTINGS_PATH_MAX];
	char data_directory[SETTINGS_PATH_MAX];
	char dataplane_user[CONFIG_USER_MAX]; // "" = control's own
	uint32_t journal_records;
};

/**
 * Read and check a configuration; what it leaves out is the default. All problems are found in one go.
 *
 * Outcomes  SL_OK; else problems were added, with file:line:column and remedy
 */
enum sl_status config_load(const char *file, struct config *ret_config, struct problems *problems);

/** What a file would say for a number of a key whose values are words (port, huge_pages). */
struct view config_word(const char *key, uint32_t number);

/** All keys with form, range, default, unit and meaning. */
void config_explain(FILE *out);
