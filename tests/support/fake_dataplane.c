#include "control/api/counters.h"
#include "control/api/key_link.h"
#include "control/api/key_ring.h"
#include "control/api/link.h"
#include "control/unix_socket.h"
#include "io/base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// A dataplane without packets: it speaks control/api/link.h, checks everything that it gets, makes keys, counts events,
// and outlives its control. For tests of the control process.
//
// usage: fake_dataplane RUN_DIRECTORY | --message-size
//
// It says each thing that happens in a line, and is told by lines (what is to come is answered by "told ..."):
//	keys N      put N new keys of the first stream into the journal
//	events N    count N events of the first stream
//	rubbish     put a record that no sound dataplane writes into the journal
//	hole        reserve a record of the journal, and never write it
//	part        close the link right after the next hello, and do nothing more
//	refuse      answer the next plane with a refusal
//	mute        do not answer the next plane
//	hold        keep the next plane by, unanswered
//	answer      take the plane that was kept by, and answer
//	forget      let go of the plane: the next hello brings the journal alone
//	relink N    close the link and attach again, N times, as soon as the plane has come back
//	quit        end

enum {
	RECONNECT_MS = 200,
	RESERVED_AT = 64, // of the journal's head (key_ring.c)
	WORKERS = 2
};

static struct fake {
	const char *directory;
	int socket; // -1 = none
	int journal_fd;
	int image_fd;
	int table_fd[PLANE_STREAMS_MAX];
	uint32_t table_count;
	const struct plane_image *image;
	struct key_ring *ring;
	struct key_link_maker links;
	struct counters *counters;
	int counters_fd;
	bool refuses;
	bool is_mute;
	bool holds;
	bool parts;
	struct link_message held; // fd_count 0 = none
	int held_fds[LINK_FDS_MAX];
	long relinks; // left to do
} fake = {.socket = -1, .journal_fd = -1, .image_fd = -1, .counters_fd = -1};

static void say(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void must(bool is_good, const char *what)
{
	if (is_good)
		return;
	say("broken: %s", what);
	exit(EXIT_FAILURE);
}

static void make_counters(void)
{
	const size_t size = counters_size(WORKERS);

	fake.counters_fd = memfd_create("fake-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	must(fake.counters_fd >= 0 && ftruncate(fake.counters_fd, (off_t)size) == 0
		     && fcntl(fake.counters_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0,
	     "counters");
	fake.counters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fake.counters_fd, 0);
	must(fake.counters != MAP_FAILED, "counters");
	fake.counters->magic = COUNTERS_MAGIC;
	fake.counters->version = COUNTERS_VERSION;
	fake.counters->size = (uint32_t)size;
	fake.counters->worker_count = WORKERS;
	fake.counters->pid = (uint64_t)getpid();
	fake.counters->started_ns = clock_monotonic_ns();
	for (uint32_t w = 0; w < WORKERS; w++)
		fake.counters->worker_core[w] = UINT32_MAX;
}

static void send_simple(uint32_t kind, uint64_t epoch, uint32_t status, const char *text)
{
	struct link_message m = {.kind = kind, .epoch = epoch, .status = status};

	snprintf(m.text, sizeof(m.text), "%s", text);
	(void)!link_send(fake.socket, &m, NULL, 0);
}

static void hello(void)
{
	struct link_message m = {.kind = LINK_HELLO, .pid = (uint32_t)getpid()};
	int fds[LINK_FDS_MAX];
	uint32_t count = 0;

	if (fake.journal_fd >= 0)
		fds[count++] = fake.journal_fd;
	if (fake.image != NULL) {
		m.epoch = fake.image->epoch;
		m.has_image = 1;
		fds[count++] = fake.image_fd;
		for (uint32_t i = 0; i < fake.table_count; i++)
			fds[count++] = fake.table_fd[i];
	}
	(void)!link_send(fake.socket, &m, fds, count);
	m = (struct link_message){.kind = LINK_COUNTERS};
	(void)!link_send(fake.socket, &m, &fake.counters_fd, 1);
}

static void connect_again(void)
{
	char path[300];
	struct problem problem;

	snprintf(path, sizeof(path), "%s/dataplane.sock", fake.directory);
	if (unix_socket_connect(path, SOCK_SEQPACKET, &fake.socket, &problem) != SL_OK) {
		fake.socket = -1;
		return;
	}
	if (fake.relinks == 0)
		say("connected");
	hello();
	if (!fake.parts)
		return;
	close(fake.socket);
	say("parted");
	for (;;)
		pause();
}

static void close_link(void)
{
	if (fake.socket >= 0)
		close(fake.socket);
	fake.socket = -1;
	say("lost");
	usleep(RECONNECT_MS * 1000);
}

static void take_journal(int fd)
{
	struct problem problem;
	uint8_t last[KEY_LINK_SIZE];

	must(key_ring_attach(fd, &fake.ring, &problem) == SL_OK, "journal");
	key_ring_last_link(fake.ring, last);
	key_link_init(&fake.links, last);
	fake.journal_fd = fd;
}

static void drop_plane(void)
{
	if (fake.image != NULL)
		munmap((void *)fake.image, fake.image->size);
	if (fake.image_fd >= 0)
		close(fake.image_fd);
	for (uint32_t i = 0; i < fake.table_count; i++)
		close(fake.table_fd[i]);
	fake.image = NULL;
	fake.image_fd = -1;
	fake.table_count = 0;
}

/** Check image and tables as the real one does; they are good or we end. */
static void take_plane(const struct link_message *m, const int fds[])
{
	struct problem problem;
	struct stat about;
	const struct plane_stream *streams;
	void *map;

	must(fstat(fds[0], &about) == 0, "image");
	map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fds[0], 0);
	must(map != MAP_FAILED, "image");
	must(plane_image_check(map, (size_t)about.st_size, &problem) == SL_OK, problem.what);
	drop_plane();
	fake.image = map;
	fake.image_fd = fds[0];
	fake.table_count = m->fd_count - 1;
	memcpy(fake.table_fd, fds + 1, fake.table_count * sizeof(int));
	must(fake.image->epoch == m->epoch, "epoch");
	must(fake.image->streams.count == fake.table_count, "tables");
	streams = plane_streams(fake.image);
	for (uint32_t i = 0; i < fake.table_count; i++) {
		struct key_table *table;

		must(key_table_attach(fake.table_fd[streams[i].table_fd], &table, &problem)
			     == SL_OK,
		     problem.what);
		must(key_table_use(table).scope == streams[i].scope, "scope");
		key_table_free(table);
		memcpy(fake.counters->stream_id[i], streams[i].id, 16);
	}
}

