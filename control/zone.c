#include "control/zone.h"

#include "control/zone_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char zone_folder[] = "/usr/share/zoneinfo/";

enum {
	TZIF_HEADER_SIZE = 44,
	TZIF_SIZE_MAX = 256 << 10 // bytes
};

/** Counts of one half of a TZif file (RFC 8536, 3.1). */
struct tzif_half {
	uint32_t isutcnt;
	uint32_t isstdcnt;
	uint32_t leapcnt;
	uint32_t timecnt;
	uint32_t typecnt;
	uint32_t charcnt;
};

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t be64(const uint8_t *b)
{
	return (int64_t)((uint64_t)be32(b) << 32 | be32(b + 4));
}

static bool read_header(struct view v, struct tzif_half *ret_half)
{
	const uint8_t *b = v.bytes;
	struct tzif_half h;

	// Version 1 has 32-bit times only and no rule for the future.
	if (v.size < TZIF_HEADER_SIZE || memcmp(b, "TZif", 4) != 0 || b[4] < '2')
		return false;
	h = (struct tzif_half
	){be32(b + 20), be32(b + 24), be32(b + 28), be32(b + 32), be32(b + 36), be32(b + 40)};
	if (h.isutcnt > TZIF_SIZE_MAX || h.isstdcnt > TZIF_SIZE_MAX || h.leapcnt > TZIF_SIZE_MAX
	    || h.timecnt > POLICY_ZONE_STEPS_MAX || h.typecnt > 256 || h.charcnt > TZIF_SIZE_MAX)
		return false;
	*ret_half = h;
	return true;
}

static size_t half_size(const struct tzif_half *h, size_t time_size)
{
	return h->timecnt * (time_size + 1) + h->typecnt * 6 + h->charcnt
		+ h->leapcnt * (time_size + 4) + h->isstdcnt + h->isutcnt;
}

static struct view after(struct view v, size_t size)
{
	return size > v.size ? (struct view){0} : view_of(v.bytes + size, v.size - size);
}

/** Add a step unless nothing changes by it. */
static bool add_step(struct zone *zone, int64_t at_s, int32_t offset_s)
{
	struct policy_zone_step *last = zone->count == 0 ? NULL : &zone->steps[zone->count - 1];

	if (offset_s < -POLICY_ZONE_OFFSET_MAX || offset_s > POLICY_ZONE_OFFSET_MAX
	    || zone->count == POLICY_ZONE_STEPS_MAX)
		return false;
	if (last != NULL && last->offset_s == offset_s)
		return true;
	if (last != NULL && at_s <= last->at_s)
		return false;
	zone->steps[zone->count++] = (struct policy_zone_step){.at_s = at_s, .offset_s = offset_s};
	return true;
}

/** The table of transitions (RFC 8536, 3.2). */
static bool read_table(const uint8_t *b, const struct tzif_half *h, struct zone *zone)
{
	const uint8_t *types = b + (size_t)h->timecnt * 9;
	int64_t before = INT64_MIN;

	// Local time before the first transition is of type 0.
	if (!add_step(zone, INT64_MIN, (int32_t)be32(types)))
		return false;
	for (uint32_t i = 0; i < h->timecnt; i++) {
		int64_t at_s = be64(b + (size_t)i * 8);
		uint8_t type = b[(size_t)h->timecnt * 8 + i];

		if (type >= h->typecnt || at_s <= before)
			return false;
		if (!add_step(zone, at_s, (int32_t)be32(types + (size_t)type * 6)))
			return false;
		before = at_s;
	}
	return true;
}

static int32_t year_of(int64_t at_s)
{
	// Good to a day or two, which is enough: a year too early adds nothing.
	return (int32_t)(1970 + at_s / 31556952) - 1;
}

/** Write the yearly rule out, from the last transition on. */
static bool expand_rule(struct view text, int64_t last_s, struct zone *zone)
{
	struct zone_rule rule;
	int32_t year = last_s < 0 ? 1969 : year_of(last_s);

	if (text.size == 0)
		return true;
	if (!zone_rule_read(text, &rule))
		return false;
	for (; rule.has_daylight && year <= ZONE_LAST_YEAR; year++) {
		int64_t start = zone_change_at(&rule.start, year, rule.standard_s);
		int64_t end = zone_change_at(&rule.end, year, rule.daylight_s);
		bool is_start_first = start < end;

		if ((is_start_first ? start : end) > last_s
		    && !add_step(
			    zone,
			    is_start_first ? start : end,
			    is_start_first ? rule.daylight_s : rule.standard_s
		    ))
			return false;
		if ((is_start_first ? end : start) > last_s
		    && !add_step(
			    zone,
			    is_start_first ? end : start,
			    is_start_first ? rule.standard_s : rule.daylight_s
		    ))
			return false;
	}
	return true;
}

static bool read_tzif(struct view v, struct zone *zone)
{
	struct tzif_half h;
	const uint8_t *footer_end;
	int64_t last_s = INT64_MIN;
	struct view footer;

	if (!read_header(v, &h))
		return false;
	v = after(v, TZIF_HEADER_SIZE + half_size(&h, 4));
	if (!read_header(v, &h) || h.typecnt == 0)
		return false;
	// Zones with leap seconds (right/…) count other seconds than 1970's.
	if (h.leapcnt != 0 || v.size < TZIF_HEADER_SIZE + half_size(&h, 8) + 2)
		return false;
	v = after(v, TZIF_HEADER_SIZE);
	if (!read_table(v.bytes, &h, zone))
		return false;
	if (h.timecnt != 0)
		last_s = be64(v.bytes + (size_t)(h.timecnt - 1) * 8);
	footer = after(v, half_size(&h, 8));
	if (footer.size == 0 || footer.bytes[0] != '\n')
		return false;
	footer = after(footer, 1);
	footer_end = footer.size == 0 ? NULL : memchr(footer.bytes, '\n', footer.size);
	if (footer_end == NULL)
		return false;
	return expand_rule(
		view_of(footer.bytes, (size_t)(footer_end - footer.bytes)), last_s, zone
	);
}

