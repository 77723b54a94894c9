#include "bench/compare_report.h"

#include "bench/sealing.h"
#include "dataplane/pipeline/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Times are the thread's own (CPU time): what else the machine does meanwhile stays out of them but for what it does
// to caches and clock. A pass is divided among its stages or parts by time stamps, by each batch's least over the
// rounds; a figure is the median over the rounds, a ratio the median of the rounds' ratios.

struct spread {
	double min;
	double median;
	double max;
};

static const char *const contestant_names[CONTESTANT_COUNT] = {
	"turn",
	"turn_random_iv",
	"parts",
	"straightforward",
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(double values[], uint32_t count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return (struct spread){
		.min = values[0],
		.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
		.max = values[count - 1],
	};
}

static struct spread event_ns(const struct report *r, enum contestant n)
{
	double values[ROUNDS_MAX];

	for (uint32_t k = 0; k < r->rounds; k++)
		values[k] = (double)r->score[n].cpu_ns[k] / (double)r->events;
	return spread_of(values, r->rounds);
}

/** Time of one over time of the other, round by round. */
static struct spread ratio(const struct report *r, enum contestant over, enum contestant under)
{
	double values[ROUNDS_MAX];

	for (uint32_t k = 0; k < r->rounds; k++)
		values[k] = (double)r->score[over].cpu_ns[k] / (double)r->score[under].cpu_ns[k];
	return spread_of(values, r->rounds);
}

/** How much more time passed than the thread had: 0 on a quiet machine. */
static double waited_share(const struct report *r)
{
	double cpu = 0;
	double wall = 0;

	for (uint32_t n = 0; n < CONTESTANT_COUNT; n++)
		for (uint32_t k = 0; k < r->rounds; k++) {
			cpu += (double)r->score[n].cpu_ns[k];
			wall += (double)r->score[n].wall_ns[k];
		}
	return wall <= cpu ? 0 : (wall - cpu) / wall;
}

/** Nanoseconds per event of part p: its share of the contestant's median. */
static double part_ns(const struct report *r, enum contestant n, uint32_t p)
{
	const struct score *score = &r->score[n];
	double own = 0;
	double all = 0;

	for (size_t b = 0; b < score->batch_count; b++)
		for (uint32_t k = 0; k < score->part_count; k++) {
			all += (double)score->least[b][k];
			own += k == p ? (double)score->least[b][k] : 0;
		}
	return event_ns(r, n).median * own / all;
}

/** The value of a line `name : value` of /proc/cpuinfo; "?" when there is none. */
static const char *cpu_fact(const char *name, char line[static 256])
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	const char *value = "?";
	char *colon;

	while (file != NULL && value[0] == '?' && fgets(line, 256, file) != NULL) {
		colon = strchr(line, ':');
		if (strncmp(line, name, strlen(name)) != 0 || colon == NULL)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		value = colon + 1 + strspn(colon + 1, " ");
	}
	if (file != NULL)
		fclose(file);
	return value;
}

static const char *json_level_name(int level)
{
	static const char *const names[JSON_LEVEL_COUNT] = {"auto", "scalar", "avx2", "avx512"};

	return names[level];
}

static void print_spread(const char *name, struct spread s)
{
	printf("\"%s\":{\"min\":%.3f,\"median\":%.3f,\"max\":%.3f}", name, s.min, s.median, s.max);
}

static void print_parts(const struct report *r, const char *name, enum contestant n)
{
	printf("\"%s\":{", name);
	for (uint32_t p = 0; p < r->score[n].part_count; p++)
		printf("%s\"%s\":%.2f",
		       p == 0 ? "" : ",",
		       r->score[n].part_names[p],
		       part_ns(r, n, p));
	printf("}");
}

static void print_json_machine(const struct report *r)
{
	char line[256];
	double load[3] = {0};

	if (getloadavg(load, 3) != 3)
		load[0] = -1;
	printf("\"machine\":{\"cpu\":\"%s\",\"cores\":%ld,\"engine\":\"%s\",\"json_level\":\"%s\","
	       "\"load_average\":[%.2f,%.2f,%.2f],\"waited_share\":%.3f}",
	       cpu_fact("model name", line),
	       sysconf(_SC_NPROCESSORS_ONLN),
	       r->engine_text,
	       json_level_name(r->json_level),
	       load[0],
	       load[1],
	       load[2],
	       waited_share(r));
}

