#include "control/contract.h"
#include "control/contract_keep.h"
#include "control/log.h"
#include "control/server_inner.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "plane";

enum {
	MS_PER_DAY = 86400000,
	IMAGE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
};

int64_t server_today(void)
{
	return clock_wall_ms() / MS_PER_DAY;
}

static enum sl_status fill_dead_key(
	struct server *s,
	struct plane_keys *keys,
	struct problem *ret_problem
)
{
	struct key_feed_dead_letter dead;

	keys->dead_day = server_today();
	SL_TRY(key_feed_dead_letter_key(s->feed, keys->dead_day, &dead, ret_problem));
	memcpy(keys->dead_link, dead.link, sizeof(keys->dead_link));
	memcpy(keys->dead_key, dead.key, sizeof(keys->dead_key));
	bytes_wipe(&dead, sizeof(dead));
	return SL_OK;
}

/** What the vault gives to a plane: scopes, secrets, the day's key; the vault keeps the contracts. */
static enum sl_status fill_keys(
	struct server *s,
	const struct definitions *d,
	struct plane_keys *keys,
	struct problem *ret_problem
)
{
	bool is_new;

	keys->mask_key = vault_mask_key(s->vault);
	memcpy(keys->hash_key, vault_hash_key(s->vault), sizeof(keys->hash_key));
	for (uint32_t row = 0; row < d->stream_count; row++) {
		const struct contract_file *file = &d->contracts[d->of_stream[row]];
		struct key_feed_scope scope = {0};

		SL_TRY(contract_keep(s->vault, file->contract, d->purposes, ret_problem));
		SL_TRY(vault_scope(
			s->vault,
			view_of_text(d->streams[row].name),
			contract_name_of(file->contract->ref),
			&keys->scope[row],
			&is_new,
			ret_problem
		));
		scope.scope = keys->scope[row];
		if (key_feed_allow(s->feed, &scope) != SL_OK)
			return problem_set(
				ret_problem, SL_E_NOMEM, "no memory for the keys of a stream"
			);
	}
	return fill_dead_key(s, keys, ret_problem);
}

/** First with zeros, so that the vault learns nothing of definitions that are wrong. Outcomes as of plane_make */
static enum sl_status compile(
	struct server *s,
	const struct definitions *d,
	struct problems *problems,
	struct plane_compiled *ret_compiled
)
{
	struct plane_keys *keys = secret_new(sizeof(*keys));
	struct problem problem;
	enum sl_status status;

	if (keys == NULL)
		return SL_E_NOMEM;
	status = plane_compile(d, keys, 1, problems, ret_compiled);
	if (status != SL_OK) {
		status = status == SL_E_NOMEM ? status : SL_E_INVALID;
	} else {
		plane_compiled_free(ret_compiled);
		status = fill_keys(s, d, keys, &problem);
		if (status != SL_OK) {
			problems_add(problems, &problem);
			// Whatever the vault's disk says of itself: what stands in the files is right.
			status = SL_E_IO;
		}
	}
	if (status == SL_OK)
		status = plane_compile(d, keys, 1, problems, ret_compiled);
	secret_free(keys, sizeof(*keys));
	return status;
}

enum sl_status plane_make(
	struct server *s,
	const char *directory,
	struct problems *problems,
	struct plane **ret_plane
)
{
	struct plane *plane = calloc(1, sizeof(*plane));
	struct definitions *d = NULL;
	enum sl_status status = SL_E_NOMEM;

	if (plane != NULL && (plane->directory = strdup(directory)) != NULL)
		status = definitions_load(directory, s->config->data_directory, problems, &d);
	if (status == SL_OK)
		status = compile(s, d, problems, &plane->compiled);
	for (uint32_t row = 0; status == SL_OK && row < d->stream_count; row++)
		plane->stream_file[row] = strdup(yaml_file(d->streams[row].document));
	definitions_free(d);
	if (status != SL_OK) {
		plane_free(plane);
		return status;
	}
	*ret_plane = plane;
	return SL_OK;
}

/** A copy of an image, with the directory that it is of. */
static struct plane *copy_plane(const struct plane_image *image, size_t size, const char *directory)
{
	struct plane *plane = calloc(1, sizeof(*plane));

	if (plane == NULL)
		return NULL;
	plane->compiled.image = secret_new(size);
	plane->directory = directory != NULL ? strdup(directory) : NULL;
	if (plane->compiled.image == NULL || (directory != NULL && plane->directory == NULL)) {
		free(plane->directory);
		free(plane);
		return NULL;
	}
	memcpy(plane->compiled.image, image, size);
	plane->compiled.size = size;
	plane->compiled.capacity = size;
	return plane;
}

