#include "control/api/plane.h"
#include "control/api/policy.h"
#include "control/plane_compile.h"
#include "tests/support/check.h"
#include "tests/unit/control/definitions_dir.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ID  "018f6f5e-0000-7000-8000-00000000000"
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct plane_compiled compile(const struct plane_keys *keys)
{
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct plane_compiled compiled = {0};
	struct definitions *d = NULL;
	char path[300];

	for (int i = 1; i <= 2; i++) {
		char name[10];
		char text[200];

		snprintf(name, sizeof(name), "%d.key", i);
		snprintf(text, sizeof(text), "client c%d\nid " ID "%d\nkey " KEY "\n", i, i);
		definitions_dir_write(&dir, name, text);
		snprintf(path, sizeof(path), "%s/%s", dir.path, name);
		CHECK_EQUAL(chmod(path, 0600), 0);
	}
	definitions_dir_write(
		&dir,
		"clients.yaml",
		"clients:\n  - {client: c2, key_file: 2.key, streams: [visits]}\n"
		"  - {client: c1, key_file: 1.key, streams: [visits]}\n"
	);
	if (definitions_load(dir.path, "/data", &problems, &d) != SL_OK
	    || plane_compile(d, keys, 7, &problems, &compiled) != SL_OK)
		problems_print(stdout, &problems);
	CHECK_FATAL(compiled.image != NULL);
	definitions_free(d);
	problems_done(&problems);
	definitions_dir_free(&dir);
	return compiled;
}

static struct plane_keys some_keys(void)
{
	return (struct plane_keys
	){.hash_key = {9}, .scope = {5, 6}, .dead_link = {7}, .dead_key = {8}, .dead_day = 20000};
}

static bool is_text(const struct plane_image *image, struct plane_span span, const char *text)
{
	return view_equal(plane_view_of(image, span), view_of_text(text));
}

static void definitions_become_an_image(void)
{
	const struct plane_keys keys = some_keys();
	struct plane_compiled compiled = compile(&keys);
	const struct plane_image *image = compiled.image;
	const struct plane_stream *s = plane_streams(image);
	const struct plane_client *c = plane_clients(image);
	const struct plane_sink *sinks = plane_rows(image, s[0].sinks);
	struct problem problem;

	CHECK_EQUAL(plane_image_check(image, compiled.size, &problem), SL_OK);
	CHECK_EQUAL(image->epoch, 7);
	CHECK_EQUAL(image->hash_key[0], 9);
	CHECK_EQUAL(image->streams.count, 2);
	CHECK(is_text(image, s[0].name, "orders") && is_text(image, s[1].name, "visits"));
	CHECK_EQUAL(s[0].scope, 5);
	CHECK_EQUAL(s[1].scope, 6);
	CHECK_EQUAL(s[1].table_fd, 1);
	CHECK_EQUAL(s[0].port, 7001);
	CHECK_EQUAL(s[1].mode, PLANE_SEALED);
	CHECK_EQUAL(s[0].window_ms, 3600000);
	CHECK_EQUAL(s[0].events_per_s, 5000);
	CHECK_EQUAL(s[0].nets.count, 2);
	CHECK_EQUAL(s[0].dead_link[0], 7);
	CHECK_EQUAL(s[1].dead_key[0], 8);
	CHECK_EQUAL(s[1].dead_day, 20000);
	CHECK_EQUAL(s[0].sinks.count, 4);
	CHECK_EQUAL(s[1].sinks.count, 2);
	CHECK(is_text(image, sinks[0].directory, "/data/out"));
	CHECK(is_text(image, sinks[0].prefix, "orders"));
	CHECK(is_text(image, sinks[0].spool, "/data/spool"));
	CHECK_EQUAL(sinks[0].flags, PLANE_SINK_ZSTD | PLANE_SINK_NO_SYNC);
	CHECK_EQUAL(sinks[1].kind, PLANE_SINK_NULL);
	CHECK_EQUAL(image->clients.count, 2);
	CHECK(is_text(image, c[0].name, "c1") && is_text(image, c[1].name, "c2"));
	CHECK_EQUAL(c[0].streams, 2);
	CHECK_EQUAL(c[0].key[31], 31);
	plane_compiled_free(&compiled);
}

static void the_same_definitions_give_the_same_image(void)
{
	const struct plane_keys keys = some_keys();
	struct plane_compiled a = compile(&keys);
	struct plane_compiled b = compile(&keys);
	struct problem problem;

	CHECK_EQUAL(a.size, b.size);
	CHECK(memcmp(a.image, b.image, a.size) == 0);
	plane_compiled_set_epoch(&b, 8);
	CHECK(a.image->checksum != b.image->checksum);
	CHECK_EQUAL(plane_image_check(b.image, b.size, &problem), SL_OK);
	// Keys are not what a stream's identity hangs on.
	CHECK(memcmp(plane_streams(a.image)[0].id, plane_streams(b.image)[0].id, 16) == 0);
	plane_compiled_free(&a);
	plane_compiled_free(&b);
}

