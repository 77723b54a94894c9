#include "dataplane/datagram/server_inner.h"

#include <sched.h>

enum {
	SPINS_MAX = 2000 // then its holder has lost the core
};

/** The lock in at most so many looks. */
static bool take_within(struct lock *lock, unsigned spins)
{
	// Pairs with the release in lock_release.
	while (atomic_exchange_explicit(&lock->is_taken, true, memory_order_acquire)) {
		do {
			if (spins-- == 0)
				return false;
			__builtin_ia32_pause();
		} while (atomic_load_explicit(&lock->is_taken, memory_order_relaxed));
	}
	return true;
}

void lock_take(struct lock *lock)
{
	while (!take_within(lock, SPINS_MAX))
		sched_yield();
}

bool lock_try(struct lock *lock)
{
	return take_within(lock, SPINS_MAX);
}

void lock_release(struct lock *lock)
{
	atomic_store_explicit(&lock->is_taken, false, memory_order_release);
}
