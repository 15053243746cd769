// Batch normalisation on images in C order, with ReLU or without: a channel to a task.
//
// A mean is two numbers, mean[c] and mean[C + c]: a center near it, and what it is beyond. Sums are those of
// differences to the center, so that numbers which hardly differ beside their size lose no digits.
#pragma once

#include <cmath>

#include "core/parallel.h"
#include "elementwise/activation.h"
#include "interface.h"

constexpr long PARTIAL = 128 * W;  // numbers of a partial sum: a long sum of floats loses its last digits

struct TwoSums {
    double first, second;
};

// Sums over one channel's planes of the two numbers that read(i, &, &) sets, i counting elements from the
// array's start, in an order fixed by the shape.
template <class Read>
INLINE TwoSums channel_sums(long N, long C, long c, long size, Read read) {
    TwoSums all{};
    for (long n = 0; n < N; n++) {
        const long start = (n * C + c) * size;
        for (long i = 0; i < size;) {
            const long end = i + PARTIAL < size ? i + PARTIAL : size;
            float first[2 * W] = {}, second[2 * W] = {};
            for (; i + 2 * W <= end; i += 2 * W)
                for (int l = 0; l < 2 * W; l++) {
                    float a, b;
                    read(start + i + l, a, b);
                    first[l] += a, second[l] += b;
                }
            for (int l = 0; i < end; i++, l++) {
                float a, b;
                read(start + i, a, b);
                first[l] += a, second[l] += b;
            }
            for (int l = 0; l < 2 * W; l++) all.first += first[l], all.second += second[l];
        }
    }
    return all;
}

constexpr long SAMPLES = 8;  // along either axis

// A center, or 0 where nothing may be taken from large numbers, because that might overflow.
INLINE float center_or_zero(float x) { return std::fabs(x) <= 7.9e28f ? x : 0.0f; }

// A number near a channel's mean: that of a constant channel is its constant.
static float near_mean(long N, long C, long c, long size, const float* x) {
    const long images = (N + SAMPLES - 1) / SAMPLES, step = (size + SAMPLES - 1) / SAMPLES;
    const float start = x[c * size];
    double all = 0;
    long count = 0;
    for (long n = 0; n < N; n += images)
        for (long i = 0; i < size; i += step, count++) all += x[(n * C + c) * size + i] - start;
    return center_or_zero(start + static_cast<float>(all / count));
}

// Each channel's mean and variance (divisor n).
EXPORT void norm_statistics(int threads, long N, long C, long size, const float* x, float* mean, float* var) {
    parallel(threads_for(threads, N * C * size), C, [&](long c, int) {
        const float center = near_mean(N, C, c, size, x);
        const auto about = [=](float beyond) {
            return channel_sums(N, C, c, size,
                                [=](long i, float& a, float& b) { a = x[i] - center - beyond, b = a * a; });
        };
        const double count = static_cast<double>(N * size);
        const TwoSums sums = about(0);
        const double more = sums.first / count;
        double spread = sums.second / count - more * more;
        // infinity less infinity is NaN: about the mean itself a large number leaves infinity
        if (!std::isfinite(spread)) spread = about(static_cast<float>(more)).second / count;
        mean[c] = center, mean[C + c] = static_cast<float>(more);
        var[c] = spread < 0 ? 0.0f : static_cast<float>(spread);
    });
}

// y = (x - mean) * scale + bias, bias being null or one for each channel; then the activation.
EXPORT void norm_forward(int threads, long N, long C, long size, const float* x, const float* mean,
                         const float* scale, const float* bias, int function, float a, float b, float* y) {
    parallel(threads_for(threads, N * C * size), N * C, [&](long plane, int) {
        const long c = plane % C, start = plane * size;
        const float m = mean[c], more = mean[C + c], by = scale[c], add = bias ? bias[c] : 0.0f;
        const bool relu = function == RELU;
        for (long i = start; i < start + size; i++) {
            const float v = (x[i] - m - more) * by + add;
            y[i] = relu && v <= 0 ? 0.0f : v;
        }
        if (function > RELU) activate(function, a, b, size, y + start, y + start);
    });
}

// dz = dy times the activation's derivative, at what `norm_forward` has computed before it: for
// `norm_backward`.
EXPORT void norm_activation_gradient(int threads, long N, long C, long size, const float* x,
                                     const float* mean, const float* scale, const float* bias, int function,
                                     float a, float b, const float* dy, float* dz) {
    parallel(threads_for(threads, N * C * size), N * C, [&](long plane, int) {
        const long c = plane % C, start = plane * size;
        const float m = mean[c], more = mean[C + c], by = scale[c], add = bias ? bias[c] : 0.0f;
        for (long i = start; i < start + size; i++) dz[i] = (x[i] - m - more) * by + add;
        differentiate(function, a, b, size, false, dz + start, dy + start, dz + start);
    });
}

// dbias = sum dy, dweight = sum dy (x - mean) rstd; dx = scale dy, in training less (dbias + (x - mean) rstd
// dweight) / n times scale. `y` is null without ReLU; dx may be null, or dy.
EXPORT void norm_backward(int threads, long N, long C, long size, const float* x, const float* mean,
                          const float* rstd, const float* scale, const float* y, const float* dy,
                          int training, float* dx, float* dweight, float* dbias) {
    parallel(threads_for(threads, N * C * size), C, [&](long c, int) {
        const float m = mean[c], more = mean[C + c], r = rstd[c], by = scale[c];
        const auto run = [&](auto gradient) {
            const TwoSums sums = channel_sums(N, C, c, size, [=](long i, float& a, float& b) {
                a = gradient(i), b = a * ((x[i] - m - more) * r);
            });
            dbias[c] = static_cast<float>(sums.first);
            dweight[c] = static_cast<float>(sums.second);
            if (!dx) return;
            const float first = training ? static_cast<float>(sums.first / (N * size)) : 0.0f;
            const float second = training ? static_cast<float>(sums.second * r / (N * size)) : 0.0f;
            for (long n = 0; n < N; n++) {
                const long start = (n * C + c) * size;
                for (long i = start; i < start + size; i++)
                    dx[i] = training ? (gradient(i) - first - (x[i] - m - more) * second) * by
                                     : gradient(i) * by;
            }
        };
        if (y)
            run([=](long i) {
                // Read in any case: g++ 12's loop vectoriser for AVX2 sums up wrong numbers if the load has a
                // condition. Its fault: -fno-tree-loop-vectorize is right, -fno-strict-aliasing is not, and
                // the sanitizers find nothing.
                const float d = dy[i];
                return y[i] <= 0 ? 0.0f : d;
            });
        else
            run([=](long i) { return dy[i]; });
    });
}
