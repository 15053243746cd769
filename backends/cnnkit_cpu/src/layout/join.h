// Arrays joined along an axis: rows of theirs side by side. Where channels lie last in memory, those of a
// pixel are such a row.
#pragma once

#include "core/parallel.h"
#include "interface.h"

EXPORT void join_rows(int threads, long arrays, long rows, const long* sizes, const float* const* from,
                      float* to) {
    long whole = 0;
    for (long a = 0; a < arrays; a++) whole += sizes[a];
    const long together = 1 + 4096 / (whole + 1), tasks = (rows + together - 1) / together;
    parallel(threads_for(threads, rows * whole), tasks, [=](long task, int) {
        const long first = task * together, end = first + together < rows ? first + together : rows;
        long at = 0;
        for (long a = 0; a < arrays; at += sizes[a++])
            for (long row = first; row < end; row++)
                copy_row(from[a] + row * sizes[a], to + row * whole + at, static_cast<int>(sizes[a]));
    });
}
