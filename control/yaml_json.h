#pragma once

#include "control/yaml.h"

/**
 * A value of a YAML file as JSON text without white space. Numbers are written in decimal.
 *
 * @param ret_room out, appended to
 * Outcomes  SL_OK; SL_E_FULL: no room; SL_E_INVALID: a number that JSON can not write (.inf, .nan)
 */
enum sl_status yaml_write_json(const struct yaml_node *node, struct room *ret_room);
