#include "io/base/clock.h"
#include "io/chunks.h"
#include "io/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Rates of reading, cutting and writing files, beside a plain copy loop in the same run:
//
//      io_bench [MB] [directory]      default 512 MB in /dev/shm; the best of ROUNDS is printed

enum {
	ROUNDS = 5,
	PLAIN_BUFFER = 256 << 10 // as cp has it
};

static char json_path[512];
static char csv_path[512];
static char out_path[512];
static uint64_t size_wanted; // bytes
static uint64_t sum;         // keeps the work from being optimised away

static void stop(const char *what)
{
	fprintf(stderr, "io_bench: %s\n", what);
	exit(EXIT_FAILURE);
}

static void stop_at(const struct problem *p)
{
	problem_print(stderr, p);
	exit(EXIT_FAILURE);
}

/** Events of 250 to 750 bytes, or rows of 12 cells, every fourth of them quoted. */
static void make_file(const char *path, bool is_csv)
{
	FILE *f = fopen(path, "we");
	uint64_t random = 1;
	uint64_t size = 0;

	if (f == NULL)
		stop("can not make its files");
	while (size < size_wanted) {
		char line[1024];
		int n = 0;

		for (int i = 0; i < 12; i++) {
			int letters;

			random = random * 6364136223846793005u + 1442695040888963407u;
			letters = 8 + (int)(random >> 59);
			n += snprintf(
				line + n,
				sizeof(line) - (size_t)n,
				is_csv ? i % 4 == 0 ? "%s\"%0*llx\"" : "%s%0*llx"
				       : "%s\"field\":\"%0*llx\"",
				i == 0 ? (is_csv ? "" : "{") : ",",
				letters,
				(unsigned long long)(random >> 40)
			);
		}
		n += snprintf(line + n, sizeof(line) - (size_t)n, is_csv ? "\r\n" : "}\n");
		fwrite(line, 1, (size_t)n, f);
		size += (uint64_t)n;
	}
	if (fclose(f) != 0)
		stop("can not write its files");
}

static void copy_plain(bool is_written)
{
	static uint8_t buffer[PLAIN_BUFFER];
	int from = open(json_path, O_RDONLY | O_CLOEXEC);
	int to = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	if (from < 0 || to < 0)
		stop("can not open its files");
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		sum += buffer[n - 1];
		if (is_written && write(to, buffer, (size_t)n) != n)
			stop("can not write its files");
	}
	close(from);
	close(to);
	unlink(out_path);
}

static void read_plain(void)
{
	copy_plain(false);
}

static void copy_file(void)
{
	copy_plain(true);
}

static void write_plain(void)
{
	static uint8_t buffer[PLAIN_BUFFER];
	int to = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memset(buffer, 'x', sizeof(buffer));
	for (uint64_t size = 0; size < size_wanted; size += sizeof(buffer))
		if (write(to, buffer, sizeof(buffer)) != sizeof(buffer))
			stop("can not write its files");
	close(to);
	unlink(out_path);
}

static struct input *open_input(const char *path)
{
	struct problem p;
	struct input *in;

	if (input_open(path, NULL, &in, &p) != SL_OK)
		stop_at(&p);
	return in;
}

static void read_blocks(void)
{
	struct input *in = open_input(json_path);
	struct input_block b;
	struct problem p;

	do {
		if (input_next(in, &b, &p) != SL_OK)
			stop_at(&p);
		sum += b.bytes.size;
		input_release(b.block);
	} while (b.bytes.size != 0);
	input_free(in);
}

/** Cut a file into chunks; with rows too; with every row copied to an output. */
static void cut(const char *path, bool has_rows, struct output *out)
{
	struct chunks_options o = {.format = path == csv_path ? CHUNK_CSV : CHUNK_NDJSON};
	struct input *in = open_input(path);
	struct chunks *chunks;
	struct chunk c;
	struct problem p;

	if (chunks_open(in, &o, &chunks) != SL_OK)
		stop("refuses chunk options");
	for (;;) {
		struct chunk_cursor cursor = {0};
		struct view row;

		if (chunks_next(chunks, &c, &p) != SL_OK)
			stop_at(&p);
		if (c.is_end)
			break;
		sum += c.row_count;
		while (has_rows && chunk_next_row(&c, &cursor, &row)) {
			sum += row.size;
			if (out == NULL)
				continue;
			if (output_put(out, row, &p) != SL_OK
			    || output_put(out, view_of_text("\n"), &p) != SL_OK)
				stop_at(&p);
		}
		chunk_release(&c);
	}
	chunks_free(chunks);
	input_free(in);
}