static void print_json(const struct report *r)
{
	double ns = event_ns(r, TURN).median;

	printf("{\"version\":1,\"events_per_second\":%.0f,\"ns_per_event\":%.2f,", 1e9 / ns, ns);
	print_parts(r, "parts", PARTS);
	printf(",\"ratio_to_parts\":%.3f,\"ratio_to_straightforward\":%.3f,",
	       ratio(r, TURN, PARTS).median,
	       ratio(r, STRAIGHTFORWARD, TURN).median);
	print_parts(r, "stages", TURN);
	ns = event_ns(r, TURN_RANDOM).median;
	printf(",\"random_iv\":{\"events_per_second\":%.0f,\"ns_per_event\":%.2f,"
	       "\"ratio_to_parts\":%.3f,\"ratio_to_straightforward\":%.3f,",
	       1e9 / ns,
	       ns,
	       ratio(r, TURN_RANDOM, PARTS).median,
	       ratio(r, STRAIGHTFORWARD, TURN_RANDOM).median);
	print_parts(r, "stages", TURN_RANDOM);
	ns = event_ns(r, STRAIGHTFORWARD).median;
	printf("},\"straightforward\":{\"events_per_second\":%.0f,\"ns_per_event\":%.2f,"
	       "\"megabytes_per_second\":%.1f},\"spread\":{\"ns_per_event\":{",
	       1e9 / ns,
	       ns,
	       (double)r->bytes / (double)r->events * 1e3 / ns);
	for (enum contestant n = 0; n < CONTESTANT_COUNT; n++) {
		print_spread(contestant_names[n], event_ns(r, n));
		printf(n + 1 < CONTESTANT_COUNT ? "," : "},");
	}
	print_spread("ratio_to_parts", ratio(r, TURN, PARTS));
	printf(",");
	print_spread("ratio_to_straightforward", ratio(r, STRAIGHTFORWARD, TURN));
	printf("},\"rounds\":%" PRIu32 ",\"events\":%" PRIu64 ",\"bytes_per_event\":%.1f,"
	       "\"fields_per_event\":%.3f,\"escaped_share\":%.4f,\"users\":\"%s\",\"live_keys\":"
	       "%" PRIu64 ",\"verified\":%" PRIu64 ",",
	       r->rounds,
	       r->events,
	       (double)r->bytes / (double)r->events,
	       (double)r->fields / (double)r->events,
	       (double)r->escaped / (double)r->events,
	       r->is_varied ? "varied" : "real",
	       r->live_keys,
	       r->verified);
	print_json_machine(r);
	printf("}\n");
}

static void print_text_parts(const struct report *r, enum contestant n)
{
	for (uint32_t p = 0; p < r->score[n].part_count; p++)
		printf("    %-22s %8.1f ns\n", r->score[n].part_names[p], part_ns(r, n, p));
}

static void print_text_contestant(const struct report *r, enum contestant n, const char *title)
{
	struct spread ns = event_ns(r, n);

	printf("%-34s %8.1f ns/event (%.1f to %.1f), %.3f M events/s, %.0f MB/s\n",
	       title,
	       ns.median,
	       ns.min,
	       ns.max,
	       1e3 / ns.median,
	       (double)r->bytes / (double)r->events * 1e3 / ns.median);
	print_text_parts(r, n);
}

static void print_text_ratio(const char *title, struct spread s)
{
	printf("%-50s %6.2f  (%.2f to %.2f)\n", title, s.median, s.min, s.max);
}

static void print_text(const struct report *r)
{
	char line[256];
	double load[3] = {0};

	if (getloadavg(load, 3) != 3)
		load[0] = -1;
	printf("%s, %ld cores, load %.2f, %.0f %% of the time waited for a core\n%s; JSON: %s\n",
	       cpu_fact("model name", line),
	       sysconf(_SC_NPROCESSORS_ONLN),
	       load[0],
	       waited_share(r) * 100,
	       r->engine_text,
	       json_level_name(r->json_level));
	printf("%" PRIu64 " events of %.0f bytes, %.2f sealed fields, %s users, %" PRIu64
	       " live keys; %" PRIu32 " rounds; %" PRIu64 " events opened and compared\n\n",
	       r->events,
	       (double)r->bytes / (double)r->events,
	       (double)r->fields / (double)r->events,
	       r->is_varied ? "varied" : "real",
	       r->live_keys,
	       r->rounds,
	       r->verified);
	print_text_contestant(r, TURN, "turn, deterministic IVs");
	print_text_contestant(r, TURN_RANDOM, "turn, random IVs");
	print_text_contestant(r, PARTS, "best known parts, their sum");
	print_text_contestant(r, STRAIGHTFORWARD, "straightforward, counter as IV");
	printf("\n");
	print_text_ratio("turn / parts, time (lower is better)", ratio(r, TURN, PARTS));
	print_text_ratio(
		"turn / straightforward, rate (higher is better)", ratio(r, STRAIGHTFORWARD, TURN)
	);
	print_text_ratio("  the same with random IVs", ratio(r, STRAIGHTFORWARD, TURN_RANDOM));
}

void report_print(const struct report *report, bool is_json)
{
	if (is_json)
		print_json(report);
	else
		print_text(report);
}
