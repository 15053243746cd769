// The bias' gradient with the channels last in memory: the sum over all pixels of each channel, by spans of a
// fixed length that meet in double precision.
#pragma once

#include "core/parallel.h"
#include "interface.h"

constexpr long SPAN_PIXELS = 512;
EXPORT long channel_sums_room(long pixels, int C) { return (pixels + SPAN_PIXELS - 1) / SPAN_PIXELS * C; }

EXPORT void channel_sums(int threads, long pixels, int C, const float* dy, float* result, float* room) {
    const long spans = (pixels + SPAN_PIXELS - 1) / SPAN_PIXELS;
    parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
        const long end = (span + 1) * SPAN_PIXELS < pixels ? (span + 1) * SPAN_PIXELS : pixels;
        float* __restrict sum = room + span * C;
        for (int c = 0; c < C; c++) sum[c] = 0;
        for (long i = span * SPAN_PIXELS; i < end; i++)
            for (int c = 0; c < C; c++) sum[c] += dy[i * C + c];
    });
    for (int c = 0; c < C; c++) {
        double all = 0;
        for (long span = 0; span < spans; span++) all += room[span * C + c];
        result[c] = static_cast<float>(all);
    }
}