/** By which one memfd is told from another. */
static uint64_t number_of(int fd)
{
	struct stat about = {0};

	must(fstat(fd, &about) == 0, "memfd");
	return about.st_ino;
}

static void apply(const struct link_message *m, int fds[])
{
	if (fake.refuses || fake.is_mute) {
		say("%s %" PRIu64, fake.refuses ? "refused" : "ignored", m->epoch);
		if (fake.refuses)
			send_simple(
				LINK_APPLIED, m->epoch, SL_E_INVALID, "the fake was told to refuse"
			);
		fake.refuses = fake.is_mute = false;
		for (uint32_t i = 0; i < m->fd_count; i++)
			close(fds[i]);
		return;
	}
	if (fake.holds) {
		say("held %" PRIu64, m->epoch);
		fake.held = *m;
		memcpy(fake.held_fds, fds, sizeof(fake.held_fds));
		fake.holds = false;
		return;
	}
	take_plane(m, fds);
	atomic_store(&fake.counters->epoch, m->epoch);
	send_simple(LINK_APPLIED, m->epoch, SL_OK, "");
	if (fake.relinks > 0 && --fake.relinks == 0)
		say("relinked");
	if (fake.relinks == 0) {
		say("table %" PRIu64, number_of(fake.table_fd[0]));
		say("applied %" PRIu64 " streams %u", m->epoch, fake.table_count);
		return;
	}
	close(fake.socket);
	fake.socket = -1;
}

/** A dataplane starts its workers by the first settings that it gets. */
static void take_settings(const struct settings *settings)
{
	for (uint32_t w = 0; w < WORKERS && w < settings->worker_count; w++)
		fake.counters->worker_core[w] = settings->worker_core[w];
}

static void take_message(void)
{
	struct link_message m;
	int fds[LINK_FDS_MAX];
	enum sl_status status = link_receive(fake.socket, &m, fds);

	if (status != SL_OK) {
		close_link();
		return;
	}
	if (m.kind == LINK_WELCOME) {
		if (m.fd_count != 0) {
			take_settings(&m.settings);
			take_journal(fds[0]);
		}
		if (fake.relinks == 0)
			say("welcome journal %u", m.fd_count);
	} else if (m.kind == LINK_APPLY) {
		apply(&m, fds);
	} else if (m.kind == LINK_STOP) {
		send_simple(LINK_STOPPED, 0, SL_OK, "");
		say("stopped");
		exit(EXIT_SUCCESS);
	}
}

