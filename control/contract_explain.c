#include "control/contract_explain.h"

#include "control/columns.h"

#include <stdlib.h>
#include <string.h>

enum {
	LABEL_SIZE = PURPOSE_NAME_MAX * 4 + 16,
	RULE_INDENT = 12, // column of the rules' text
	FIELD_INDENT = 24 // column of the fields' text
};

/** What is explained, to whom. */
struct explainer {
	FILE *out;
	const struct contract *contract;
	const struct purposes *purposes;
};

/** `analytics (1), research (2)`, or `nothing` for an empty set. */
static void list_purposes(const struct explainer *e, uint64_t set, FILE *text)
{
	char label[LABEL_SIZE];
	const char *comma = "";

	if (set == 0)
		fputs("nothing", text);
	for (uint8_t level = 0; level <= PURPOSE_MAX; level++) {
		if ((set >> level & 1) == 0)
			continue;
		fprintf(text,
			"%s%s",
			comma,
			purposes_label(e->purposes, level, label, sizeof(label)));
		comma = ", ";
	}
}

static void print_text(struct explainer *e, uint32_t indent, const char *label, char *text)
{
	columns_print(e->out, indent, label, "%s", text);
	free(text);
}

static void explain_time(struct explainer *e)
{
	const struct contract_time *t = &e->contract->time;

	switch (t->form) {
	case POLICY_TIME_NONE:
		columns_print(
			e->out,
			RULE_INDENT,
			"Time",
			"no field: the moment of sealing is the event's time"
		);
		return;
	case POLICY_TIME_RFC3339:
		columns_print(
			e->out,
			RULE_INDENT,
			"Time",
			"%.*s, written as 2015-09-12T00:46:58.771Z (RFC 3339)",
			YAML_ARG(t->field)
		);
		return;
	case POLICY_TIME_EPOCH_S:
	case POLICY_TIME_EPOCH_MS:
		columns_print(
			e->out,
			RULE_INDENT,
			"Time",
			"%.*s, %s since 1970",
			YAML_ARG(t->field),
			t->form == POLICY_TIME_EPOCH_S ? "seconds" : "milliseconds"
		);
		return;
	case POLICY_TIME_PATTERN:
		break;
	}
	columns_print(
		e->out,
		RULE_INDENT,
		"Time",
		"%.*s, written as %.*s%s%.*s",
		YAML_ARG(t->field),
		YAML_ARG(t->pattern),
		t->zone.size == 0 ? "" : ", local time of ",
		YAML_ARG(t->zone)
	);
}

static void explain_consent(struct explainer *e)
{
	const struct contract_consent *c = &e->contract->consent;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return;
	if (c->field.size == 0) {
		fputs("events do not tell: every event counts as consenting to ", f);
		list_purposes(e, c->otherwise, f);
	} else {
		fprintf(f, "%.*s tells:", YAML_ARG(c->field));
		for (uint32_t i = 0; i < c->rule_count; i++) {
			fprintf(f, " \"%.*s\" is consent to ", YAML_ARG(c->rules[i].text));
			list_purposes(e, c->rules[i].purposes, f);
			fputc(';', f);
		}
		fputs(" a list such as [1, 2], or one number, is consent to these levels;"
		      " without it, or when it can not be read, consent to ",
		      f);
		list_purposes(e, c->otherwise, f);
	}
	fclose(f);
	print_text(e, RULE_INDENT, "Consent", text);
}

static void explain_undeclared(struct explainer *e)
{
	const char *what = e->contract->format == POLICY_CSV ? "columns" : "members";
	char label[LABEL_SIZE];

	switch (e->contract->undeclared) {
	case POLICY_UNDECLARED_PASS:
		columns_print(
			e->out,
			RULE_INDENT,
			"Undeclared",
			"%s that stand in no line below stay as they are, IN CLEAR",
			what
		);
		return;
	case POLICY_UNDECLARED_DROP:
		columns_print(
			e->out,
			RULE_INDENT,
			"Undeclared",
			"%s that stand in no line below are left out of every output%s",
			what,
			e->contract->is_undeclared_said
				? ""
				: " (the contract does not say; this is safe)"
		);
		return;
	case POLICY_UNDECLARED_SEAL:
		break;
	}
	columns_print(
		e->out,
		RULE_INDENT,
		"Undeclared",
		"%s that stand in no line below are sealed whole, for %s",
		what,
		purposes_label(e->purposes, e->contract->undeclared_purpose, label, sizeof(label))
	);
}

