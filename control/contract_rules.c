#include "control/contract_reader.h"
#include "control/path.h"
#include "control/suggest.h"
#include "control/time_pattern.h"
#include "control/zone.h"

#include <string.h>

static bool read_path_text(
	const struct yaml_node *node,
	const char *name,
	struct problems *problems,
	struct view *ret_path
)
{
	if (!yaml_expect(
		    node, YAML_STRING, name, "name a field that stands under fields:", problems
	    ))
		return false;
	if (node->text.size == 0 || path_fault(node->text) != NULL) {
		problem_remedy(
			yaml_problem(
				problems,
				node,
				SL_E_INVALID,
				"%s is no path: '%.*s'",
				name,
				YAML_ARG(node->text)
			),
			"name a field that stands under fields:"
		);
		return false;
	}
	*ret_path = node->text;
	return true;
}

static bool has_offset(const struct time_pattern *pattern)
{
	for (uint32_t i = 0; i < pattern->count; i++)
		if (pattern->items[i].kind == POLICY_TIME_OFFSET)
			return true;
	return false;
}

/** A pattern, when the form is none of the named ones. */
static bool read_pattern(
	const struct yaml_node *node,
	const char *const forms[],
	struct problems *problems,
	struct contract_time *time,
	bool *ret_has_offset
)
{
	struct time_pattern pattern;
	struct problem fault;
	struct problem *p;
	const char *near;

	if (time_pattern_compile(node->text, &pattern, &fault) == SL_OK) {
		time->form = POLICY_TIME_PATTERN;
		time->pattern = node->text;
		*ret_has_offset = has_offset(&pattern);
		return true;
	}
	near = suggest_word(node->text, forms);
	p = yaml_problem(
		problems,
		node,
		SL_E_SYNTAX,
		"form '%.*s' is neither rfc3339, epoch-s, epoch-ms nor a date pattern: %s",
		YAML_ARG(node->text),
		fault.what
	);
	if (near != NULL)
		problem_remedy(p, "did you mean '%s'?", near);
	else
		problem_remedy(p, "%s", fault.remedy);
	return false;
}

static bool read_zone(
	const struct yaml_node *node,
	struct problems *problems,
	struct contract_time *time
)
{
	struct problem fault;
	struct zone zone;

	if (!yaml_expect(
		    node,
		    YAML_STRING,
		    "zone",
		    "name a time zone, such as Europe/Amsterdam or \"+01:00\"",
		    problems
	    ))
		return false;
	if (zone_load(node->text, &zone, &fault) != SL_OK) {
		problem_remedy(
			yaml_problem(problems, node, fault.status, "%s", fault.what),
			"%s",
			fault.remedy
		);
		return false;
	}
	zone_done(&zone);
	time->zone = node->text;
	return true;
}

