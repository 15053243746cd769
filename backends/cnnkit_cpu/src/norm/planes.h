// Batch normalisation on images in C order, with ReLU or without: a channel to a task, mean and variance in
// two passes over its planes.
#pragma once

#include <cmath>

#include "core/parallel.h"
#include "interface.h"

constexpr long PARTIAL = 128 * W;  // numbers of a partial sum: a long sum of floats loses its last digits

// Sum over one channel's planes of read(i), i counting elements from the array's start, in an order fixed by
// the shape.
template <class Read>
INLINE double channel_sum(long N, long C, long c, long size, Read read) {
    double all = 0;
    for (long n = 0; n < N; n++) {
        const long start = (n * C + c) * size;
        for (long i = 0; i < size;) {
            const long end = i + PARTIAL < size ? i + PARTIAL : size;
            float lanes[2 * W] = {};
            for (; i + 2 * W <= end; i += 2 * W)
                for (int l = 0; l < 2 * W; l++) lanes[l] += read(start + i + l);
            for (int l = 0; i < end; i++, l++) lanes[l] += read(start + i);
            for (int l = 0; l < 2 * W; l++) all += lanes[l];
        }
    }
    return all;
}

// Each channel's mean and variance (divisor n).
EXPORT void norm_statistics(int threads, long N, long C, long size, const float* x, float* mean, float* var) {
    parallel(threads_for(threads, N * C * size), C, [&](long c, int) {
        const float m =
            static_cast<float>(channel_sum(N, C, c, size, [=](long i) { return x[i]; }) / (N * size));
        mean[c] = m;
        var[c] = static_cast<float>(
            channel_sum(N, C, c, size, [=](long i) { return (x[i] - m) * (x[i] - m); }) / (N * size));
    });
}

// y = (x - mean) * scale + bias, bias being null or one for each channel.
EXPORT void norm_forward(int threads, long N, long C, long size, const float* x, const float* mean,
                         const float* scale, const float* bias, int relu, float* y) {
    parallel(threads_for(threads, N * C * size), N * C, [&](long plane, int) {
        const long c = plane % C, start = plane * size;
        const float m = mean[c], by = scale[c], add = bias ? bias[c] : 0.0f;
        for (long i = start; i < start + size; i++) {
            const float v = (x[i] - m) * by + add;
            y[i] = relu && v <= 0 ? 0.0f : v;
        }
    });
}

// dbias = sum dy, dweight = sum dy (x - mean) rstd; dx = scale dy, in training less (dbias + (x - mean) rstd
// dweight) / n times scale. `y` is null without ReLU; dx may be null.
EXPORT void norm_backward(int threads, long N, long C, long size, const float* x, const float* mean,
                          const float* rstd, const float* scale, const float* y, const float* dy,
                          int training, float* dx, float* dweight, float* dbias) {
    parallel(threads_for(threads, N * C * size), C, [&](long c, int) {
        const float m = mean[c], r = rstd[c], by = scale[c];
        const auto differentiate = [&](auto gradient) {
            const double total = channel_sum(N, C, c, size, gradient);
            const double along = channel_sum(N, C, c, size, [=](long i) { return gradient(i) * (x[i] - m); });
            dbias[c] = static_cast<float>(total);
            dweight[c] = static_cast<float>(along * r);
            if (!dx) return;
            const float first = training ? static_cast<float>(total / (N * size)) : 0.0f;
            const float second = training ? static_cast<float>(along * r * r / (N * size)) : 0.0f;
            for (long n = 0; n < N; n++) {
                const long start = (n * C + c) * size;
                for (long i = start; i < start + size; i++)
                    dx[i] = training ? (gradient(i) - first - (x[i] - m) * second) * by : gradient(i) * by;
            }
        };
        if (y)
            differentiate([=](long i) {
                // Read in any case: g++ 12's loop vectoriser for AVX2 sums up wrong numbers if the load has a
                // condition. Its fault: -fno-tree-loop-vectorize is right, -fno-strict-aliasing is not, and
                // the sanitizers find nothing.
                const float d = dy[i];
                return y[i] <= 0 ? 0.0f : d;
            });
        else
            differentiate([=](long i) { return dy[i]; });
    });
}
