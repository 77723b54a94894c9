#include "bench/load/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RATE_DEFAULT = 10000,     // events/s
	SELF_TEST_NS = 1000000000 // of a trial
};

static const uint64_t duration_default_ns = 10000000000; // of a trial

static const char usage[] =
	"usage: sealane-load udp|sealed|af_packet|memif TARGET --events FILE [OPTIONS]\n"
	"       sealane-load null --events FILE [OPTIONS]\n";

static bool PRINTF_LIKE(1, 2) refuse(const char *format, ...)
{
	va_list args;

	fputs("sealane-load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

/** A whole number with an optional k or M behind it. */
static bool read_count(
	const char *name,
	const char *text,
	uint64_t min,
	uint64_t max,
	uint64_t *ret_count
)
{
	char *end;
	unsigned long long count = strtoull(text, &end, 10);
	unsigned long long factor = *end == 'k' ? 1000 : *end == 'M' ? 1000000 : 1;

	end += factor != 1;
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || count > max / factor
	    || count * factor < min)
		return refuse(
			"--%s takes a number from %llu to %llu, not \"%s\"",
			name,
			(unsigned long long)min,
			(unsigned long long)max,
			text
		);
	*ret_count = count * factor;
	return true;
}

static bool read_count32(
	const char *name,
	const char *text,
	uint32_t min,
	uint32_t max,
	uint32_t *ret_count
)
{
	uint64_t count;

	if (!read_count(name, text, min, max, &count))
		return false;
	*ret_count = (uint32_t)count;
	return true;
}

static bool read_real(const char *name, const char *text, double min, double max, double *ret_real)
{
	char *end;
	double real = strtod(text, &end);

	if (end == text || *end != '\0' || !(real >= min && real <= max))
		return refuse(
			"--%s takes a number from %g to %g, not \"%s\"", name, min, max, text
		);
	*ret_real = real;
	return true;
}

static bool read_seconds(
	const char *name,
	const char *text,
	double min,
	double max,
	uint64_t *ret_ns
)
{
	double seconds;

	if (!read_real(name, text, min, max, &seconds))
		return false;
	*ret_ns = (uint64_t)(seconds * 1e9);
	return true;
}

static bool read_percent(
	const char *name,
	const char *text,
	double min,
	double max,
	double *ret_share
)
{
	double percent;

	if (!read_real(name, text, min, max, &percent))
		return false;
	*ret_share = percent / 100;
	return true;
}

static bool read_rate_of(const char *name, const char *text, double *ret_rate)
{
	uint64_t rate;

	if (!read_count(name, text, 1, RATE_MAX, &rate))
		return false;
	*ret_rate = (double)rate;
	return true;
}

#define READ_TEXT(option, member)                                                                  \
	static bool option(const char *text, struct load_options *o)                               \
	{                                                                                          \
		o->member = text;                                                                  \
		return true;                                                                       \
	}
#define READ_FLAG(option, member)                                                                  \
	static bool option(const char *text, struct load_options *o)                               \
	{                                                                                          \
		(void)text;                                                                        \
		o->member = true;                                                                  \
		return true;                                                                       \
	}
#define READ(option, expression)                                                                   \
	static bool option(const char *text, struct load_options *o)                               \
	{                                                                                          \
		return expression;                                                                 \
	}

READ_TEXT(read_to, transport.to)
READ_TEXT(read_from, transport.from)
READ_TEXT(read_mac, transport.mac)
READ_TEXT(read_key, transport.key_file)
READ_TEXT(read_stream, transport.stream)
READ_TEXT(read_events, stock.path)
READ_TEXT(read_subject, stock.subject)
READ_TEXT(read_text, stock.text)
READ_TEXT(read_number_name, stock.number)
READ_TEXT(read_counters, counters)
READ_FLAG(read_poisson, is_poisson)
READ_FLAG(read_search, is_search)
READ_FLAG(read_self_test, is_self_test)
READ(read_datagram, read_count32("datagram", text, 256, 9000, &o->transport.datagram_bytes))
READ(read_flows, read_count32("flows", text, 1, 1024, &o->transport.flows))
READ(read_queues, read_count32("queues", text, 1, 16, &o->transport.queues))
READ(read_memory, read_count32("memory", text, 64, 16384, &o->transport.memory_mib))
READ(read_distinct, read_count32("distinct", text, SHOTS_MAX, STOCK_EVENTS_MAX, &o->stock.count))
READ(read_size, read_count32("size", text, 1, STOCK_EVENT_MAX / 2, &o->stock.size))
READ(read_escapes, read_percent("escapes", text, 0, 100, &o->stock.escape_share))
READ(read_subjects, read_count32("subjects", text, 1, DRAW_COUNT_MAX, &o->subjects))
READ(read_seed, read_count("seed", text, 0, UINT64_MAX, &o->seed))
READ(read_rate, read_rate_of("rate", text, &o->rate))
READ(read_rate_min, read_rate_of("rate-min", text, &o->rate_min))
READ(read_duration, read_seconds("duration", text, 0.1, 86400, &o->duration_ns))
READ(read_warm_up, read_seconds("warm-up", text, 0, 3600, &o->warm_up_ns))
READ(read_tolerance, read_percent("tolerance", text, 0, 50, &o->tolerance))
READ(read_resolution, read_percent("resolution", text, 0.01, 50, &o->resolution))

static bool read_core(const char *text, struct load_options *o)
{
	uint64_t core;

	if (!read_count("core", text, 0, 1023, &core))
		return false;
	o->core = (int)core;
	return true;
}

static bool read_draw(const char *text, struct load_options *o)
{
	o->draw = strcmp(text, "each") == 0     ? DRAW_EACH
		: strncmp(text, "zipf", 4) == 0 ? DRAW_ZIPF
						: DRAW_UNIFORM;
	if (strncmp(text, "zipf:", 5) == 0)
		return read_real("draw", text + 5, 0.01, 10, &o->zipf);
	if (strcmp(text, "uniform") == 0 || strcmp(text, "zipf") == 0 || strcmp(text, "each") == 0)
		return true;
	return refuse("--draw takes uniform, zipf, zipf:S or each, not \"%s\"", text);
}

static bool read_latency_at(const char *text, struct load_options *o)
{
	const char *at = text;

	o->latency_count = 0;
	while (*at != '\0') {
		char *end;
		double percent = strtod(at, &end);

		if (end == at || (*end != ',' && *end != '\0') || !(percent > 0 && percent <= 100)
		    || o->latency_count == LATENCIES_MAX)
			return refuse(
				"--latency-at takes up to %d percents like 50,80, not \"%s\"",
				LATENCIES_MAX,
				text
			);
		o->latency_at[o->latency_count++] = percent / 100;
		at = *end == ',' ? end + 1 : end;
	}
	return true;
}

static bool read_output(const char *text, struct load_options *o)
{
	o->is_json = strcmp(text, "json") == 0;
	if (o->is_json || strcmp(text, "text") == 0)
		return true;
	return refuse("-o takes text or json, not \"%s\"", text);
}

static const struct load_option {
	const char *name;
	int letter;
	const char *argument;
	bool (*read)(const char *text, struct load_options *options);
	const char *help;
} table[] = {

#define OPTION(name, letter, argument, read, help) {name, letter, argument, read, help},
#include "bench/load/options.def"
#undef OPTION
};

enum {
	TABLE_COUNT = sizeof(table) / sizeof(table[0]),
	VALUE_OF_NAME = 256, // of getopt: row n of the table, given by its name
	VALUE_OF_HELP = 1000
};

static void print_help(void)
{
	puts("sealane-load offers events to a Sealane appliance at a set rate and tells what "
	     "became of them.\n");
	fputs(usage, stdout);
	puts("\nTransports:");
	for (size_t i = 0; i < transport_kind_count; i++)
		printf("    %-10s %s\n", transport_kinds[i]->name, transport_kinds[i]->help);
	puts("\nOptions:");
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		char words[80];
		int size = 0;

		if (table[i].letter != 0)
			size = snprintf(words, sizeof(words), "-%c, ", table[i].letter);
		snprintf(
			words + size,
			sizeof(words) - (size_t)size,
			"--%s%s%s",
			table[i].name,
			table[i].argument[0] != '\0' ? " " : "",
			table[i].argument
		);
		printf("    %-30s %s\n", words, table[i].help);
	}
	puts("\nA count may end in k or M. See sealane-load(1).");
}

