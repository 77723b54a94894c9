#include "control/api/policy.h"
// Targets: policy_image_check, policy_image_checksum

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static volatile uint64_t sum; // of every byte that an accepted image names

static void read_bytes(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += ((const uint8_t *)bytes)[i];
}

static void read_span(const struct policy_image *p, struct policy_span span)
{
	struct view v = policy_view_of(p, span);

	read_bytes(v.bytes, v.size);
}

static void read_field(const struct policy_image *p, const struct policy_field *f)
{
	const struct policy_span *values = policy_rows(p, f->one_of);

	read_span(p, f->path);
	read_span(p, f->match);
	read_span(p, f->range_min);
	read_span(p, f->range_max);
	read_span(p, f->unreadable_value);
	for (uint32_t i = 0; i < f->one_of.count; i++)
		read_span(p, values[i]);
	if ((f->flags & POLICY_FIELD_PERSONAL) != 0)
		sum += ((const uint8_t *)policy_rows(p, p->purposes))[f->purpose_index];
}

/** Down the tree, as a parser goes; returns the leaves. */
static uint32_t walk(const struct policy_image *p, uint32_t row, uint32_t depth)
{
	const struct policy_node *n = &policy_nodes(p)[row];
	uint32_t leaves = n->field != POLICY_NONE;

	if (depth > EVENT_DEPTH_MAX)
		abort();
	read_span(p, n->name);
	if (n->field != POLICY_NONE)
		read_field(p, &policy_fields(p)[n->field]);
	for (uint32_t i = 0; i < n->child_count; i++)
		leaves += walk(p, n->first_child + i, depth + 1);
	return leaves;
}

static void read_view(const struct policy_image *p, const struct policy_view *view)
{
	const struct policy_mask *masks = policy_rows(p, view->masks);

	read_span(p, view->name);
	for (uint32_t i = 0; i < view->masks.count; i++) {
		read_span(p, masks[i].seed);
		read_field(p, &policy_fields(p)[masks[i].field]);
	}
}

static void read_image(const struct policy_image *p)
{
	const struct policy_time_item *items = policy_rows(p, p->time_items);
	const struct policy_consent_rule *rules = policy_rows(p, p->consent_rules);
	const struct policy_view *views = policy_rows(p, p->views);
	const uint16_t named[] = {p->key_field, p->subject_field, p->time_field, p->consent_field};

	if (walk(p, 0, 0) != p->fields.count)
		abort();
	for (size_t i = 0; i < 4; i++)
		if (named[i] != POLICY_NONE)
			read_field(p, &policy_fields(p)[named[i]]);
	read_span(p, p->ref);
	read_span(p, p->zone_name);
	read_bytes(policy_rows(p, p->zone), p->zone.count * sizeof(struct policy_zone_step));
	read_bytes(policy_rows(p, p->purposes), p->purposes.count);
	for (uint32_t i = 0; i < p->time_items.count; i++)
		read_span(p, items[i].text);
	for (uint32_t i = 0; i < p->consent_rules.count; i++)
		read_span(p, rules[i].text);
	for (uint32_t i = 0; i < p->views.count; i++)
		read_view(p, &views[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct policy_image *image = malloc(size == 0 ? 1 : size);
	struct problem fault = {0};

	if (image == NULL)
		return 0;
	if (size != 0)
		memcpy(image, bytes, size);
	if (size >= sizeof(*image)) {
		// Without a right checksum the fuzzer would never get in.
		image->magic = POLICY_MAGIC;
		image->version = POLICY_VERSION;
		image->size = (uint32_t)size;
		image->checksum = policy_image_checksum(image, size);
	}
	if (policy_image_check(image, size, &fault) == SL_OK)
		read_image(image);
	else if (fault.what[0] == '\0')
		abort();
	free(image);
	return 0;
}