bool contract_read_time(
	const struct yaml_node *node,
	struct problems *problems,
	struct contract_time *ret_time
)
{
	static const char remedy[] = "write `time: {field: time, form: rfc3339}`";
	static const char *const keys[] = {"field", "form", "zone", NULL};
	static const char *const forms[] = {"rfc3339", "epoch-s", "epoch-ms", NULL};
	const struct yaml_node *field;
	const struct yaml_node *form;
	const struct yaml_node *zone;
	struct contract_time time = {.form = POLICY_TIME_RFC3339};
	bool is_own_offset = true;

	if (!yaml_expect(node, YAML_MAP, "time", remedy, problems)
	    || !yaml_check_keys(node, keys, problems))
		return false;
	field = yaml_map_get(node, "field");
	form = yaml_map_get(node, "form");
	zone = yaml_map_get(node, "zone");
	if (field == NULL) {
		problem_remedy(
			yaml_problem(problems, node, SL_E_SYNTAX, "time has no field"), "%s", remedy
		);
		return false;
	}
	if (!read_path_text(field, "time's field", problems, &time.field))
		return false;
	if (form != NULL) {
		if (!yaml_expect(form, YAML_STRING, "form", remedy, problems))
			return false;
		if (yaml_is_text(form, forms[0]))
			time.form = POLICY_TIME_RFC3339;
		else if (yaml_is_text(form, forms[1]))
			time.form = POLICY_TIME_EPOCH_S;
		else if (yaml_is_text(form, forms[2]))
			time.form = POLICY_TIME_EPOCH_MS;
		else if (!read_pattern(form, forms, problems, &time, &is_own_offset))
			return false;
	}
	if (zone != NULL && !read_zone(zone, problems, &time))
		return false;
	if (zone != NULL && time.form != POLICY_TIME_PATTERN) {
		problem_remedy(
			yaml_problem(
				problems,
				zone->key,
				SL_E_INVALID,
				"zone has no meaning: this form of time knows its own offset"
			),
			"remove zone, or give a pattern as form"
		);
		return false;
	}
	if (zone == NULL && !is_own_offset)
		problem_remedy(
			yaml_problem(
				problems,
				form,
				SL_E_INVALID,
				"the pattern has no offset, and no zone is given"
			),
			"add zone: with the zone of these times, such as UTC or Europe/Amsterdam"
		);
	if (zone == NULL && !is_own_offset)
		return false;
	*ret_time = time;
	return true;
}

static bool read_map(
	const struct yaml_node *map,
	const struct purposes *purposes,
	struct problems *problems,
	struct arena *arena,
	struct contract_consent *consent
)
{
	bool is_good = true;

	if (!yaml_expect(
		    map, YAML_MAP, "map", "write {\"yes\": [analytics], \"no\": []}", problems
	    ))
		return false;
	consent->rules = arena_take(arena, (map->count + 1) * sizeof(*consent->rules));
	if (consent->rules == NULL) {
		(void)yaml_problem(problems, map, SL_E_NOMEM, "out of memory");
		return false;
	}
	for (const struct yaml_node *item = map->first; item != NULL; item = item->next) {
		struct contract_consent_rule *rule = &consent->rules[consent->rule_count++];

		rule->text = item->key->text;
		is_good = purposes_read_set(purposes, item, problems, &rule->purposes) && is_good;
	}
	return is_good;
}

bool contract_read_consent(
	const struct yaml_node *node,
	const struct purposes *purposes,
	struct problems *problems,
	struct arena *arena,
	struct contract_consent *ret_consent
)
{
	static const char remedy[] = "write `consent: {field: consent, otherwise: []}`";
	static const char *const keys[] = {"field", "map", "otherwise", NULL};
	struct contract_consent consent = {0};
	const struct yaml_node *field;
	const struct yaml_node *map;
	const struct yaml_node *otherwise;

	if (!yaml_expect(node, YAML_MAP, "consent", remedy, problems)
	    || !yaml_check_keys(node, keys, problems))
		return false;
	field = yaml_map_get(node, "field");
	map = yaml_map_get(node, "map");
	otherwise = yaml_map_get(node, "otherwise");
	if (field != NULL && !read_path_text(field, "consent's field", problems, &consent.field))
		return false;
	if (map != NULL && field == NULL) {
		problem_remedy(
			yaml_problem(
				problems, map->key, SL_E_INVALID, "consent has a map but no field"
			),
			"add field:, whose text the map explains"
		);
		return false;
	}
	if (field == NULL && otherwise == NULL) {
		problem_remedy(
			yaml_problem(
				problems,
				node,
				SL_E_SYNTAX,
				"consent has neither field nor otherwise"
			),
			"%s",
			remedy
		);
		return false;
	}
	if (map != NULL && !read_map(map, purposes, problems, arena, &consent))
		return false;
	if (otherwise != NULL
	    && !purposes_read_set(purposes, otherwise, problems, &consent.otherwise))
		return false;
	*ret_consent = consent;
	return true;
}
