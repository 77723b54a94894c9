#include "control/vault.h"

#include "control/vault_inner.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

static enum sl_status open_all(
	struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
)
{
	const struct engine_options auto_options = {0};

	v->dir = strdup(options->dir);
	v->secrets = secret_new(sizeof(*v->secrets));
	v->records = malloc(VAULT_COMMIT_MAX * sizeof(*v->records));
	if (v->dir == NULL || v->secrets == NULL || v->records == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the vault");
	SL_TRY(engine_new(&auto_options, &v->engine, ret_problem));
	SL_TRY(store_open(v, options, ret_problem));
	SL_TRY(meta_load(v, options, ret_problem));
	return index_load(v, ret_problem);
}

static void release(struct vault *v)
{
	store_close(v);
	engine_free(v->engine);
	secret_free(v->secrets, sizeof(*v->secrets));
	tail_done(&v->tail);
	pthread_mutex_destroy(&v->read_lock);
	pthread_mutex_destroy(&v->tail_lock);
	pthread_rwlock_destroy(&v->map_lock);
	free(v->records);
	free(v->dir);
	free(v);
}

enum sl_status vault_open(
	const struct vault_options *options,
	struct vault **ret_vault,
	struct problem *ret_problem
)
{
	struct vault *v = calloc(1, sizeof(*v));
	enum sl_status status;

	if (v == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the vault");
	v->lock_fd = -1;
	v->statm_fd = -1;
	pthread_mutex_init(&v->read_lock, NULL);
	pthread_mutex_init(&v->tail_lock, NULL);
	pthread_rwlock_init(&v->map_lock, NULL);
	status = open_all(v, options, ret_problem);
	if (status != SL_OK) {
		release(v);
		return status;
	}
	*ret_vault = v;
	return SL_OK;
}

void vault_close(struct vault *vault)
{
	struct problem lost;

	if (vault == NULL)
		return;
	// What is not indexed now is read again by the next open.
	(void)!vault_index(vault, &lost);
	release(vault);
}

const uint8_t *vault_hash_key(const struct vault *vault)
{
	return vault->secrets->hash_key;
}

const uint8_t *vault_mask_key(const struct vault *vault)
{
	return vault->secrets->mask_key;
}

bool vault_is_broken(struct vault *vault)
{
	return atomic_load_explicit(&vault->is_broken, memory_order_relaxed);
}

const char *vault_dir(const struct vault *vault)
{
	return vault->dir;
}

int vault_sync_dir(const struct vault *vault)
{
	return store_sync_dir(vault->dir);
}