static struct plane_stream *stream_at(struct plane_image *image, uint32_t row)
{
	return (struct plane_stream *)plane_streams(image) + row;
}

static struct plane_client *client_at(struct plane_image *image, uint32_t row)
{
	return (struct plane_client *)plane_clients(image) + row;
}

static struct plane_sink *sink_at(struct plane_image *image, uint32_t row)
{
	return (struct plane_sink *)plane_rows(image, stream_at(image, 0)->sinks) + row;
}

static struct plane_net *net_at(struct plane_image *image, uint32_t row)
{
	return (struct plane_net *)plane_rows(image, stream_at(image, 0)->nets) + row;
}

static char *text_at(struct plane_image *image, struct plane_span span)
{
	return (char *)image + span.offset;
}

/** Tell lie number n. @return its name; NULL: there are no more */
static const char *tell_lie(struct plane_image *image, int n)
{
	int i = 0;

#define LIE(what, change)                                                                          \
	if (i++ == n) {                                                                            \
		(void)(change);                                                                    \
		return what;                                                                       \
	}
#include "tests/unit/control/plane_lies.def"
#undef LIE
	return NULL;
}

static void lies_are_found(void)
{
	const struct plane_keys keys = some_keys();
	struct plane_compiled compiled = compile(&keys);
	struct plane_image *image = aligned_alloc(64, (compiled.size + 63) / 64 * 64);
	const char *what = "";

	CHECK_FATAL(image != NULL);
	for (int n = 0; what != NULL; n++) {
		struct problem problem = {0};

		memcpy(image, compiled.image, compiled.size);
		what = tell_lie(image, n);
		image->checksum = plane_image_checksum(image, compiled.size);
		if (what == NULL) {
			CHECK(n > 40);
			CHECK_EQUAL(plane_image_check(image, compiled.size, &problem), SL_OK);
			continue;
		}
		if (plane_image_check(image, compiled.size, &problem) != SL_E_CORRUPT) {
			printf("not found: %s\n", what);
			CHECK(false);
		}
		CHECK(problem.what[0] != '\0');
	}
	free(image);
	plane_compiled_free(&compiled);
}

static void damage_is_found(void)
{
	const struct plane_keys keys = some_keys();
	struct plane_compiled compiled = compile(&keys);
	uint8_t *bytes = (uint8_t *)compiled.image;
	struct problem problem;

	for (size_t i = 0; i < compiled.size; i += i < 200 ? 1 : 37) {
		bytes[i] ^= 0x10;
		CHECK_EQUAL(plane_image_check(bytes, compiled.size, &problem), SL_E_CORRUPT);
		bytes[i] ^= 0x10;
	}
	for (size_t size = 0; size < compiled.size; size += size < 200 ? 1 : 97)
		CHECK_EQUAL(plane_image_check(bytes, size, &problem), SL_E_CORRUPT);
	CHECK_EQUAL(plane_image_check(bytes + 8, compiled.size - 8, &problem), SL_E_CORRUPT);
	CHECK_EQUAL(plane_image_check(bytes, compiled.size, &problem), SL_OK);
	plane_compiled_free(&compiled);
}

/** A view that masks what is no field: the compiler's own problems come with the stream's place. */
static void what_can_not_be_compiled(void)
{
	static const char stream[] =
		"stream: orders\n"
		"contract: acme/order/1.0.0\n"
		"listen: {port: 7001, mode: plain}\n"
		"sealed: {null: true}\n"
		"dead_letters: {null: true}\n"
		"derived:\n"
		"  - {name: all, purposes: [analytics], mask: {nobody: hmac}, null: true}\n";
	const struct plane_keys keys = some_keys();
	struct definitions_dir dir = definitions_dir_new();
	struct problems problems = {0};
	struct plane_compiled compiled = {0};
	struct definitions *d = NULL;

	definitions_dir_write(&dir, "streams/1-orders.yaml", stream);
	CHECK_FATAL(definitions_load(dir.path, "/data", &problems, &d) == SL_OK);
	CHECK(plane_compile(d, &keys, 1, &problems, &compiled) != SL_OK);
	CHECK(compiled.image == NULL);
	CHECK_FATAL(problems.error_count != 0);
	CHECK(strstr(first_error(&problems)->file, "1-orders.yaml") != NULL);
	CHECK_EQUAL(first_error(&problems)->line, 7);
	CHECK(strstr(first_error(&problems)->what, "nobody") != NULL);
	definitions_free(d);
	problems_done(&problems);
	definitions_dir_free(&dir);
}

static const struct check_test tests[] = {
	{"definitions become an image", definitions_become_an_image},
	{"the same definitions give the same image", the_same_definitions_give_the_same_image},
	{"lies are found", lies_are_found},
	{"damage is found", damage_is_found},
	{"what can not be compiled", what_can_not_be_compiled},
};

CHECK_MAIN("plane")