static void fill_getopt(struct option options[TABLE_COUNT + 2], char letters[2 * TABLE_COUNT + 2])
{
	char *to = letters;

	for (int i = 0; i < TABLE_COUNT; i++) {
		const bool has_argument = table[i].argument[0] != '\0';

		options[i] = (struct option){
			table[i].name,
			has_argument ? required_argument : no_argument,
			NULL,
			VALUE_OF_NAME + i,
		};
		if (table[i].letter == 0)
			continue;
		*to++ = (char)table[i].letter;
		if (has_argument)
			*to++ = ':';
	}
	*to++ = 'h';
	*to = '\0';
	options[TABLE_COUNT] = (struct option){"help", no_argument, NULL, VALUE_OF_HELP};
	options[TABLE_COUNT + 1] = (struct option){0};
}

static const struct load_option *find_option(int value)
{
	if (value >= VALUE_OF_NAME && value < VALUE_OF_NAME + TABLE_COUNT)
		return &table[value - VALUE_OF_NAME];
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (table[i].letter != 0 && table[i].letter == value)
			return &table[i];
	return NULL;
}

static bool check_words(int count, char **words, struct load_options *o)
{
	if (count == 0)
		return refuse("how are the events to go: udp, sealed, af_packet, memif or null?");
	o->kind = transport_find(words[0]);
	if (o->kind == NULL)
		return refuse("there is no transport \"%s\"", words[0]);
	if (count > (o->kind->has_no_target ? 1 : 2))
		return refuse("\"%s\" is one word too many", words[count - 1]);
	if (count == 1 && !o->kind->has_no_target && !o->is_self_test)
		return refuse("where are the events to go?");
	o->transport.target = count > 1 ? words[1] : NULL;
	return true;
}