static void explain_head(struct explainer *e)
{
	const struct contract *c = e->contract;

	columns_print(
		e->out,
		RULE_INDENT,
		"Contract",
		"%.*s (%s)%s%.*s",
		YAML_ARG(c->ref),
		contract_state_name(c->state),
		c->about.size == 0 ? "" : ": ",
		(int)c->about.size,
		c->about.size == 0 ? "" : (const char *)c->about.bytes
	);
	if (c->state != CONTRACT_ACTIVE)
		columns_print(
			e->out, RULE_INDENT, "", "accepts no events: only active contracts do"
		);
	if (c->format == POLICY_CSV)
		columns_print(
			e->out,
			RULE_INDENT,
			"Events",
			"rows of a CSV file with a header, columns separated by '%c'",
			c->csv_separator == '\t' ? ' ' : c->csv_separator
		);
	else
		columns_print(e->out, RULE_INDENT, "Events", "JSON objects");
	columns_print(
		e->out,
		RULE_INDENT,
		"Key",
		"%.*s: events with one value of it share a data key for a day",
		YAML_ARG(c->fields[c->key_field].path)
	);
	if (c->subject_field == POLICY_NONE)
		columns_print(
			e->out,
			RULE_INDENT,
			"Subject",
			"no field: no person can be forgotten by name"
		);
	else
		columns_print(
			e->out,
			RULE_INDENT,
			"Subject",
			"%.*s: the person; the vault keeps which data keys are that person's",
			YAML_ARG(c->fields[c->subject_field].path)
		);
	explain_time(e);
	explain_consent(e);
	explain_undeclared(e);
	columns_print(
		e->out,
		RULE_INDENT,
		"Duplicates",
		"%s",
		c->duplicates == POLICY_DUPLICATES_REFUSE
			? "an event that names a declared field twice is refused"
			: "of a field that stands twice in an event, every occurrence is sealed; "
			  "key, subject, time and consent must stand once"
	);
}

static void explain_unreadable(const struct contract_field *f, FILE *text)
{
	fputs("; who can not open it ", text);
	switch (f->unreadable) {
	case POLICY_UNREADABLE_SEALED:
		fputs("sees the sealed text", text);
		break;
	case POLICY_UNREADABLE_NULL:
		fputs("sees null", text);
		break;
	case POLICY_UNREADABLE_VALUE:
		fprintf(text, "sees %.*s", YAML_ARG(f->unreadable_value));
		break;
	case POLICY_UNREADABLE_FAIL:
		fputs("does not get the event", text);
		break;
	}
}

/** "; between 1 and 5", with open ends. */
static void explain_range(struct view min, struct view max, const char *unit, FILE *text)
{
	if (min.size != 0 && max.size != 0)
		fprintf(text, "; %.*s to %.*s%s", YAML_ARG(min), YAML_ARG(max), unit);
	else if (min.size != 0)
		fprintf(text, "; at least %.*s%s", YAML_ARG(min), unit);
	else
		fprintf(text, "; at most %.*s%s", YAML_ARG(max), unit);
}

static void explain_checks(const struct contract_field *f, FILE *text)
{
	char min[16] = "";
	char max[16] = "";

	if (f->item_type != POLICY_ANY)
		fprintf(text, "; each item of type %s", contract_type_name(f->item_type));
	if (f->is_required)
		fputs("; must be there", text);
	if (f->is_nullable)
		fputs("; may be null", text);
	if (f->range_min.size != 0 || f->range_max.size != 0)
		explain_range(f->range_min, f->range_max, "", text);
	if (f->has_length) {
		if (f->length_min != 0 || f->length_max == UINT32_MAX)
			snprintf(min, sizeof(min), "%u", f->length_min);
		if (f->length_max != UINT32_MAX)
			snprintf(max, sizeof(max), "%u", f->length_max);
		explain_range(view_of_text(min), view_of_text(max), " characters", text);
	}
	if (f->match.size != 0)
		fprintf(text, "; must match %.*s", (int)f->match.size, (const char *)f->match.bytes
		);
	for (uint32_t i = 0; i < f->one_of_count; i++)
		fprintf(text, "%s%.*s", i == 0 ? "; one of: " : ", ", YAML_ARG(f->one_of[i]));
}

