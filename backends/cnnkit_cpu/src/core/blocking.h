// How work is cut for the inner loops: counts as compile-time constants, shares of about the same size, whole
// cache lines.
#pragma once

#include <type_traits>

#include "core/vector.h"

constexpr int LINE = 16;  // floats of a cache line

static int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// The floats rounded up to whole cache lines, and one more: what begins a thread's own memory begins a line,
// and rows are not a multiple of the cache's size apart.
static long whole_lines(long floats) { return (floats + LINE - 1) / LINE * LINE + LINE; }

// Call with a number from 1 to Most as a compile-time constant: call(std::integral_constant<int, n>{}).
template <int Most, class Call>
INLINE void constant(int n, Call call) {
    if constexpr (Most > 1) {
        if (n < Most) return constant<Most - 1>(n, call);
    }
    call(std::integral_constant<int, Most>{});
}

// At most `most` vectors at a time, and no single one after them if that can be helped.
INLINE int share_without_single(int left, int most) {
    return left <= most ? left : left == most + 1 && most > 2 ? most - 1 : most;
}

// Rows of the next block of at most `most`: blocks of about the same size, for small ones waste the
// processor.
INLINE int even_share(int left, int most) {
    const int blocks = (left + most - 1) / most;
    return (left + blocks - 1) / blocks;
}
