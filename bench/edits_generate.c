#include "bench/edits.h"
#include "bench/give_up.h"
#include "io/base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Write the edits over and over as NDJSON, every event with the next of N users in scattered order: all have come
// by when N events have, so a file of more events than users needs exactly N keys (and a few: all is on one day).
//
//	edits_generate MEGABYTES USERS > FILE

enum {
	BUFFER_SIZE = 1 << 20,
	STRIDE = 7368787, // a prime above any number of users: no user is left out
	USERS_MAX = STRIDE - 1
};

static size_t read_number(const char *text, size_t max)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end != '\0' || number == 0 || number > max)
		give_up("usage: edits_generate MEGABYTES USERS > FILE");
	return number;
}

int main(int argc, char **argv)
{
	size_t left = argc == 3 ? read_number(argv[1], 1000000) * 1000000 : 0;
	size_t users = argc == 3 ? read_number(argv[2], USERS_MAX) : 0;
	struct edits edits = edits_real(SIZE_MAX);
	static uint8_t row[EVENT_SIZE_MAX];
	static char buffer[BUFFER_SIZE];
	char user[EDITS_USER_SIZE];

	if (argc != 3)
		give_up("usage: edits_generate MEGABYTES USERS > FILE");
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	for (size_t n = 0;; n++) {
		size_t size;

		edits_user_name(n * STRIDE % users, user);
		size = edits_vary(edits.rows.line[n % edits.rows.count], user, row);
		row[size++] = '\n';
		if (size > left)
			break;
		left -= size;
		if (fwrite(row, 1, size, stdout) != size)
			give_up("the file can not be written");
	}
	if (fflush(stdout) != 0)
		give_up("the file can not be written");
	edits_done(&edits);
	return EXIT_SUCCESS;
}
