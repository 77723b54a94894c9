#include "dataplane/pipeline/meta.h"

#include "crypto/uuid.h"
#include "dataplane/pipeline/put.h"

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

void meta_init(const struct policy *policy, struct meta *ret_meta)
{
	struct view ref = policy_view_of(policy->image, policy->image->ref);
	uint8_t *to = ret_meta->head;

	if (policy->image->format == POLICY_CSV) {
		to = put_doubled(put_byte(to, ','), ref);
		to = put_literal(to, ",\"0\",\"");
	} else {
		to = put_literal(to, ",\"strmMeta\":{\"eventContractRef\":");
		to = put_string(to, ref);
		to = put_literal(to, ",\"nonce\":0,\"timestamp\":");
	}
	ret_meta->head_size = (uint32_t)(to - ret_meta->head);
}

uint8_t *meta_put_json(
	const struct meta *meta,
	const struct batch *b,
	uint32_t i,
	bool is_first,
	uint8_t *to
)
{
	to = put_padded(to, meta->head + is_first, meta->head_size - is_first);
	to = put_signed(to, b->time_ms[i]);
	to = put_literal(to, ",\"keyLink\":\"");
	to = put_link(to, b->key[i].link);
	to = put_literal(to, "\",\"billingId\":null,\"consentLevels\":");
	to = put_consents(to, b->consent[i]);
	return put_byte(to, '}');
}

uint8_t *meta_put_csv(const struct meta *meta, const struct batch *b, uint32_t i, uint8_t *to)
{
	to = put_padded(to, meta->head, meta->head_size);
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
