#include "control/config.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <string.h>

static enum sl_status load(const char *text, struct config *ret, struct problems *problems)
{
	scratch_write(scratch_path("sealane.yaml"), text, strlen(text));
	return config_load(scratch_path("sealane.yaml"), ret, problems);
}

static void defaults_hold_when_nothing_is_said(void)
{
	struct problems problems = {0};
	struct config c;

	CHECK_FATAL(load("device: eth7\n", &c, &problems) == SL_OK);
	CHECK(strcmp(c.settings.port_device, "eth7") == 0);
	CHECK(strcmp(c.vault, "/var/lib/sealane/vault") == 0);
	CHECK(strcmp(c.run_directory, "/run/sealane") == 0);
	CHECK(c.root_key[0] == '\0' && c.dataplane_user[0] == '\0');
	CHECK_EQUAL(c.journal_records, 65536);
	CHECK_EQUAL(c.settings.size, sizeof(c.settings));
	CHECK_EQUAL(c.settings.port_kind, SETTINGS_PORT_AF_PACKET);
	CHECK_EQUAL(c.settings.worker_count, 1);
	CHECK_EQUAL(c.settings.worker_core[0], UINT32_MAX);
	CHECK_EQUAL(c.settings.egress_core, UINT32_MAX);
	CHECK_EQUAL(c.settings.use_huge_pages, 1);
	CHECK_EQUAL(c.settings.address_count, 0);
	CHECK_EQUAL(problems.count, 0);
	problems_done(&problems);
}

static void every_key_is_read(void)
{
	static const char text[] = "vault: v\n"
				   "root_key: /k\n"
				   "run_directory: .\n"
				   "definitions: d/e\n"
				   "data_directory: data\n"
				   "state_directory: state\n"
				   "dataplane_user: nobody\n"
				   "journal_records: 8192\n"
				   "port: memif\n"
				   "device: /tmp/m.sock\n"
				   "addresses: [192.0.2.1, \"2001:db8::1\"]\n"
				   "host_interface: sl0\n"
				   "worker_cores: [2, 3, any]\n"
				   "egress_core: 0\n"
				   "rx_descriptors: 64\n"
				   "frames: 2048\n"
				   "memory_mib: 128\n"
				   "parcels: 2\n"
				   "parcel_bytes: 65536\n"
				   "idle_us_max: 10\n"
				   "flush_us: 5\n"
				   "commit_ms: 7\n"
				   "huge_pages: never\n"
				   "eal_prefix: x\n";
	static const uint8_t first[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	struct problems problems = {0};
	struct config c;
	char here[300];

	CHECK_FATAL(load(text, &c, &problems) == SL_OK);
	snprintf(here, sizeof(here), "%s/v", scratch_directory());
	CHECK(strcmp(c.vault, here) == 0);
	CHECK(strcmp(c.run_directory, scratch_directory()) == 0);
	CHECK(strcmp(c.root_key, "/k") == 0);
	CHECK(strcmp(c.dataplane_user, "nobody") == 0);
	CHECK_EQUAL(c.settings.port_kind, SETTINGS_PORT_MEMIF);
	CHECK_EQUAL(c.settings.address_count, 2);
	CHECK(memcmp(c.settings.address[0], first, 16) == 0);
	CHECK_EQUAL(c.settings.worker_count, 3);
	CHECK_EQUAL(c.settings.worker_core[1], 3);
	CHECK_EQUAL(c.settings.worker_core[2], UINT32_MAX);
	CHECK_EQUAL(c.settings.egress_core, 0);
	CHECK_EQUAL(c.settings.commit_ms, 7);
	CHECK_EQUAL(c.settings.use_huge_pages, 0);
	problems_done(&problems);
}

static const struct fault {
	const char *text;
	uint32_t line;
	uint32_t column;
	const char *part; // of what the problem says
} faults[] = {
	{"- a\n", 1, 1, "must be a map"},
	{"device: e\nportt: pci\n", 2, 1, "portt"},
	{"port: af_packet\n", 1, 1, "no device"},
	{"", 1, 1, "no device"},
	{"device: e\nport: ethernet\n", 2, 7, "port is not one of"},
	{"device: e\nport: af\n", 2, 7, "port is not one of"},
	{"device: e\nport: \"\"\n", 2, 7, "port is not one of"},
	{"device: e\nport: [pci]\n", 2, 7, "port is not one of"},
	{"device: e\ncommit_ms: 0\n", 2, 12, "1 to 10000"},
	{"device: e\ncommit_ms: 10001\n", 2, 12, "1 to 10000"},
	{"device: e\ncommit_ms: soon\n", 2, 12, "1 to 10000"},
	{"device: e\ncommit_ms: 99999999999999999999\n", 2, 12, "1 to 10000"},
	{"device: e\ncommit_ms:\n", 2, 11, "1 to 10000"},
	{"device: \"a\\x07b\"\n", 1, 9, "control characters"},
	{"device: [e]\n", 1, 9, "device is a text"},
	{"device: e\nhost_interface: a-name-too-long-x\n", 2, 17, "0 to 15"},
	{"device: e\naddresses: [192.0.2.0/24]\n", 2, 13, "no IPv4 or IPv6 address"},
	{"device: e\naddresses: [nowhere]\n", 2, 13, "no IPv4 or IPv6 address"},
	{"device: e\naddresses: {a: 1}\n", 2, 12, "a list"},
	{"device: e\nworker_cores: []\n", 2, 15, "1 to 64"},
	{"device: e\nworker_cores: [1, -1]\n", 2, 19, "0 to 1023"},
	{"device: e\nworker_cores: [1, 2, 1]\n", 2, 15, "stands twice"},
	{"device: e\negress_core: one\n", 2, 14, "egress_core"},
	{"device: e\neal_prefix: a/b\n", 2, 13, "part of a file's name"},
};

static void faults_are_told_with_place_and_remedy(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct problems problems = {0};
		struct config c = {.journal_records = 7};

		CHECK(load(faults[i].text, &c, &problems) != SL_OK);
		CHECK_EQUAL(c.journal_records, 7);
		CHECK_FATAL(problems.error_count == 1);
		if (strstr(problems.items[0].what, faults[i].part) == NULL
		    || problems.items[0].line != faults[i].line
		    || problems.items[0].column != faults[i].column)
			problem_print(stdout, &problems.items[0]);
		CHECK(strstr(problems.items[0].what, faults[i].part) != NULL);
		CHECK_EQUAL(problems.items[0].line, faults[i].line);
		CHECK_EQUAL(problems.items[0].column, faults[i].column);
		CHECK(problems.items[0].remedy[0] != '\0');
		CHECK(strstr(problems.items[0].file, "sealane.yaml") != NULL);
		problems_done(&problems);
	}
}