static void cut_json(void)
{
	cut(json_path, false, NULL);
}

static void cut_json_rows(void)
{
	cut(json_path, true, NULL);
}

static void cut_csv(void)
{
	cut(csv_path, false, NULL);
}

static void cut_csv_rows(void)
{
	cut(csv_path, true, NULL);
}

static struct output *open_output(void)
{
	struct problem p;
	struct output *out;

	if (output_open(out_path, NULL, &out, &p) != SL_OK)
		stop_at(&p);
	return out;
}

static void close_output(struct output *out)
{
	struct problem p;

	if (output_finish(out, &p) != SL_OK || output_publish(out, &p) != SL_OK)
		stop_at(&p);
	output_free(out);
	unlink(out_path);
}

static void put_all(const uint8_t *piece, size_t piece_size)
{
	struct output *out = open_output();
	struct problem p;

	for (uint64_t size = 0; size < size_wanted; size += piece_size)
		if (output_put(out, view_of(piece, piece_size), &p) != SL_OK)
			stop_at(&p);
	close_output(out);
}

static uint8_t pieces[PLAIN_BUFFER];

static void put_small_pieces(void)
{
	put_all(pieces, 4 << 10);
}

/** Long enough for writes of their own, where no copy is needed. */
static void put_large_pieces(void)
{
	put_all(pieces, sizeof(pieces));
}

static void copy_rows(void)
{
	struct output *out = open_output();

	cut(json_path, true, out);
	close_output(out);
}

static void measure(const char *what, void (*run)(void))
{
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start_ns = clock_monotonic_ns();
		uint64_t ns;

		run();
		ns = clock_monotonic_ns() - start_ns;
		best_ns = ns < best_ns ? ns : best_ns;
	}
	printf("  %-44s %6.2f GB/s\n", what, (double)size_wanted / (double)best_ns);
	fflush(stdout);
}

static void measure_backend(const char *name)
{
	struct input *in;

	setenv("SEALANE_IO", name, 1);
	in = open_input(json_path);
	printf("%s\n", input_backend(in));
	input_free(in);
	measure("read blocks", read_blocks);
	measure("cut NDJSON into chunks", cut_json);
	measure("cut NDJSON into chunks and rows", cut_json_rows);
	measure("cut CSV into chunks", cut_csv);
	measure("cut CSV into chunks and rows", cut_csv_rows);
	measure("put 4 KiB pieces, finish, publish", put_small_pieces);
	measure("put 256 KiB pieces, finish, publish", put_large_pieces);
	measure("cut NDJSON, put each row, publish", copy_rows);
}

int main(int argc, char **argv)
{
	const char *directory = argc > 2 ? argv[2] : "/dev/shm";

	size_wanted = (argc > 1 ? strtoull(argv[1], NULL, 10) : 512) << 20;
	if (size_wanted == 0)
		stop("usage: io_bench [MB] [directory]");
	snprintf(json_path, sizeof(json_path), "%s/io_bench.%d.ndjson", directory, getpid());
	snprintf(csv_path, sizeof(csv_path), "%s/io_bench.%d.csv", directory, getpid());
	snprintf(out_path, sizeof(out_path), "%s/io_bench.%d.out", directory, getpid());
	make_file(json_path, false);
	make_file(csv_path, true);
	printf("%llu MB in %s, one thread, best of %d\n",
	       (unsigned long long)(size_wanted >> 20),
	       directory,
	       ROUNDS);
	printf("plain loops of 256 KiB, nothing synced\n");
	measure("read", read_plain);
	measure("write", write_plain);
	measure("copy", copy_file);
	measure_backend("uring");
	measure_backend("posix");
	measure_backend("plain");
	unlink(json_path);
	unlink(csv_path);
	return sum == 0;
}
