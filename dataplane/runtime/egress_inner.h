#pragma once

#include "dataplane/runtime/egress.h"
#include "dataplane/runtime/marks.h"
#include "io/checkpoint.h"

#include <pthread.h>
#include <stdatomic.h>

// Inside of egress: egress.c is the thread and its round, egress_commit.c the checkpoint, egress_outlets.c the coming and
// going of outlets.

enum {
	EGRESS_CREDIT_MAX = 1024 // datagrams that a client may have on their way
};

struct egress;

/** Something for the egress thread to do between two rounds. */
struct egress_command {
	void (*run)(struct egress *egress, struct egress_command *self);
};

struct egress {
	struct egress_setup setup;
	pthread_t thread;
	struct outlet *outlets; // list; the thread's, changed under list_lock
	_Atomic(struct outlet *)
		newcomers; // list; under list_lock, but to see whether there is one
	pthread_mutex_t
		list_lock; // of the lists, of is_retired and marks, between the one caller and the thread
	atomic_bool has_retired; // one was retired since the thread last looked
	uint64_t out;            // parcels here
	uint64_t commit_ns;      // of the next commit
	uint64_t tick_ns;        // of the next look at counters and retired outlets

	struct checkpoint *checkpoint;
	struct marks marks;
	uint8_t *record; // [record_capacity] owned
	size_t record_capacity;
	bool is_unwritten; // the last checkpoint could not be written
	bool has_told;     // of marks that no outlet has; the caller's

	pthread_mutex_t lock; // of command, between the one caller and the thread
	pthread_cond_t is_run;
	_Atomic(struct egress_command *) command;
	atomic_bool is_ended;
};

/** Run a command in the egress thread and wait for it. One caller at a time. */
void egress_call(struct egress *egress, struct egress_command *command);

/** One round of the thread. @return whether anything moved */
bool egress_round(struct egress *egress);

/** Give a parcel back to its worker. */
void egress_done(void *self, struct parcel *parcel);

/** Read the checkpoint. */
enum sl_status egress_restore(struct egress *egress, struct problem *ret_problem);

/** Sync what is due, write a checkpoint, let acknowledgements go. */
void egress_commit(struct egress *egress);

/** Take over the newcomers. */
void egress_take_newcomers(struct egress *egress);

/** Take all that workers have handed over until now. @return whether there was something */
bool egress_take_parcels(struct egress *egress);

/** Close retired outlets that are empty; open those that waited for it. */
void egress_close_retired(struct egress *egress);

/** Close everything and release; the thread does not run. */
void egress_done_all(struct egress *egress);
