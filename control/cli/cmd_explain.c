#include "control/cli/command.h"
#include "control/cli/definition.h"
#include "control/contract_explain.h"
#include "dataplane/batch/preview.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	EVENTS_MAX = 10, // shown of a file
	LABEL_SIZE = PURPOSE_NAME_MAX * 4 + 16
};

/** What `sealane explain contract` was told. */
struct arguments {
	const char *file;
	const char *purposes_file;
	const char *event; // NULL: only the contract
};

/** For whom events are shown. */
struct audience {
	const struct contract *contract;
	const struct purposes *purposes;
	const struct view_spec *views;
	uint32_t view_count;
	uint64_t shown;
};

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"purposes-file", required_argument, NULL, 'p'},
		{"event", required_argument, NULL, 'e'},
		{0},
	};
	int option;

	*a = (struct arguments){0};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p') {
			a->purposes_file = optarg;
		} else if (option == 'e') {
			a->event = optarg;
		} else {
			usage_error("explain", "contract", "see `sealane help explain`");
			return false;
		}
	}
	if (optind + 1 != argc) {
		usage_error(
			"explain",
			"contract",
			optind == argc ? "which contract?" : "one contract at a time"
		);
		return false;
	}
	a->file = argv[optind];
	return true;
}

/** `analytics (1) and research (2)` */
static void print_purposes(const struct audience *to, uint64_t set)
{
	char label[LABEL_SIZE];
	const uint64_t all = set;

	for (; set != 0; set &= set - 1) {
		const bool is_first = set == all;
		const bool is_last = (set & (set - 1)) == 0;

		printf("%s%s",
		       is_first          ? ""
			       : is_last ? " and "
					 : ", ",
		       purposes_label(
			       to->purposes, (uint8_t)__builtin_ctzll(set), label, sizeof(label)
		       ));
	}
	if (all == 0)
		fputs("nothing", stdout);
}

/** A stranger's text on a line of its own; what would steer the terminal becomes `?`. */
static void print_text(struct view text)
{
	fputs("    ", stdout);
	for (size_t i = 0; i < text.size; i++)
		putchar(text.bytes[i] < ' ' || text.bytes[i] == 0x7f ? '?' : text.bytes[i]);
	putchar('\n');
}

static void print_line(const char *label, struct view text)
{
	printf("  %s:\n", label);
	print_text(text);
}

static void show_header(void *self, struct view header)
{
	(void)self;
	print_line("Columns of the outputs", header);
}

static void show_refusal(const struct audience *to, const struct preview *p)
{
	printf("  Refused: %s", drop_help(p->reason));
	if (p->field < to->contract->field_count)
		printf(": %.*s", YAML_ARG(to->contract->fields[p->field].path));
	printf(" (%s)\n    The event would go to the dead letters, sealed whole. Correct the "
	       "event, or "
	       "what the\n    contract asks of it.\n",
	       drop_counter(p->reason));
}

static void show_event(void *self, const struct preview *p)
{
	struct audience *to = self;

	printf("%sEvent of row %" PRIu64 "\n", to->shown++ == 0 ? "" : "\n", p->number);
	print_line("Before", p->before);
	if (p->reason != DROP_NONE) {
		show_refusal(to, p);
		return;
	}
	fputs("  Its person consents to ", stdout);
	print_purposes(to, p->consent);
	puts(".");
	print_line("Sealed, as everybody gets it", p->sealed);
	for (uint32_t v = 0; v < to->view_count; v++) {
		fputs("  Consumer with ", stdout);
		print_purposes(to, to->views[v].purposes);
		puts(":");
		switch (p->outcome[v]) {
		case PREVIEW_SHOWN:
			print_text(p->derived[v]);
			break;
		case PREVIEW_NO_CONSENT:
			puts("    does not get this event: its person has not consented to that");
			break;
		case PREVIEW_WITHHELD:
			puts("    does not get this event: a field may not be read here, and its "
			     "contract says\n    `unreadable: fail`");
			break;
		}
	}
}

static enum sl_status show_events(
	const struct arguments *a,
	const struct contract *contract,
	const struct purposes *purposes,
	struct problems *problems
)
{
	struct view_spec views[VIEWS_MAX] = {0};
	struct audience to = {
		.contract = contract,
		.purposes = purposes,
		.views = views,
		.view_count = preview_views(contract, views),
	};
	const struct preview_setup setup = {
		.contract = contract,
		.views = views,
		.view_count = to.view_count,
		.file = a->event,
		.row_count_max = EVENTS_MAX,
		.header = show_header,
		.show = show_event,
		.self = &to,
	};

	return preview_run(&setup, problems);
}

enum exit_code command_explain_contract(int argc, char **argv)
{
	struct arguments a;
	struct problems problems = {0};
	struct purposes *purposes = NULL;
	struct contract *contract = NULL;
	enum exit_code code = EXIT_DEFINITION;

	if (!read_arguments(argc, argv, &a))
		return EXIT_USAGE;
	if (definition_load(a.file, a.purposes_file, &problems, &purposes, &contract) == SL_OK) {
		code = EXIT_DONE;
		if (a.event == NULL)
			contract_explain(stdout, contract, purposes, NULL, 0);
		else
			code = exit_of_status(show_events(&a, contract, purposes, &problems));
	}
	problems_print(stderr, &problems);
	contract_free(contract);
	purposes_free(purposes);
	problems_done(&problems);
	return code;
}
