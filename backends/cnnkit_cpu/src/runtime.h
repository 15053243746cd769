// The library's own affairs: which instruction set and compiler it has, threads, and what it does before a fork.
#pragma once

#include <omp.h>

#include "vector.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "g++ " __VERSION__
#endif

EXPORT const char* cpu_compiler() { return COMPILER; }

EXPORT int cpu_width() { return BYTES; }

// OMP_NUM_THREADS, or one for each core.
EXPORT int cpu_threads() { return omp_get_max_threads(); }

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

// Give the pool's threads back: a forked child has none of them, and would wait for them for ever.
EXPORT void cpu_pause() {
#if _OPENMP >= 201811 || (defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9)
    omp_pause_resource_all(omp_pause_soft);
#endif
}

// Run task(i, thread) for i = 0 ... count - 1, in any order and on any thread: a result must not depend on either.
template <class Task>
static void parallel(int threads, long count, Task task) {
    if (count <= 1 || threads <= 1) {
        for (long i = 0; i < count; i++) task(i, 0);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(static_cast<int>(count < threads ? count : threads))
    for (long i = 0; i < count; i++) task(i, omp_get_thread_num());
}

// Says once for each thread that it is there for the first time: its scratch is cleared by itself, into its own cache.
struct Ready {
    bool seen[1024] = {};
    bool first(int thread) { return !std::exchange(seen[thread], true); }
};
