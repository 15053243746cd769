// Interpolation along one axis, and its gradient: each row of results is a weighted sum of a few rows. Images
// are (before, length, after) in memory, whichever order their axes have there.
#pragma once

#include "core/parallel.h"
#include "interface.h"

// Result i is the sum of rows place[k] times weight[k], k from begin[i] to begin[i + 1]; no weights: it is
// the row itself.
EXPORT void resample_rows(int threads, long before, long length, long size, long after, const int* begin,
                          const int* place, const float* weight, const float* x, float* y) {
    const long rows = before * size, together = 1 + 4096 / (after + 1),
               tasks = (rows + together - 1) / together;
    parallel(threads_for(threads, rows * after), tasks, [=](long task, int) {
        const long end = (task + 1) * together < rows ? (task + 1) * together : rows;
        for (long row = task * together; row < end; row++) {
            const float* image = x + row / size * length * after;
            const int first = begin[row % size], last = begin[row % size + 1];
            float* to = y + row * after;
            long j = 0;
            for (; j + W <= after; j += W) {
                Floats sum{};
                for (int k = first; k < last; k++) {
                    const Floats part = load(image + place[k] * after + j);
                    sum = weight ? sum + part * splat(weight[k]) : part;
                }
                store(to + j, sum);
            }
            for (; j < after; j++) {
                float sum = 0;
                for (int k = first; k < last; k++) {
                    const float part = image[place[k] * after + j];
                    sum = weight ? sum + part * weight[k] : part;
                }
                to[j] = sum;
            }
        }
    });
}
