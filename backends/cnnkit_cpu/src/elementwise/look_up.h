// Values of uint8 pixels, looked up: a table of 256 floats for each channel, which scales and normalises a
// batch of images.
#pragma once

#include <cstring>

#include "core/parallel.h"
#include "interface.h"

// Eight pixels to a load: gathering by vectors is slower on many processors.
INLINE void look_up_map(long size, const uint8_t* x, const float* table, float* y) {
    long i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t pixels;
        memcpy(&pixels, x + i, 8);
        float found[8];
        for (int k = 0; k < 8; k++) found[k] = table[pixels >> 8 * k & 255];
        memcpy(y + i, found, sizeof found);
    }
    for (; i < size; i++) y[i] = table[x[i]];
}

EXPORT void look_up(int threads, long maps, long channels, long size, const uint8_t* x, const float* values,
                    float* y) {
    // maps of a task
    const long together = size < (1 << 14) ? ((1 << 14) + size - 1) / (size ? size : 1) : 1;
    const long tasks = (maps + together - 1) / together;
    parallel(tasks < 2 ? 1 : threads, tasks, [=](long task, int) {
        const long end = (task + 1) * together < maps ? (task + 1) * together : maps;
        for (long map = task * together; map < end; map++)
            look_up_map(size, x + map * size, values + map % channels * 256, y + map * size);
    });
}