enum sl_status plane_renew(
	struct server *s,
	const struct plane *before,
	struct plane **ret_plane,
	struct problem *ret_problem
)
{
	struct plane_keys *keys = secret_new(sizeof(*keys));
	struct plane *plane =
		copy_plane(before->compiled.image, before->compiled.size, before->directory);
	enum sl_status status = SL_E_NOMEM;

	if (keys != NULL && plane != NULL)
		status = fill_dead_key(s, keys, ret_problem);
	else
		(void)!problem_set(ret_problem, status, "no memory for the new day's image");
	if (status == SL_OK) {
		struct plane_stream *streams =
			(struct plane_stream *)plane_streams(plane->compiled.image);

		for (uint32_t row = 0; row < plane->compiled.image->streams.count; row++) {
			memcpy(streams[row].dead_link, keys->dead_link, KEY_LINK_SIZE);
			memcpy(streams[row].dead_key, keys->dead_key, KEY_SIZE);
			streams[row].dead_day = keys->dead_day;
		}
		*ret_plane = plane;
	} else {
		plane_free(plane);
	}
	secret_free(keys, sizeof(*keys));
	return status;
}

void plane_free(struct plane *plane)
{
	if (plane == NULL)
		return;
	plane_compiled_free(&plane->compiled);
	for (uint32_t row = 0; row < PLANE_STREAMS_MAX; row++)
		free(plane->stream_file[row]);
	free(plane->directory);
	free(plane);
}

static const struct policy_image *policy_of(const struct plane *plane, uint32_t row)
{
	const struct plane_image *image = plane->compiled.image;

	return (const void *)((const uint8_t *)image + plane_streams(image)[row].policy.offset);
}

/** What a stream needs its table to be. */
static struct key_table_use wanted_table(const struct plane *plane, uint32_t row)
{
	const struct plane_stream *stream = &plane_streams(plane->compiled.image)[row];
	const struct policy_image *policy = policy_of(plane, row);
	struct key_table_use use = {
		.entry_count_max = stream->table_keys,
		.scope = stream->scope,
		.purpose_count = policy->purposes.count,
	};

	memcpy(use.purposes, policy_rows(policy, policy->purposes), policy->purposes.count);
	return use;
}

static bool fits(const struct key_table *table, const struct key_table_use *wanted)
{
	const struct key_table_use use = key_table_use(table);

	return use.scope == wanted->scope && use.purpose_count == wanted->purpose_count
		&& use.entry_count_max >= wanted->entry_count_max
		&& memcmp(use.purposes, wanted->purposes, wanted->purpose_count) == 0;
}

/** The newest that fits: one that a living dataplane brought knows more than one of before. */
static struct key_table *find_table(const struct server *s, const struct key_table_use *wanted)
{
	for (uint32_t i = s->table_count; i > 0; i--)
		if (fits(s->tables[i - 1], wanted))
			return s->tables[i - 1];
	return NULL;
}

/** A signal that ends control waits to be read. */
static bool server_has_to_end(void)
{
	sigset_t waiting;

	return sigpending(&waiting) == 0
		&& (sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1);
}

static enum sl_status warm(
	struct server *s,
	struct key_warm warms[],
	uint32_t count,
	struct problem *ret_problem
)
{
	if (count == 0)
		return SL_OK;
	SL_TRY(key_feed_warm(
		s->vault, warms, count, clock_wall_ms(), server_has_to_end, ret_problem
	));
	for (uint32_t i = 0; i < count; i++) {
		const size_t room = key_table_use(warms[i].table).entry_count_max;

		if (warms[i].key_count > room)
			log_line(
				LOG_LEVEL_WARN,
				topic,
				"scope %llu has %llu living keys, its table holds %zu: write a "
				"larger "
				"keys: {table: N}",
				(unsigned long long)warms[i].scope,
				(unsigned long long)warms[i].key_count,
				room
			);
	}
	return SL_OK;
}

/** Find a table for every stream, or make one that is still empty. */
static enum sl_status find_tables(
	struct server *s,
	struct plane *plane,
	struct key_warm ret_warms[static PLANE_STREAMS_MAX],
	uint32_t *ret_count,
	struct problem *ret_problem
)
{
	const struct plane_stream *streams = plane_streams(plane->compiled.image);

	for (uint32_t row = 0; row < plane->compiled.image->streams.count; row++) {
		const struct key_table_use use = wanted_table(plane, row);
		enum sl_status status;

		plane->tables[row] = find_table(s, &use);
		if (plane->tables[row] != NULL)
			continue;
		status = s->table_count < SERVER_TABLES_MAX
			? key_table_create_shared(&use, &plane->tables[row])
			: SL_E_TOO_BIG;
		if (status != SL_OK)
			return problem_set(
				ret_problem,
				status,
				"no memory for a table of %zu keys",
				use.entry_count_max
			);
		s->tables[s->table_count++] = plane->tables[row];
		ret_warms[(*ret_count)++] = (struct key_warm
		){.table = plane->tables[row],
		  .scope = use.scope,
		  .window_ms = streams[row].window_ms};
	}
	return SL_OK;
}

enum sl_status plane_tables(struct server *s, struct plane *plane, struct problem *ret_problem)
{
	const uint32_t known = s->table_count;
	struct key_warm warms[PLANE_STREAMS_MAX];
	uint32_t count = 0;
	enum sl_status status = find_tables(s, plane, warms, &count, ret_problem);

