#pragma once

#include "control/keyring.h"

#include <CUnit/Basic.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What the tests of the vault share: a directory that goes away, a vault in it, claims by number.

struct vault_dir {
	char path[64];
	char file[128]; // of vault_dir_file
};

static inline struct vault_dir vault_dir_new(void)
{
	struct vault_dir d = {.path = "/tmp/sealane-vault-XXXXXX"};

	if (mkdtemp(d.path) == NULL)
		abort();
	return d;
}

static inline const char *vault_dir_file(struct vault_dir *d, const char *name)
{
	snprintf(d->file, sizeof(d->file), "%s/%s", d->path, name);
	return d->file;
}

static inline void vault_dir_free(struct vault_dir *d)
{
	static const char *const names[] = {
		"data.mdb", "lock.mdb", "lock", "root.key", "other.key", "appliance"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(vault_dir_file(d, names[i]));
	rmdir(d->path);
}

static inline enum sl_status vault_dir_open(
	const struct vault_dir *d,
	struct vault **ret_vault,
	struct problem *ret_problem
)
{
	const struct vault_options options = {.dir = d->path, .may_create = true};

	return vault_open(&options, ret_vault, ret_problem);
}

/** Or abort with the problem: tests do not go on without. */
static inline struct vault *vault_dir_vault(const struct vault_dir *d)
{
	struct vault *v = NULL;
	struct problem p;

	if (vault_dir_open(d, &v, &p) != SL_OK) {
		problem_print(stderr, &p);
		abort();
	}
	return v;
}

static inline struct keyring_options keyring_options_of(const char *group)
{
	static const uint8_t purposes[] = {1, 2};

	return (struct keyring_options){
		.group = view_of_text(group),
		.contract = view_of_text("acme/clicks/1.0.0"),
		.purposes = purposes,
		.purpose_count = 2,
		.key_cache_max = 4096,
		.journal_max = 1024,
	};
}

static inline struct keyring *keyring_of(struct vault *v, const char *group)
{
	const struct keyring_options options = keyring_options_of(group);
	struct keyring *k = NULL;
	struct problem p;

	if (keyring_open(v, &options, &k, &p) != SL_OK) {
		problem_print(stderr, &p);
		abort();
	}
	return k;
}

/** The keyed hash that the pipeline makes of scope, day and key value. */
static inline void name_hash_of(
	const struct key_source *source,
	int64_t day,
	const char *value,
	uint8_t ret_hash[KEY_HASH_SIZE]
)
{
	uint8_t text[16 + 64];
	size_t size = strlen(value);

	memcpy(text, &source->scope, 8);
	memcpy(text + 8, &day, 8);
	memcpy(text + 16, value, size);
	siphash(source->hash_key, view_of(text, 16 + size), ret_hash);
}

/** Claim one key. subject 0: none. */
static inline bool claim_one(
	struct keyring *k,
	int64_t day,
	const char *value,
	uint64_t subject,
	struct key_entry *ret_entry
)
{
	struct key_source source = keyring_source(k);
	struct key_want want = {.day = day, .subject = subject, .entry = ret_entry};

	name_hash_of(&source, day, value, want.hash);
	memcpy(want.subject_hash, &subject, sizeof(subject));
	source.claim(source.self, &want, 1);
	return want.is_given;
}

static inline void keyring_end(struct keyring *k)
{
	struct problem p;

	if (keyring_close(k, &p) != SL_OK) {
		problem_print(stderr, &p);
		abort();
	}
}
