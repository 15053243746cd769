// Look-ups by position: rows gathered from a table, and rows added into one. A table is (before, size, row),
// what is looked up in it (before, count, row), and position i of `index` says where row i belongs.
#pragma once

#include <cstring>

#include "core/parallel.h"
#include "interface.h"

// The first position that is not in 0 ... size - 1; -1 if all are.
static long first_outside(long count, const int64_t* index, long size) {
    const uint64_t limit = static_cast<uint64_t>(size);  // what is below 0 is above it
    uint64_t found = 0;                                  // without a way out, which vectors cannot take
    for (long i = 0; i < count; i++) found |= static_cast<uint64_t>(index[i]) >= limit;
    for (long i = 0; found; i++)
        if (static_cast<uint64_t>(index[i]) >= limit) return i;
    return -1;
}

// Rows of N bytes, whose copies are single instructions.
template <int N>
static void take_short(long count, const uint8_t* x, const int64_t* index, uint8_t* y) {
    for (long i = 0; i < count; i++) std::memcpy(y + i * N, x + index[i] * N, N);
}

// Rows of `bytes` bytes. Returns the first i whose position is outside, else -1; nothing is taken then.
EXPORT long take_rows(int threads, long before, long size, long count, long bytes, const uint8_t* x,
                      const int64_t* index, uint8_t* y) {
    const long outside = first_outside(count, index, size);
    if (outside >= 0 || !bytes) return outside;
    const long together = bytes < 4 * BLOCK ? 4 * BLOCK / bytes : 1;  // rows of a task
    const long tasks = (count + together - 1) / together;
    parallel(threads_for(threads, before * count * bytes / 4), before * tasks, [=](long task, int) {
        const long b = task / tasks, first = task % tasks * together;
        const long n = first + together < count ? together : count - first;
        const uint8_t* from = x + b * size * bytes;
        uint8_t* to = y + (b * count + first) * bytes;
        if (bytes == 4) return take_short<4>(n, from, index + first, to);
        if (bytes == 8) return take_short<8>(n, from, index + first, to);
        for (long i = 0; i < n; i++) std::memcpy(to + i * bytes, from + index[first + i] * bytes, bytes);
    });
    return -1;
}

// dx is the sums of the rows of dy that share a position, each in the order of the rows. A task has a part of
// dx, and looks at all positions for those that are in it: so no two threads add to one row. Short rows are
// one task: to guess wrong whether a position is in a part costs more than to add. Returns as take_rows does.
EXPORT long scatter_add_rows(int threads, long before, long size, long count, long row, const float* dy,
                             const int64_t* index, float* dx) {
    const long outside = first_outside(count, index, size);
    if (outside >= 0 || !row) return outside;
    const long rows = before * size;
    const long tasks = row < 8 ? 1 : threads_for(threads, before * (size + count) * row);
    parallel(static_cast<int>(tasks), tasks, [=](long task, int) {
        const long first = rows * task / tasks, end = rows * (task + 1) / tasks;
        if (first == end) return;
        std::memset(dx + first * row, 0, static_cast<size_t>(end - first) * row * sizeof(float));
        for (long start = first; start < end;) {
            const long b = start / size, low = start % size;
            const long high = (b + 1) * size < end ? size : end - b * size;
            for (long i = 0; i < count && row == 1; i++)  // no inner loop to begin and end
                if (index[i] >= low && index[i] < high) dx[b * size + index[i]] += dy[b * count + i];
            for (long i = 0; i < count && row > 1; i++) {
                if (index[i] < low || index[i] >= high) continue;
                const float* __restrict from = dy + (b * count + i) * row;
                float* __restrict to = dx + (b * size + index[i]) * row;
                for (long k = 0; k < row; k++) to[k] += from[k];
            }
            start = b * size + high;
        }
    });
    return -1;
}
