#pragma once

#include "control/definitions.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A directory of definitions for tests: good as it is made, and changed file by file.

struct definitions_dir {
	char path[64];
};

static const char dir_contract[] = "contract: acme/order/1.0.0\n"
				   "state: active\n"
				   "key: user\n"
				   "subject: user\n"
				   "consent: {otherwise: [analytics]}\n"
				   "fields:\n"
				   "  user: {type: string, required: true, personal: analytics}\n"
				   "  town: {type: string, personal: research}\n"
				   "  size: integer\n";
static const char dir_purposes[] = "purposes: {1: analytics, 2: research}\n";
static const char dir_orders[] =
	"stream: orders\n"
	"contract: acme/order/1.0.0\n"
	"listen: {port: 7001, mode: plain, from: [10.0.0.0/8, \"fd00::/8\"], rate: 5000}\n"
	"keys: {window: 1h, table: 2048}\n"
	"sealed: {files: out, roll: {size: 1 MiB, every: 10s}, compress: zstd, sync: never,\n"
	"         spool: {directory: spool, size: 2 MiB}}\n"
	"dead_letters: {null: true}\n"
	"derived:\n"
	"  - {name: all, purposes: [analytics, research], consent: cumulative, files: out}\n"
	"  - {name: some, purposes: [1], mask: {user: hmac, town: {form: murmur3, seed: s}}, null: "
	"true}\n";
static const char dir_visits[] = "stream: visits\n"
				 "contract: acme/order/1.0.0\n"
				 "listen: {port: 7002, mode: sealed}\n"
				 "keys: {window: forever}\n"
				 "sealed: {files: /abs/visits, prefix: v}\n"
				 "dead_letters: {files: dead}\n";

static inline void definitions_dir_write(
	const struct definitions_dir *d,
	const char *name,
	const char *text
)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", d->path, name);
	file = fopen(path, "w");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
}

static inline struct definitions_dir definitions_dir_new(void)
{
	struct definitions_dir d = {.path = "/tmp/sealane-definitions-XXXXXX"};
	char path[300];

	if (mkdtemp(d.path) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/contracts", d.path);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/streams", d.path);
	mkdir(path, 0700);
	definitions_dir_write(&d, "purposes.yaml", dir_purposes);
	definitions_dir_write(&d, "contracts/order.yaml", dir_contract);
	definitions_dir_write(&d, "streams/1-orders.yaml", dir_orders);
	definitions_dir_write(&d, "streams/2-visits.yml", dir_visits);
	return d;
}

static inline int definitions_dir_remove_one(
	const char *path,
	const struct stat *about,
	int kind,
	struct FTW *where
)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline void definitions_dir_free(struct definitions_dir *d)
{
	if (nftw(d->path, definitions_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0)
		abort();
}

/** The first problem that is no warning. */
static inline const struct problem *first_error(const struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++)
		if (!problems->items[i].is_warning)
			return &problems->items[i];
	abort();
}