static bool check_together(struct load_options *o)
{
	if (o->stock.path == NULL)
		return refuse("which events? --events FILE");
	if (strcmp(o->stock.subject, o->stock.text) == 0)
		return refuse("--subject and --text must be two members");
	if (o->kind->has_frames && o->transport.to == NULL && !o->is_self_test)
		return refuse("%s needs --to ADDRESS:PORT", o->kind->name);
	if (o->is_self_test && !o->kind->has_self_test)
		return refuse("--self-test is for null and memif");
	if (o->is_search && o->counters == NULL && !o->kind->is_answered && !o->is_self_test)
		return refuse("a search by %s sees no loss without --counters PID", o->kind->name);
	if (o->rate == 0)
		o->rate = o->is_self_test ? RATE_MAX : RATE_DEFAULT;
	if (o->duration_ns == 0)
		o->duration_ns = o->is_self_test ? SELF_TEST_NS : duration_default_ns;
	if (o->rate_min == 0)
		o->rate_min = o->rate / 1000 < 1 ? 1 : o->rate / 1000;
	if (o->rate_min > o->rate)
		return refuse("--rate-min is above --rate");
	o->transport.is_self_test = o->is_self_test;
	o->stock.seed = o->seed;
	return true;
}

enum options_outcome options_read(int argc, char **argv, struct load_options *ret_options)
{
	struct load_options o = {
		.transport =
			{.flows = 64, .queues = 1, .memory_mib = 256, .mac = "02:00:00:00:00:02"},
		.stock =
			{.count = 16384,
			 .escape_share = 0.01,
			 .subject = "user",
			 .text = "comment"},
		.zipf = 1,
		.subjects = 1000000,
		.seed = 1,
		.core = -1,
		.warm_up_ns = 1000000000,
		.resolution = 0.01,
		.latency_at = {0.5, 0.8},
		.latency_count = 2,
	};
	struct option options[TABLE_COUNT + 2];
	char letters[2 * TABLE_COUNT + 2];
	bool is_right = true;
	int value;

	fill_getopt(options, letters);
	while (is_right && (value = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		const struct load_option *option = find_option(value);

		if (value == 'h' || value == VALUE_OF_HELP) {
			print_help();
			return OPTIONS_HELP;
		}
		is_right = option != NULL && option->read(optarg, &o);
	}
	is_right = is_right && check_words(argc - optind, argv + optind, &o) && check_together(&o);
	if (!is_right) {
		fputs(usage, stderr);
		fputs("see sealane-load --help\n", stderr);
		return OPTIONS_WRONG;
	}
	*ret_options = o;
	return OPTIONS_READ;
}
