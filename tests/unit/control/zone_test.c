#include "control/zone.h"
#include "control/zone_rule.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static const struct zone_case {
	const char *name;
	int64_t at_s;
	int32_t offset_s;
} zone_cases[] = {

#define ZONE(name, at_s, offset_s) {name, at_s, offset_s},
#include "tests/vectors/zones.def"
#undef ZONE
};

static bool is_ascending(const struct zone *zone)
{
	for (uint32_t n = 1; n < zone->count; n++)
		if (zone->steps[n].at_s <= zone->steps[n - 1].at_s)
			return false;
	return zone->count == 0 || zone->steps[0].at_s == INT64_MIN;
}

static int32_t offset_at(const struct zone *zone, int64_t at_s)
{
	int32_t offset_s = 0;

	for (uint32_t i = 0; i < zone->count && zone->steps[i].at_s <= at_s; i++)
		offset_s = zone->steps[i].offset_s;
	return offset_s;
}

static void offsets_are_those_of_python(void)
{
	struct zone zone = {0};
	const char *loaded = "";

	for (size_t i = 0; i < sizeof(zone_cases) / sizeof(zone_cases[0]); i++) {
		const struct zone_case *c = &zone_cases[i];
		struct problem fault;

		if (strcmp(loaded, c->name) != 0) {
			zone_done(&zone);
			CHECK_FATAL(zone_load(view_of_text(c->name), &zone, &fault) == SL_OK);
			loaded = c->name;
			CHECK(is_ascending(&zone));
		}
		CHECK_EQUAL(offset_at(&zone, c->at_s), c->offset_s);
		if (offset_at(&zone, c->at_s) != c->offset_s)
			printf("%s at %lld: %d\n",
			       c->name,
			       (long long)c->at_s,
			       offset_at(&zone, c->at_s));
	}
	zone_done(&zone);
}

static const struct {
	const char *name;
	bool is_good;
	int32_t offset_s;
} fixed_cases[] = {
	{"UTC", true, 0},
	{"Z", true, 0},
	{"GMT", true, 0},
	{"+02:00", true, 7200},
	{"-0530", true, -19800},
	{"+9", true, 32400},
	{"+09", true, 32400},
	{"UTC+2", true, 7200},
	{"GMT-03:30", true, -12600},
	{"+18:00", true, 64800},
	{"+19:00", false, 0},
	{"+02:60", false, 0},
	{"+", false, 0},
	{"+2:00", false, 0},
	{"+02:0", false, 0},
	{"", false, 0},
	{"/etc/passwd", false, 0},
	{"../../../etc/passwd", false, 0},
	{"Europe", false, 0},
	{"Europe/", false, 0},
	{"Europe//Paris", false, 0},
	{"Europe/Atlantis", false, 0},
	{"tzdata.zi", false, 0},
	{"zone.tab", false, 0},
	{"right/Europe/Paris", false, 0},
};

static void names_and_offsets_are_known_or_refused(void)
{
	for (size_t i = 0; i < sizeof(fixed_cases) / sizeof(fixed_cases[0]); i++) {
		struct zone zone = {0};
		struct problem fault = {0};
		enum sl_status status = zone_load(view_of_text(fixed_cases[i].name), &zone, &fault);

		CHECK_EQUAL(status == SL_OK, fixed_cases[i].is_good);
		if ((status == SL_OK) != fixed_cases[i].is_good)
			printf("%s\n", fixed_cases[i].name);
		CHECK_EQUAL(offset_at(&zone, 0), fixed_cases[i].offset_s);
		CHECK_EQUAL(status == SL_OK, fault.remedy[0] == '\0');
		zone_done(&zone);
	}
}

static size_t read_file(const char *path, uint8_t *bytes, size_t capacity)
{
	FILE *f = fopen(path, "rb");
	size_t size = f == NULL ? 0 : fread(bytes, 1, capacity, f);

	if (f != NULL)
		fclose(f);
	return size;
}

static void damaged_files_are_refused_or_read(void)
{
	uint8_t whole[16 << 10];
	size_t size = read_file("/usr/share/zoneinfo/Europe/Dublin", whole, sizeof(whole));

	CHECK_FATAL(size > 1000);
	// Cut anywhere: never good, as the footer is missing.
	for (size_t cut = 0; cut < size; cut += 3) {
		struct guarded g = guarded_new(cut);
		struct zone zone = {0};

		if (cut != 0)
			memcpy(g.bytes, whole, cut);
		CHECK_EQUAL(zone_read(view_of(g.bytes, cut), &zone), SL_E_CORRUPT);
		guarded_free(&g);
	}
	// Any byte changed: refused, or steps that ascend.
	for (size_t i = 0; i < size; i += 3) {
		struct guarded g = guarded_new(size);
		struct zone zone = {0};

		memcpy(g.bytes, whole, size);
		g.bytes[i] ^= 0xff;
		if (zone_read(view_of(g.bytes, size), &zone) == SL_OK)
			CHECK(is_ascending(&zone));
		zone_done(&zone);
		guarded_free(&g);
	}
}

/** Every zone of the machine, two folders deep. */
static uint32_t read_folder(const char *prefix, uint32_t depth)
{
	char path[300];
	uint32_t count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", prefix);
	folder = opendir(path);
	if (folder == NULL)
		return 0;
	for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
		struct zone zone = {0};
		struct problem fault;
		char name[300];

		if (e->d_name[0] < 'A' || e->d_name[0] > 'Z')
			continue;
		snprintf(
			name,
			sizeof(name),
			"%s%.200s%s",
			prefix,
			e->d_name,
			e->d_type == DT_DIR ? "/" : ""
		);
		if (e->d_type == DT_DIR) {
			count += depth == 0 ? 0 : read_folder(name, depth - 1);
			continue;
		}
		CHECK_EQUAL(zone_load(view_of_text(name), &zone, &fault), SL_OK);
		zone_done(&zone);
		count++;
	}
	closedir(folder);
	return count;
}

static void every_zone_of_the_machine_is_read(void)
{
	CHECK(read_folder("", 2) > 400);
}

static const struct {
	const char *text;
	bool is_good;
} rules[] = {
	{"UTC0", true},
	{"CET-1CEST,M3.5.0,M10.5.0/3", true},
	{"<+0330>-3:30", true},
	{"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", true},
	{"IST-1GMT0,M10.5.0,M3.5.0/1", true},
	{"EST5EDT,J60/0,365/167", true},
	{"", false},
	{"C-1", false},
	{"CET", false},
	{"CET-1CEST", false},
	{"CET-1CEST,M3.5.0", false},
	{"CET-1CEST,M13.5.0,M10.5.0", false},
	{"CET-1CEST,M3.6.0,M10.5.0", false},
	{"CET-1CEST,M3.5.7,M10.5.0", false},
	{"CET-1CEST,J0,J366", false},
	{"CET-1CEST,M3.5.0,M10.5.0x", false},
	{"<CET-1", false},
	{"CET-99999999999", false},
};

static void rules_are_checked(void)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct zone_rule rule;

		CHECK_EQUAL(zone_rule_read(view_of_text(rules[i].text), &rule), rules[i].is_good);
	}
}

static const struct check_test tests[] = {
	{"offsets are those of Python", offsets_are_those_of_python},
	{"names and offsets are known or refused", names_and_offsets_are_known_or_refused},
	{"damaged files are refused or read", damaged_files_are_refused_or_read},
	{"every zone of the machine is read", every_zone_of_the_machine_is_read},
	{"rules are checked", rules_are_checked},
};

CHECK_MAIN("control/zone")
