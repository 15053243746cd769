// The library's own affairs: which instruction set and compiler it has, and how work is shared among threads.
#pragma once

#include "threads.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "g++ " __VERSION__
#endif

EXPORT const char* cpu_compiler() { return COMPILER; }

EXPORT int cpu_width() { return BYTES; }

// OMP_NUM_THREADS, or one for each processor that the process may use.
EXPORT int cpu_threads() {
    const char* wanted = std::getenv("OMP_NUM_THREADS");
    const long count = wanted ? std::strtol(wanted, nullptr, 10) : 0;
    if (count >= 1) return static_cast<int>(count < MOST_THREADS ? count : MOST_THREADS);
    const unsigned there = std::thread::hardware_concurrency();
    return there ? static_cast<int>(there) : 1;
}

// The widest instruction set that this processor and its operating system have: 2 AVX-512, 1 AVX2 with FMA, 0 the baseline.
EXPORT int cpu_level() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return 2;
    return 1;
#else
    return 0;
#endif
}

static std::atomic<Team*> team{nullptr};  // never deleted: its threads outlive everything

// After a fork: the child has none of the threads.
EXPORT void cpu_forked() { team = nullptr; }

static Team& the_team() {
    Team *there = team.load(), *mine = nullptr;
    if (!there && !team.compare_exchange_strong(there, mine = new Team)) delete mine;
    return *team.load();
}

// Run task(i, thread) for i = 0 ... count - 1, in any order and on any thread: a result must not depend on either.
template <class Task>
static void parallel(int threads, long count, Task task) {
    if (count <= 1 || threads <= 1) {
        for (long i = 0; i < count; i++) task(i, 0);
        return;
    }
    the_team().run(threads, count, [](void* it, long i, int thread) { (*static_cast<Task*>(it))(i, thread); }, &task);
}

// Says once for each thread that it is there for the first time: its scratch is cleared by itself, into its own cache.
struct Ready {
    bool seen[MOST_THREADS] = {};
    bool first(int thread) { return !std::exchange(seen[thread], true); }
};
