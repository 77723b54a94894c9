#include "control/cli/send_options.h"

#include "control/cli/command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/** `HOST:PORT` or `[ADDRESS]:PORT`. */
static bool read_target(const char *text, struct send_arguments *a)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t size;

	if (colon == NULL || colon[1] == '\0')
		return false;
	size = (size_t)(colon - text);
	if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
		host++;
		size -= 2;
	} else if (memchr(host, ':', size) != NULL) {
		return false;
	}
	if (size == 0 || size >= sizeof(a->host))
		return false;
	memcpy(a->host, host, size);
	a->host[size] = '\0';
	a->port = colon + 1;
	return true;
}

static bool read_number(
	const char *text,
	unsigned long min,
	unsigned long max,
	uint32_t *ret_number
)
{
	char *end;
	const unsigned long number = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < min || number > max)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

static bool read_option(int option, struct send_arguments *a)
{
	switch (option) {
	case 't':
		if (read_target(optarg, a))
			return true;
		usage_error(
			"send", "", "--to takes HOST:PORT or [ADDRESS]:PORT, not \"%s\"", optarg
		);
		return false;
	case 'k':
		a->key_file = optarg;
		return true;
	case 's':
		a->stream = optarg;
		return true;
	case 'b':
		if (read_number(optarg, 256, 9000, &a->datagram_bytes_max))
			return true;
		usage_error("send", "", "--datagram-bytes takes 256 to 9000, not \"%s\"", optarg);
		return false;
	case 'w':
		if (read_number(optarg, 1, SEND_TIMEOUT_S_MAX, &a->timeout_ms)) {
			a->timeout_ms *= 1000;
			return true;
		}
		usage_error(
			"send",
			"",
			"--timeout takes seconds from 1 to %d, not \"%s\"",
			SEND_TIMEOUT_S_MAX,
			optarg
		);
		return false;
	case 'q':
		a->is_quiet = true;
		return true;
	default:
		usage_error("send", "", "see `sealane help send`");
		return false;
	}
}

bool send_arguments_read(int argc, char **argv, struct send_arguments *ret_arguments)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},
		{"key", required_argument, NULL, 'k'},
		{"stream", required_argument, NULL, 's'},
		{"datagram-bytes", required_argument, NULL, 'b'},
		{"timeout", required_argument, NULL, 'w'},
		{"quiet", no_argument, NULL, 'q'},
		{0},
	};
	struct send_arguments *a = ret_arguments;
	int option;

	*a = (struct send_arguments){.timeout_ms = SEND_TIMEOUT_S * 1000};
	while ((option = getopt_long(argc, argv, "q", options, NULL)) != -1)
		if (!read_option(option, a))
			return false;
	if (optind + 1 != argc)
		usage_error("send", "", optind == argc ? "which file?" : "one file at a time");
	else if (a->port == NULL)
		usage_error("send", "", "where to? Add --to HOST:PORT");
	else if (a->key_file == NULL)
		usage_error("send", "", "as which client? Add --key FILE");
	else {
		a->file = argv[optind];
		return true;
	}
	return false;
}
