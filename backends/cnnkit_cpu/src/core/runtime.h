// What Python asks a library about itself: its compiler, vectors and threads, and the processor's instruction
// set.
#pragma once

#include "core/parallel.h"
#include "core/tame.h"
#include "interface.h"

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
    const unsigned processors = std::thread::hardware_concurrency();
    return processors ? static_cast<int>(processors) : 1;
}

// The widest instruction set that this processor and its operating system have: 2 AVX-512, 1 AVX2 with FMA, 0
// the baseline.
EXPORT int cpu_level() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 2;
    return 1;
#else
    return 0;
#endif
}

// After a fork: the child has none of the threads.
EXPORT void cpu_forked() { team = nullptr; }

// Begin or end to measure the threads' time; what was measured is 0 then.
EXPORT void cpu_watch(int on) {
    Team::Watch& watch = the_team().watch;
    watch.shared = watch.worked = 0;
    watch.watched = on != 0;
}

// Nanoseconds that jobs of several threads went on, and that their threads worked, all of them together.
EXPORT void cpu_watched(int64_t* nanoseconds) {
    nanoseconds[0] = the_team().watch.shared;
    nanoseconds[1] = the_team().watch.worked;
}

// Whether all numbers are finite, and so small that no sum of their products overflows.
EXPORT int cpu_tame(long count, const float* x) { return tame(x, count); }