static void all_faults_are_told_at_once(void)
{
	struct problems problems = {0};
	struct config c;

	CHECK(load("port: x\nframes: 1\nflush_us: 0\n", &c, &problems) != SL_OK);
	CHECK_EQUAL(problems.error_count, 3);
	problems_done(&problems);
}

static void what_is_too_long_is_refused(void)
{
	char text[2000];
	struct problems problems = {0};
	struct config c;

	for (size_t size = 200; size < 1500; size += 7) {
		snprintf(text, sizeof(text), "device: e\nvault: /%0*d\n", (int)size, 0);
		CHECK_EQUAL(load(text, &c, &problems) == SL_OK, size + 1 <= 255);
	}
	problems_done(&problems);
}

static void a_file_that_is_not_there(void)
{
	struct problems problems = {0};
	struct config c;

	CHECK(config_load("/nowhere/sealane.yaml", &c, &problems) != SL_OK);
	CHECK_EQUAL(problems.error_count, 1);
	problems_done(&problems);
}

static void the_explanation_names_every_key(void)
{
	static const char *const keys[] = {
#define CONFIG(key, form, member, least, most, otherwise, unit, help) #key,
#include "control/config.def"
#undef CONFIG
	};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_explain(out);
	fclose(out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK(strstr(text, keys[i]) != NULL);
	free(text);
}

static const struct check_test tests[] = {
	{"defaults hold when nothing is said", defaults_hold_when_nothing_is_said},
	{"every key is read", every_key_is_read},
	{"faults are told with place and remedy", faults_are_told_with_place_and_remedy},
	{"all faults are told at once", all_faults_are_told_at_once},
	{"what is too long is refused", what_is_too_long_is_refused},
	{"a file that is not there", a_file_that_is_not_there},
	{"the explanation names every key", the_explanation_names_every_key},
};

CHECK_MAIN("config")
