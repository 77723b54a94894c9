#include "control/cli/command.h"
#include "control/cli/daemon.h"
#include "control/cli/overview.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
	WIDTH_DEFAULT = 80,
	HEIGHT_DEFAULT = 24,
	WIDTH_MAX = 400,
	NUMBER_MAX = 3600 // of seconds, and of pictures
};

struct arguments {
	const char *config;
	int interval_ms;
	unsigned count; // 0 = until told to end
	bool is_tty;
};

static volatile sig_atomic_t is_ending;

static void on_signal(int number)
{
	(void)number;
	is_ending = 1;
}

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"interval", required_argument, NULL, 'i'},
		{"count", required_argument, NULL, 'n'},
		{0},
	};
	int option;

	*a = (struct arguments
	){.interval_ms = 1000, .is_tty = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)};
	while ((option = getopt_long(argc, argv, "c:n:", options, NULL)) != -1) {
		const bool is_number = option == 'i' || option == 'n';
		char *end = NULL;
		const long value = is_number ? strtol(optarg, &end, 10) : 1;

		if (option == '?') {
			usage_error("top", "", "see `sealane help top`");
			return false;
		}
		if (is_number && (value < 1 || value > NUMBER_MAX || *end != '\0')) {
			usage_error(
				"top",
				"",
				"--%s takes a number from 1 to %d, not \"%s\"",
				option == 'i' ? "interval" : "count",
				NUMBER_MAX,
				optarg
			);
			return false;
		}
		if (option == 'c')
			a->config = optarg;
		else if (option == 'i')
			a->interval_ms = (int)value * 1000;
		else
			a->count = (unsigned)value;
	}
	if (optind != argc) {
		usage_error("top", "", "there is nothing to show of %s", argv[optind]);
		return false;
	}
	// Into a file or a pipe: one picture, when nobody says how many.
	if (!a->is_tty && a->count == 0)
		a->count = 1;
	return true;
}

static void measure_screen(uint32_t *ret_width, uint32_t *ret_height)
{
	struct winsize size;

	*ret_width = WIDTH_DEFAULT;
	*ret_height = HEIGHT_DEFAULT;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 && size.ws_row != 0) {
		*ret_width = size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
		*ret_height = size.ws_row;
	}
}

/** A screen of its own, without a cursor; what stood there comes back. */
static void enter_screen(void)
{
	fputs("\033[?1049h\033[?25l", stdout);
}

static void leave_screen(void)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

/** One picture, written at once so that it does not flicker; a screen has as much of it as fits. */
static void draw(const json_t *answer, const struct problem *problem, bool has_screen)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct overview overview = {.status = answer};
	uint32_t height = 0;

	if (out == NULL)
		return;
	measure_screen(&overview.width, &height);
	if (has_screen) {
		overview.line_max = height > 2 ? height - 2 : 1;
		fputs("\033[H\033[2J", out);
	}
	if (answer != NULL)
		overview_print(out, &overview);
	else
		problem_print(out, problem);
	// On the last line, without a line's end: nothing scrolls.
	if (has_screen)
		fprintf(out, "\033[%u;1H\033[7m q ends \033[0m", height);
	if (fclose(out) == 0) {
		fwrite(text, 1, size, stdout);
		fflush(stdout);
	}
	free(text);
}

/** Wait, or until a key ends it. */
static void wait_for_key(int interval_ms, bool is_tty)
{
	struct pollfd p = {.fd = is_tty ? STDIN_FILENO : -1, .events = POLLIN};
	char key;

	if (poll(&p, 1, interval_ms) != 1)
		return;
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3)
		is_ending = 1;
}

static enum exit_code show(const struct arguments *a, const char *run_directory)
{
	bool has_screen = a->is_tty && a->count != 1;
	enum exit_code code = EXIT_DONE;

	if (has_screen)
		enter_screen();
	for (unsigned n = 0; !is_ending && (a->count == 0 || n < a->count); n++) {
		struct problem problem;
		json_t *answer = NULL;
		enum sl_status status;

		if (n != 0)
			wait_for_key(a->interval_ms, a->is_tty);
		if (is_ending)
			break;
		status = daemon_ask(
			run_directory, json_pack("{s:s}", "request", "status"), &answer, &problem
		);
		code = status == SL_OK ? EXIT_DONE : EXIT_ENVIRONMENT;
		// A control that is being started again comes back by itself; without a screen nobody waits.
		if (status != SL_OK && !a->is_tty) {
			problem_print(stderr, &problem);
			return code;
		}
		if (n != 0 && !a->is_tty)
			putchar('\n');
		// The last of so many stays: nobody could read it on a screen that is left at once.
		if (has_screen && n + 1 == a->count) {
			leave_screen();
			has_screen = false;
		}
		draw(status == SL_OK ? answer : NULL, &problem, has_screen);
		json_decref(answer);
	}
	if (has_screen)
		leave_screen();
	return code;
}

enum exit_code command_top(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	char run_directory[SETTINGS_PATH_MAX];
	struct arguments a;
	struct termios before;
	struct termios raw;
	enum exit_code code;

	if (!read_arguments(argc, argv, &a))
		return EXIT_USAGE;
	if (!daemon_run_directory(a.config, run_directory))
		return EXIT_DEFINITION;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (a.is_tty && tcgetattr(STDIN_FILENO, &before) == 0) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		code = show(&a, run_directory);
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
		return code;
	}
	a.is_tty = false;
	return show(&a, run_directory);
}
