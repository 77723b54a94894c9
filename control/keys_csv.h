#pragma once

#include "control/keyring.h"

// The keys file, as the reference service writes it: RFC 4180 with CRLF,
//
//	keyLink,encryptionKey,policyId,expiresAt
//	"0190…","{""primaryKeyId"":…}","","1354233600000"
//
// encryptionKey is a cleartext Tink keyset, one AES-256-GCM key per purpose, the lowest purpose
// first and primary. policyId is empty (nothing between the commas) without a policy. expiresAt is
// milliseconds since 1970.

/** Takes the text in pieces. Secret. */
typedef enum sl_status (*keys_csv_put_fn)(void *self, struct view text);

struct keys_csv;

/**
 * Begin a file: writes the header.
 *
 * @param purposes [purpose_count] levels to export, ascending, 1..CONTRACT_PURPOSES_MAX of them
 */
enum sl_status keys_csv_new(
	struct vault *vault,
	const uint8_t purposes[],
	size_t purpose_count,
	keys_csv_put_fn put,
	void *self,
	struct keys_csv **ret_csv,
	struct problem *ret_problem
);
void keys_csv_free(struct keys_csv *csv);

/** Add the row of a key that is in the vault. Outcomes  SL_OK; the vault's or put's failure */
enum sl_status keys_csv_add(struct keys_csv *csv, const uint8_t link[static KEY_LINK_SIZE]);

/** Add the row of a key that is at hand. Outcomes  SL_OK; put's failure */
enum sl_status keys_csv_add_key(struct keys_csv *csv, const struct vault_key *key);

/** Hand over what is not yet put. */
enum sl_status keys_csv_flush(struct keys_csv *csv);

/** The whole keys file of a job: every key it created or reused, made durable first. Not beside claims. */
enum sl_status keys_csv_write(
	struct vault *vault,
	struct keyring *keyring,
	const uint8_t purposes[],
	size_t purpose_count,
	keys_csv_put_fn put,
	void *self,
	struct problem *ret_problem
);
