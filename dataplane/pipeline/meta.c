#include "dataplane/pipeline/meta.h"

#include "crypto/uuid.h"
#include "dataplane/pipeline/put.h"

static const char link_name[] = ",\"keyLink\":\"";

enum {
	TIME_SIZE = PUT_TIME_SIZE,
	LINK_NAME_SIZE = sizeof(link_name) - 1
};

static uint8_t *put_link(uint8_t *to, const uint8_t link[static KEY_LINK_SIZE])
{
	uuid_write(link, (char *)to);
	return to + UUID_TEXT_SIZE;
}

static uint8_t *put_consents(uint8_t *to, uint64_t consents)
{
	to = put_byte(to, '[');
	for (uint64_t left = consents; left != 0; left &= left - 1) {
		uint32_t level = (uint32_t)__builtin_ctzll(left);

		if (left != consents)
			to = put_byte(to, ',');
		if (level >= 10)
			to = put_byte(to, (uint8_t)('0' + level / 10));
		to = put_byte(to, (uint8_t)('0' + level % 10));
	}
	return put_byte(to, ']');
}

/** Make what stands behind the time in JSON; a key link goes over its zeros. */
static void make_tail(struct meta *meta, uint64_t consent)
{
	static const uint8_t no_link[KEY_LINK_SIZE];
	uint8_t *tail = meta->text + meta->head_size + TIME_SIZE;
	uint8_t *to = put_bytes(tail, link_name, LINK_NAME_SIZE);

	to = put_link(to, no_link);
	to = put_literal(to, "\",\"billingId\":null,\"consentLevels\":");
	to = put_byte(put_consents(to, consent), '}');
	meta->tail_size = (uint32_t)(to - tail);
	meta->consent = consent;
}

void meta_init(const struct policy *policy, struct meta *ret_meta)
{
	struct view ref = policy_view_of(policy->image, policy->image->ref);
	uint8_t *to = ret_meta->text;

	if (policy->image->format == POLICY_CSV) {
		to = put_doubled(put_byte(to, ','), ref);
		to = put_literal(to, ",\"0\",\"");
	} else {
		to = put_literal(to, ",\"strmMeta\":{\"eventContractRef\":");
		to = put_string(to, ref);
		to = put_literal(to, ",\"nonce\":0,\"timestamp\":");
	}
	ret_meta->head_size = (uint32_t)(to - ret_meta->text);
	if (policy->image->format != POLICY_CSV)
		make_tail(ret_meta, 0);
}

uint8_t *meta_put_json(
	struct meta *meta,
	const struct batch *b,
	uint32_t i,
	bool is_first,
	uint8_t *to
)
{
	const uint8_t *head = meta->text + is_first; // without the comma
	size_t head_size = meta->head_size - is_first;
	uint8_t *tail = to + head_size + TIME_SIZE;

	if (b->consent[i] != meta->consent)
		make_tail(meta, b->consent[i]);
	if (put_is_time(b->time_ms[i])) {
		put_padded(to, head, head_size + TIME_SIZE + meta->tail_size);
		put_time(to + head_size, b->time_ms[i]);
	} else {
		tail = put_signed(put_padded(to, head, head_size), b->time_ms[i]);
		put_padded(tail, meta->text + meta->head_size + TIME_SIZE, meta->tail_size);
	}
	(void)put_link(tail + LINK_NAME_SIZE, b->key[i].link);
	return tail + meta->tail_size;
}

uint8_t *meta_put_csv(const struct meta *meta, const struct batch *b, uint32_t i, uint8_t *to)
{
	to = put_padded(to, meta->text, meta->head_size);
	to = put_signed(to, b->time_ms[i]);
	to = put_literal(to, "\",\"");
	to = put_link(to, b->key[i].link);
	to = put_literal(to, "\",,\"");
	to = put_consents(to, b->consent[i]);
	return put_byte(to, '"');
}

uint8_t *meta_put_csv_names(uint8_t *to)
{
	return put_literal(
		to,
		",\"strmMeta.eventContractRef\",\"strmMeta.nonce\",\"strmMeta.timestamp\""
		",\"strmMeta.keyLink\",\"strmMeta.billingId\",\"strmMeta.consentLevels\""
	);
}
