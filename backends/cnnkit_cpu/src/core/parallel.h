// How a kernel shares its work among threads: `parallel` runs numbered tasks, `over_blocks` ranges of flat
// arrays.
#pragma once

#include <new>

#include "core/threads.h"

static std::atomic<Team*> team{nullptr};  // never deleted: its threads outlive everything

static Team& the_team() {
    Team *existing = team.load(), *mine = nullptr;
    if (!existing && !team.compare_exchange_strong(existing, mine = new Team)) delete mine;
    return *team.load();
}

// A function by itself: inlined into `parallel`, each task would be compiled twice.
template <class Task>
NOINLINE void run_task(void* task, long i, int thread) {
    (*static_cast<Task*>(task))(i, thread);
}

// Run task(i, thread) for i = 0 ... count - 1, in any order and on any thread: a result must not depend on
// either.
template <class Task>
static void parallel(int threads, long count, Task task) {
    if (count <= 1 || threads <= 1) {
        for (long i = 0; i < count; i++) run_task<Task>(&task, i, 0);
        return;
    }
    the_team().run(threads, count, run_task<Task>, &task);
}

// The same with each thread's part of the tasks from its end: for a second pass over what the first one has
// left in the processors' caches, the end of each part.
template <class Task>
static void parallel_backwards(int threads, long count, Task task) {
    const long members = threads < 1 ? 1 : threads < count ? threads : count;
    parallel(threads, count, [&](long i, int thread) {
        const long part = ((i + 1) * members - 1) / count;  // as Team::run cuts them
        task(count * part / members + count * (part + 1) / members - 1 - i, thread);
    });
}

// Says once for each thread that it takes its first task: then it clears its scratch itself, into its own
// cache.
struct FirstVisits {
    bool seen[MOST_THREADS] = {};
    bool first(int thread) { return !std::exchange(seen[thread], true); }
};

// All threads, or one where there are too few elements to share.
INLINE int threads_for(int threads, long elements) { return elements < 16384 ? 1 : threads; }

constexpr long BLOCK = 1 << 14;  // floats of a task

// Run task(first, end) over blocks of count elements; small arrays stay on the calling thread.
template <class Task>
static void over_blocks(int threads, long count, Task task) {
    parallel(count < 2 * BLOCK ? 1 : threads, (count + BLOCK - 1) / BLOCK,
             [&](long i, int) { task(i * BLOCK, (i + 1) * BLOCK < count ? (i + 1) * BLOCK : count); });
}
