#include "control/mask_key.h"

#include "crypto/secret.h"

#include <assert.h>
#include <string.h>

void mask_key_make(
	const uint8_t *vault_key,
	const char *seed,
	uint8_t ret_key[static MASK_KEY_SIZE]
)
{
	uint8_t state[MASK_HMAC_STATE_SIZE];

	static_assert(MASK_KEY_SIZE == MASK_TEXT_MAX, "the mask of a seed serves as a key");
	memset(ret_key, 0, MASK_KEY_SIZE);
	if (vault_key == NULL)
		return;
	if (seed == NULL) {
		memcpy(ret_key, vault_key, MASK_KEY_SIZE);
		return;
	}
	mask_hmac_prepare(vault_key, state);
	(void)mask_hmac(state, view_of_text(seed), (char *)ret_key);
	bytes_wipe(state, sizeof(state));
}