static void explain_field(struct explainer *e, const struct contract_field *f)
{
	char label[PATH_SIZE_MAX + 4];
	char purpose[LABEL_SIZE];
	char *text = NULL;
	size_t size;
	FILE *t = open_memstream(&text, &size);

	if (t == NULL)
		return;
	if (f->is_personal)
		fprintf(t,
			"SEALED for %s, %s",
			purposes_label(e->purposes, f->purpose, purpose, sizeof(purpose)),
			f->iv == POLICY_IV_RANDOM ? "each time differently"
						  : "equal values under one data key stay equal");
	else
		fputs("in clear", t);
	if (f->is_personal)
		explain_unreadable(f, t);
	fprintf(t, "; %s%s", f->is_repeated ? "each of type " : "type ", contract_type_name(f->type)
	);
	explain_checks(f, t);
	if (f->about.size != 0)
		fprintf(t, ". %.*s", (int)f->about.size, (const char *)f->about.bytes);
	fclose(t);
	snprintf(label, sizeof(label), "  %.*s", (int)f->path.size, (const char *)f->path.bytes);
	print_text(e, FIELD_INDENT, label, text);
}

/** Paths of the personal fields whose purpose is in the set; "" when there are none. */
static uint32_t list_fields(const struct explainer *e, uint64_t set, FILE *text)
{
	const struct contract *c = e->contract;
	uint32_t count = 0;

	for (uint32_t i = 0; i < c->field_count; i++) {
		const struct contract_field *f = &c->fields[i];

		if (!f->is_personal || (set >> f->purpose & 1) == 0)
			continue;
		fprintf(text,
			"%s%.*s",
			count++ == 0 ? "" : ", ",
			(int)f->path.size,
			(const char *)f->path.bytes);
	}
	if (c->undeclared == POLICY_UNDECLARED_SEAL && (set >> c->undeclared_purpose & 1) != 0)
		fprintf(text, "%swhat is undeclared", count++ == 0 ? "" : ", ");
	if (count == 0)
		fputs("nothing that is sealed", text);
	return count;
}

static void explain_purposes(struct explainer *e)
{
	for (uint8_t level = 0; level <= PURPOSE_MAX; level++) {
		char name[LABEL_SIZE];
		char label[LABEL_SIZE + 4];
		char *text = NULL;
		size_t size;
		FILE *t = open_memstream(&text, &size);
		uint32_t count;

		if (t == NULL)
			return;
		count = list_fields(e, (uint64_t)1 << level, t);
		fclose(t);
		if (count == 0) {
			free(text);
			continue;
		}
		purposes_label(e->purposes, level, name, sizeof(name));
		snprintf(label, sizeof(label), "  %s", name);
		print_text(e, FIELD_INDENT, label, text);
	}
}

static void explain_view(struct explainer *e, const struct view_spec *view)
{
	uint64_t opened = view->purposes;
	char label[LABEL_SIZE];
	char *text = NULL;
	size_t size;
	FILE *t = open_memstream(&text, &size);

	if (t == NULL)
		return;
	fputs("has the events whose person consents to ", t);
	if (view->kind == POLICY_CUMULATIVE && opened != 0) {
		uint8_t level = (uint8_t)(63 - __builtin_clzll(opened));

		fprintf(t,
			"%s or a higher level",
			purposes_label(e->purposes, level, label, sizeof(label)));
		opened = level == PURPOSE_MAX ? UINT64_MAX : ((uint64_t)2 << level) - 1;
	} else {
		list_purposes(e, opened, t);
	}
	fputs("; opens ", t);
	(void)list_fields(e, opened, t);
	for (uint32_t i = 0; i < view->mask_count; i++)
		fprintf(t,
			"%s%.*s (%s)",
			i == 0 ? "; replaces by a mask: " : ", ",
			YAML_ARG(view->masks[i].path),
			view->masks[i].kind == POLICY_MASK_HMAC ? "hmac" : "murmur3");
	fclose(t);
	snprintf(label, sizeof(label), "  %.*s", YAML_ARG(view->name));
	print_text(e, FIELD_INDENT, label, text);
}

void contract_explain(
	FILE *out,
	const struct contract *contract,
	const struct purposes *purposes,
	const struct view_spec views[],
	uint32_t view_count
)
{
	struct explainer e = {.out = out, .contract = contract, .purposes = purposes};

	explain_head(&e);
	fputs("\nFields\n", out);
	for (uint32_t i = 0; i < contract->field_count; i++)
		explain_field(&e, &contract->fields[i]);
	fputs("\nWho can read: the keys of a purpose open\n", out);
	explain_purposes(&e);
	if (view_count != 0)
		fputs("\nDerived views\n", out);
	for (uint32_t i = 0; i < view_count; i++)
		explain_view(&e, &views[i]);
}