static void put_keys(long count)
{
	uint8_t random[KEY_LINK_RANDOM_SIZE];
	struct key_record record = {
		.scope = plane_streams(fake.image)[0].scope, .created_ms = clock_wall_ms()};
	uint64_t position = 0;

	for (long i = 0; i < count; i++) {
		must(getrandom(random, sizeof(random), 0) == sizeof(random)
			     && getrandom(record.dek, KEY_SIZE, 0) == KEY_SIZE
			     && getrandom(record.name_hash, KEY_HASH_SIZE, 0) == KEY_HASH_SIZE,
		     "random");
		key_link_next(&fake.links, record.created_ms, random, record.link);
		key_ring_set_last_link(fake.ring, record.link);
		while ((position = key_ring_put(fake.ring, &record)) == 0)
			usleep(1000);
	}
	say("put %ld to %" PRIu64, count, position);
}

static void answer(void)
{
	const struct link_message m = fake.held;

	must(m.fd_count != 0, "nothing is held");
	fake.held.fd_count = 0;
	apply(&m, fake.held_fds);
}

static void put_rubbish(void)
{
	const struct key_record record = {.flags = UINT64_MAX};

	say("put rubbish to %" PRIu64, key_ring_put(fake.ring, &record));
}

/** What a death between reserving and writing leaves. */
static void put_hole(void)
{
	uint8_t *head =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, key_ring_fd(fake.ring), 0);

	must(head != MAP_FAILED, "journal");
	atomic_fetch_add((_Atomic uint64_t *)(head + RESERVED_AT), 1);
	munmap(head, 4096);
	say("put hole");
}

static void relink(long count)
{
	fake.relinks = count;
	close(fake.socket);
	fake.socket = -1;
}

static void count_events(long count)
{
	struct counters_row *row = &fake.counters->row[0];
	struct counters_sink_row *sink = &fake.counters->sink[0];
	const uint64_t n = (uint64_t)count;

	atomic_fetch_add(&row->value[COUNTER_EVENTS_IN], n);
	atomic_fetch_add(&row->value[COUNTER_EVENTS_SEALED], n);
	atomic_fetch_add(&row->frame_drop[1], 1);
	atomic_fetch_add(&row->event_drop[2], 1);
	atomic_fetch_add(&sink->rows_delivered, n);
	atomic_fetch_add(&sink->latency_ns[counters_latency_bucket(150000)], n);
	atomic_fetch_add(&fake.counters->busy_cycles[0], 300);
	atomic_fetch_add(&fake.counters->idle_cycles[0], 700);
	say("counted %ld", count);
}

/** What holds from here on; whoever said so is told that it is understood. false: it is none of these */
static bool note(const char *line)
{
	if (strcmp(line, "hold") == 0)
		fake.holds = true;
	else if (strcmp(line, "forget") == 0)
		drop_plane();
	else if (strcmp(line, "part") == 0)
		fake.parts = true;
	else if (strcmp(line, "refuse") == 0)
		fake.refuses = true;
	else if (strcmp(line, "mute") == 0)
		fake.is_mute = true;
	else
		return false;
	say("told %s", line);
	return true;
}

static void obey(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "keys ", 5) == 0)
		put_keys(strtol(line + 5, NULL, 10));
	else if (strncmp(line, "events ", 7) == 0)
		count_events(strtol(line + 7, NULL, 10));
	else if (strncmp(line, "relink ", 7) == 0)
		relink(strtol(line + 7, NULL, 10));
	else if (strcmp(line, "answer") == 0)
		answer();
	else if (strcmp(line, "rubbish") == 0)
		put_rubbish();
	else if (strcmp(line, "hole") == 0)
		put_hole();
	else if (strcmp(line, "quit") == 0)
		exit(EXIT_SUCCESS);
	else
		must(note(line), line);
}

int main(int argc, char **argv)
{
	must(argc == 2, "usage: fake_dataplane RUN_DIRECTORY | --message-size");
	if (strcmp(argv[1], "--message-size") == 0) {
		say("%zu", sizeof(struct link_message));
		return EXIT_SUCCESS;
	}
	fake.directory = argv[1];
	make_counters();
	// Lines are read by the descriptor: poll does not see what stdio holds.
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd p[2] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = fake.socket, .events = POLLIN},
		};
		char line[100];

		if (fake.socket < 0)
			connect_again();
		p[1].fd = fake.socket;
		(void)poll(p, 2, fake.socket < 0 ? RECONNECT_MS : -1);
		if (p[1].revents != 0 && fake.socket >= 0)
			take_message();
		if (p[0].revents != 0) {
			if (fgets(line, sizeof(line), stdin) == NULL)
				exit(EXIT_SUCCESS);
			obey(line);
		}
	}
}
