// The mean of each map, with the channels last in memory or first, and its gradient: global average pooling.
// Long sums meet in double precision.
#pragma once

#include "core/lane_sums.h"
#include "core/parallel.h"
#include "interface.h"

constexpr long SOME_PIXELS = 64;

// x (N, pixels, C) -> y (N, C)
EXPORT void mean_channels_last(int threads, long N, long pixels, long C, const float* x, float* y) {
    const long parts = (C + W - 1) / W;
    parallel(threads_for(threads, N * pixels * C), N, [=](long n, int) {
        for (long part = 0; part < parts; part++) {
            const int some = C - part * W < W ? static_cast<int>(C - part * W) : W;
            const float* from = x + n * pixels * C + part * W;
            double all[W] = {};
            for (long i = 0; i < pixels; i += SOME_PIXELS) {
                const long end = i + SOME_PIXELS < pixels ? i + SOME_PIXELS : pixels;
                Floats sum{}, other{};
                long p = i;
                for (; p + 2 <= end; p += 2) {
                    sum += load_up_to(from + p * C, some);
                    other += load_up_to(from + (p + 1) * C, some);
                }
                if (p < end) sum += load_up_to(from + p * C, some);
                sum += other;
                for (int l = 0; l < some; l++) all[l] += sum[l];
            }
            for (int l = 0; l < some; l++) y[n * C + part * W + l] = static_cast<float>(all[l] / pixels);
        }
    });
}

// dy (N, C) -> dx (N, pixels, C)
EXPORT void mean_channels_last_gradient(int threads, long N, long pixels, long C, const float* dy,
                                        float* dx) {
    parallel(threads_for(threads, N * pixels * C), N, [=](long n, int) {
        float* first = dx + n * pixels * C;
        for (long c = 0; c < C; c++) first[c] = dy[n * C + c] / pixels;
        for (long p = 1; p < pixels; p++) copy_row(first, first + p * C, static_cast<int>(C));
    });
}

// x (maps, pixels) -> y (maps)
EXPORT void mean_planes(int threads, long maps, long pixels, const float* x, float* y) {
    parallel(threads_for(threads, maps * pixels), (maps + 63) / 64, [=](long task, int) {
        for (long map = task * 64; map < maps && map < task * 64 + 64; map++) {
            double all = 0;
            for (long i = 0; i < pixels; i += SOME_PIXELS * W) {
                const long end = i + SOME_PIXELS * W < pixels ? i + SOME_PIXELS * W : pixels;
                Floats sum{};
                long p = i;
                for (; p + W <= end; p += W) sum += load(x + map * pixels + p);
                if (p < end) sum += load_part(x + map * pixels + p, static_cast<int>(end - p));
                all += total(sum);
            }
            y[map] = static_cast<float>(all / pixels);
        }
    });
}

EXPORT void mean_planes_gradient(int threads, long maps, long pixels, const float* dy, float* dx) {
    parallel(threads_for(threads, maps * pixels), (maps + 63) / 64, [=](long task, int) {
        for (long map = task * 64; map < maps && map < task * 64 + 64; map++) {
            const float d = dy[map] / pixels;
            for (long p = 0; p < pixels; p++) dx[map * pixels + p] = d;
        }
    });
}