	if (status == SL_OK)
		status = warm(s, warms, count, ret_problem);
	if (status == SL_OK)
		return SL_OK;
	// A table that lacks keys must not be found by the next attempt.
	while (s->table_count > known) {
		struct key_table *table = s->tables[--s->table_count];

		for (uint32_t row = 0; row < plane->compiled.image->streams.count; row++)
			if (plane->tables[row] == table)
				plane->tables[row] = NULL;
		key_table_free(table);
	}
	return status;
}

static bool has_table(const struct plane *plane, const struct key_table *table)
{
	for (uint32_t row = 0; plane != NULL && row < PLANE_STREAMS_MAX; row++)
		if (plane->tables[row] == table)
			return true;
	return false;
}

void tables_sweep(struct server *s)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->table_count; i++) {
		if (has_table(s->plane, s->tables[i]) || has_table(s->pending, s->tables[i]))
			s->tables[kept++] = s->tables[i];
		else
			key_table_free(s->tables[i]);
	}
	s->table_count = kept;
}

int plane_publish(struct server *s, struct plane *plane)
{
	const uint8_t *bytes = (const uint8_t *)plane->compiled.image;
	size_t done = 0;
	int fd = memfd_create("sealane-plane", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	plane_compiled_set_epoch(&plane->compiled, s->epoch + 1);
	while (done < plane->compiled.size) {
		ssize_t n = write(fd, bytes + done, plane->compiled.size - done);

		if (n <= 0 && errno != EINTR)
			break;
		if (n > 0)
			done += (size_t)n;
	}
	if (done < plane->compiled.size || fcntl(fd, F_ADD_SEALS, IMAGE_SEALS) != 0) {
		close(fd);
		return -1;
	}
	plane->epoch = ++s->epoch;
	return fd;
}

/** Keys of every scope that the vault knows: the journal may hold some of streams that are no more. */
static void allow_all(struct server *s)
{
	char text[VAULT_TEXT_MAX + 1];
	struct key_feed_scope scope = {.scope = 1};

	for (; vault_scope_text(s->vault, scope.scope, text) != 0; scope.scope++)
		(void)!key_feed_allow(s->feed, &scope);
}

/** A checked copy of an image in somebody's memfd. NULL with a problem. */
static struct plane *copy_image(int fd, struct problem *ret_problem)
{
	struct stat about;
	struct plane *plane = NULL;
	void *map;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & IMAGE_SEALS) != IMAGE_SEALS || fstat(fd, &about) != 0
	    || about.st_size <= 0 || about.st_size > PLANE_IMAGE_MAX) {
		(void)!problem_set(ret_problem, SL_E_CORRUPT, "the image may still be changed");
		return NULL;
	}
	map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		(void)!problem_set(ret_problem, SL_E_NOMEM, "the image can not be mapped");
		return NULL;
	}
	if (plane_image_check(map, (size_t)about.st_size, ret_problem) == SL_OK) {
		plane = copy_plane(map, (size_t)about.st_size, NULL);
		if (plane == NULL)
			(void)!problem_set(ret_problem, SL_E_NOMEM, "no memory for the image");
	}
	munmap(map, (size_t)about.st_size);
	return plane;
}

/** Attach the tables of an image, each as the image wants it. */
static enum sl_status adopt_tables(
	struct server *s,
	struct plane *plane,
	const int fds[],
	struct problem *ret_problem
)
{
	const struct plane_stream *streams = plane_streams(plane->compiled.image);

	for (uint32_t row = 0; row < plane->compiled.image->streams.count; row++) {
		const struct key_table_use wanted = wanted_table(plane, row);
		struct key_table *table;

		if (s->table_count == SERVER_TABLES_MAX)
			return problem_set(ret_problem, SL_E_TOO_BIG, "too many key tables");
		SL_TRY(key_table_attach(fds[streams[row].table_fd], &table, ret_problem));
		if (!fits(table, &wanted)) {
			key_table_free(table);
			return problem_set(
				ret_problem, SL_E_CORRUPT, "a key table is of another stream"
			);
		}
		plane->tables[row] = table;
		s->tables[s->table_count++] = table;
	}
	return SL_OK;
}

enum sl_status plane_adopt(
	struct server *s,
	const int fds[],
	uint32_t fd_count,
	struct problem *ret_problem
)
{
	struct plane *plane = copy_image(fds[0], ret_problem);
	enum sl_status status;

	if (plane == NULL)
		return ret_problem->status;
	if (fd_count != 1 + plane->compiled.image->streams.count)
		status = problem_set(ret_problem, SL_E_CORRUPT, "a key table is missing");
	else
		status = adopt_tables(s, plane, fds + 1, ret_problem);
	if (status != SL_OK) {
		plane_free(plane);
		return status;
	}
	allow_all(s);
	plane->epoch = plane->compiled.image->epoch;
	if (s->plane != NULL) {
		// Ours follows at once; its tables are looked for anew, and these are found.
		memset(s->plane->tables, 0, sizeof(s->plane->tables));
		plane_free(plane);
		return SL_OK;
	}
	s->plane = plane;
	return SL_OK;
}
