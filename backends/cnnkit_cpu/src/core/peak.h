// As many multiply-adds a second as the processor can make: numbers stay in registers, and every vector
// unit is busy. A kernel's share of this is its height below the roofline.
#pragma once

#include "core/parallel.h"
#include "interface.h"

constexpr int CHAINS = REGISTERS == 32 ? 24 : 12;  // sums that do not wait for each other
constexpr int PEAK_TASKS = 8;                      // for each thread, so that a late one delays nobody

// Each of 8 * threads tasks makes `rounds` times CHAINS multiply-adds of vectors. The result means nothing;
// it is there so that no compiler leaves the work out.
EXPORT float peak_multiply_adds(int threads, long rounds) {
    std::atomic<int> beyond{0};
    parallel(threads, static_cast<long>(threads) * PEAK_TASKS, [&](long i, int) {
        Floats sums[CHAINS];
        const Floats factor = splat(0.999f + 1e-6f * static_cast<float>(i % 7)), term = splat(1e-3f);
        for (int c = 0; c < CHAINS; c++) sums[c] = splat(static_cast<float>(c));
        for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 32
            for (int c = 0; c < CHAINS; c++) sums[c] = sums[c] * factor + term;
        }
        Floats total = sums[0];
        for (int c = 1; c < CHAINS; c++) total = total + sums[c];
        if (total[0] > 1e6f) beyond.fetch_add(1);
    });
    return static_cast<float>(beyond.load());
}

// How many multiplications and additions a call makes.
EXPORT double peak_operations(int threads, long rounds) {
    return 2.0 * W * CHAINS * PEAK_TASKS * threads * static_cast<double>(rounds);
}