enum sl_status zone_read(struct view tzif, struct zone *ret_zone)
{
	struct zone zone = {.steps = calloc(POLICY_ZONE_STEPS_MAX, sizeof(*zone.steps))};

	if (zone.steps == NULL)
		return SL_E_NOMEM;
	if (!read_tzif(tzif, &zone)) {
		zone_done(&zone);
		return SL_E_CORRUPT;
	}
	*ret_zone = zone;
	return SL_OK;
}

void zone_done(struct zone *zone)
{
	free(zone->steps);
	*zone = (struct zone){0};
}

static bool read_digits(const char **at, size_t count, int32_t max, int32_t *ret_value)
{
	int32_t value = 0;

	for (size_t i = 0; i < count; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*at += count;
	*ret_value = value;
	return value <= max;
}

/** +h, +hh, +hhmm, +hh:mm */
static bool read_offset(const char *text, int32_t *ret_offset_s)
{
	size_t size = strlen(text);
	int32_t minutes = 0;
	int32_t hours;
	const char *at = text + 1;

	if (text[0] != '+' && text[0] != '-')
		return false;
	if (!read_digits(&at, size == 2 ? 1 : 2, 18, &hours))
		return false;
	if (*at == ':')
		at++;
	if (*at != '\0' && !read_digits(&at, 2, 59, &minutes))
		return false;
	if (*at != '\0' || (size != 2 && size != 3 && size != 5 && size != 6))
		return false;
	*ret_offset_s = (hours * 60 + minutes) * (text[0] == '-' ? -60 : 60);
	return true;
}

/** A zone that never changes. */
static enum sl_status fixed_zone(int32_t offset_s, struct zone *ret_zone)
{
	struct zone zone = {0};

	if (offset_s != 0) {
		zone.steps = calloc(1, sizeof(*zone.steps));
		if (zone.steps == NULL)
			return SL_E_NOMEM;
		(void)add_step(&zone, INT64_MIN, offset_s);
	}
	*ret_zone = zone;
	return SL_OK;
}

/** Letters, digits, `_ + -`, and `/` between them: nothing that leaves the folder. */
static bool is_zone_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	bool is_start = true;

	for (; *name != '\0'; name++) {
		if (*name == '/' && is_start)
			return false;
		if (*name != '/' && strchr(letters, *name) == NULL
		    && (is_start || strchr("0123456789_+-", *name) == NULL))
			return false;
		is_start = *name == '/';
	}
	return !is_start;
}

static enum sl_status read_file(const char *path, uint8_t *bytes, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum sl_status status = SL_OK;
	struct stat st;
	ssize_t size;

	if (fd < 0)
		return status_of_errno(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		status = SL_E_NOT_FOUND;
	} else {
		size = read(fd, bytes, TZIF_SIZE_MAX);
		if (size < 0)
			status = status_of_errno(errno);
		else
			*ret_size = (size_t)size;
	}
	close(fd);
	return status;
}

static enum sl_status load_named(const char *name, struct zone *ret_zone)
{
	char path[sizeof(zone_folder) + ZONE_NAME_MAX];
	enum sl_status status;
	uint8_t *bytes;
	size_t size;

	if (!is_zone_name(name))
		return SL_E_NOT_FOUND;
	bytes = malloc(TZIF_SIZE_MAX);
	if (bytes == NULL)
		return SL_E_NOMEM;
	snprintf(path, sizeof(path), "%s%s", zone_folder, name);
	status = read_file(path, bytes, &size);
	if (status == SL_OK)
		status = zone_read(view_of(bytes, size), ret_zone);
	free(bytes);
	return status;
}

enum sl_status zone_load(struct view name, struct zone *ret_zone, struct problem *ret_problem)
{
	enum sl_status status = SL_E_NOT_FOUND;
	char text[ZONE_NAME_MAX + 1] = "";
	const char *offset = text;
	int32_t offset_s;

	if (name.size <= ZONE_NAME_MAX
	    && (name.size == 0 || memchr(name.bytes, 0, name.size) == NULL))
		snprintf(text, sizeof(text), "%.*s", (int)name.size, (const char *)name.bytes);
	if (strcmp(text, "UTC") == 0 || strcmp(text, "Z") == 0 || strcmp(text, "GMT") == 0)
		return fixed_zone(0, ret_zone);
	if (strncmp(text, "UTC", 3) == 0 || strncmp(text, "GMT", 3) == 0)
		offset += 3;
	if (read_offset(offset, &offset_s))
		return fixed_zone(offset_s, ret_zone);
	status = load_named(text, ret_zone);
	if (status == SL_OK)
		return status;
	(void)!problem_set(
		ret_problem,
		status,
		"there is no usable time zone '%.*s' in %s: %s",
		name.size > ZONE_NAME_MAX ? ZONE_NAME_MAX : (int)name.size,
		name.size == 0 ? "" : (const char *)name.bytes,
		zone_folder,
		status_text(status)
	);
	problem_remedy(
		ret_problem,
		"use an IANA name such as Europe/Amsterdam (package tzdata), or an offset such as "
		"+01:00"
	);
	return status;
}
