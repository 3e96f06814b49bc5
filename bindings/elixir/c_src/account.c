/*
 * What a thread remembers: its number, and the work it has not yet charged to a process.
 *
 * The emulator counts a NIF call as one of the 4,000 reductions of a timeslice, whatever it took.
 * A loop of calls that take microseconds would so hold its scheduler for many milliseconds. The
 * smallest charge is one percent of a timeslice, 40 reductions, which ordinary code runs in about
 * 4 us; so work is summed up on the thread until that much is due, and whoever runs then pays.
 */
#include "nif.h"

#define PERCENT_NS 4000

static _Thread_local struct {
    unsigned number; /* 0: not numbered yet */
    unsigned due_ns;
} self;

unsigned thread_number(void) {
    static atomic_uint last;
    if (self.number == 0) self.number = atomic_fetch_add(&last, 1) + 1;
    return self.number;
}

void charge(ErlNifEnv *env, size_t nanoseconds) {
    size_t due = self.due_ns + nanoseconds;
    if (due < PERCENT_NS) {
        self.due_ns = (unsigned)due;
        return;
    }
    size_t percent = due / PERCENT_NS;
    self.due_ns = (unsigned)(due % PERCENT_NS);
    enif_consume_timeslice(env, percent > 100 ? 100 : (int)percent);
}
