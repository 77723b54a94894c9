#include "control/quantity.h"
#include "tests/support/check.h"

#include <string.h>

static const struct amount {
	const char *text;
	bool is_good;
	uint64_t value;
} bytes[] =
	{
		{"0", true, 0},
		{"1", true, 1},
		{"4096", true, 4096},
		{"10 kB", true, 10000},
		{"10kB", true, 10000},
		{"256 MiB", true, 256 << 20},
		{"1 GiB", true, 1 << 30},
		{"16 TiB", true, UINT64_C(1) << 44},
		{"17592186044416", true, UINT64_C(1) << 44},
		{"17592186044417", false, 0},
		{"17 TiB", false, 0},
		{"18446744073709551616", false, 0},
		{"99999999999999999999 TiB", false, 0},
		{"18446744073709551615 TiB", false, 0},
		{"-1", false, 0},
		{"1.5 MiB", false, 0},
		{"MiB", false, 0},
		{"1 mib", false, 0},
		{"1  MiB", false, 0},
		{"\"1 \"", false, 0},
		{"\"\"", false, 0},
		{"[1]", false, 0},
		{"{a: 1}", false, 0},
		{"null", false, 0},
},
  times[] = {
	  {"0", true, 0},
	  {"500ms", true, 500},
	  {"30s", true, 30000},
	  {"10m", true, 600000},
	  {"10min", true, 600000},
	  {"24h", true, 86400000},
	  {"7d", true, 604800000},
	  {"24", false, 0},
	  {"1w", false, 0},
	  {"h", false, 0},
	  {"18446744073709551615d", false, 0},
};

typedef bool read_fn(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_value
);

static void try_all(const struct amount *all, size_t count, read_fn *read)
{
	const struct quantity_range range = {"the size", 0, UINT64_C(1) << 44};

	for (size_t i = 0; i < count; i++) {
		struct problems problems = {0};
		struct yaml *yaml;
		uint64_t value = 77;
		bool is_good;

		CHECK_FATAL(
			yaml_load_text(view_of_text(all[i].text), "f", &problems, &yaml) == SL_OK
		);
		is_good = read(yaml_root(yaml), range, &problems, &value);
		if (is_good != all[i].is_good)
			printf("%s\n", all[i].text);
		CHECK_EQUAL(is_good, all[i].is_good);
		CHECK_EQUAL(value, all[i].is_good ? all[i].value : 77);
		CHECK_EQUAL(problems.error_count, is_good ? 0 : 1);
		if (!is_good) {
			CHECK(strstr(problems.items[0].what, "the size") != NULL);
			CHECK(problems.items[0].remedy[0] != '\0' && problems.items[0].line == 1);
		}
		yaml_unload(yaml);
		problems_done(&problems);
	}
}

static void sizes_have_units(void)
{
	try_all(bytes, sizeof(bytes) / sizeof(bytes[0]), quantity_read_bytes);
}

static void times_must_have_units(void)
{
	try_all(times, sizeof(times) / sizeof(times[0]), quantity_read_ms);
}

static void a_range_is_told_in_units(void)
{
	const struct quantity_range range = {"window", 1000, UINT64_C(3660) * 86400000};
	struct problems problems = {0};
	struct yaml *yaml;
	uint64_t value;

	CHECK_FATAL(yaml_load_text(view_of_text("1ms"), "f", &problems, &yaml) == SL_OK);
	CHECK(!quantity_read_ms(yaml_root(yaml), range, &problems, &value));
	CHECK(strcmp(problems.items[0].what, "window is a time from 1s to 3660d") == 0);
	yaml_unload(yaml);
	problems_done(&problems);
}

static const struct network {
	const char *text;
	uint32_t prefix; // UINT32_MAX: it is none
	uint8_t address[16];
} networks[] = {
	{"10.0.0.0/8", 104, {[10] = 0xff, 0xff, 10}},
	{"10.1.2.3", 128, {[10] = 0xff, 0xff, 10, 1, 2, 3}},
	{"0.0.0.0/0", 96, {[10] = 0xff, 0xff}},
	{"fd00::/8", 8, {0xfd}},
	{"::/0", 0, {0}},
	{"2001:db8::7", 128, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}},
	{"10.0.0.0/33", UINT32_MAX, {0}},
	{"fd00::/129", UINT32_MAX, {0}},
	{"10.0.0/8", UINT32_MAX, {0}},
	{"10.0.0.0/", UINT32_MAX, {0}},
	{"10.0.0.0/8 ", UINT32_MAX, {0}},
	{"10.0.0.0/1 kB", UINT32_MAX, {0}},
	{"/8", UINT32_MAX, {0}},
	{"", UINT32_MAX, {0}},
	{"localhost", UINT32_MAX, {0}},
	{"2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/64", UINT32_MAX, {0}},
};

static void networks_are_read(void)
{
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		const struct network *n = &networks[i];
		uint8_t address[16];
		uint32_t prefix = UINT32_MAX;
		bool is_good = quantity_network(view_of_text(n->text), address, &prefix);

		CHECK_EQUAL(is_good, n->prefix != UINT32_MAX);
		CHECK_EQUAL(prefix, n->prefix);
		CHECK(!is_good || memcmp(address, n->address, 16) == 0);
	}
}

static const struct check_test tests[] = {
	{"sizes have units", sizes_have_units},
	{"times must have units", times_must_have_units},
	{"a range is told in units", a_range_is_told_in_units},
	{"networks are read", networks_are_read},
};

CHECK_MAIN("quantity")
