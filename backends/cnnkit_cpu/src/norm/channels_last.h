// Batch normalisation with the channels last in memory, with an addend and ReLU or without: vectors of
// channels run down the pixels. Chosen where images come so from a convolution.
//
// Pixels are cut into spans of a fixed length. Each span's sums are floats about its own mean; spans meet in
// double precision.
#pragma once

#include <vector>

#include "core/parallel.h"
#include "interface.h"

constexpr long SPAN_ROWS = 256;
constexpr int CHANNEL_VECTORS = 4;  // vectors of channels at a time

INLINE long spans_of(long pixels) { return (pixels + SPAN_ROWS - 1) / SPAN_ROWS; }

// Doubles that norm_channels_last_statistics and norm_channels_last_backward need.
EXPORT long norm_channels_last_room(long pixels, long C) { return spans_of(pixels) * C + 2 * C + 64; }

// Call body(c, vectors as a constant) over channels in groups of vectors, then what is left, one by one, with
// `single`.
template <class Body, class Single>
INLINE void over_channels(long C, Body body, Single single) {
    long c = 0;
    for (; c + CHANNEL_VECTORS * W <= C; c += CHANNEL_VECTORS * W)
        body(c, std::integral_constant<int, CHANNEL_VECTORS>{});
    for (; c + W <= C; c += W) body(c, std::integral_constant<int, 1>{});
    for (; c < C; c++) single(c);
}

// Each channel's mean and variance (divisor n).
EXPORT void norm_channels_last_statistics(int threads, long pixels, long C, const float* x, float* mean,
                                          float* var, double* room) {
    const long spans = spans_of(pixels);
    float *sums = reinterpret_cast<float*>(room), *squares = sums + spans * C;
    parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
        const long first = span * SPAN_ROWS, rows = pixels - first < SPAN_ROWS ? pixels - first : SPAN_ROWS;
        const float* from = x + first * C;
        float *sum = sums + span * C, *square = squares + span * C;
        over_channels(
            C,
            [&](long c, auto vectors) {
                constexpr int V = decltype(vectors)::value;
                Floats a[V]{}, b[V]{}, m[V];  // about the first row: the mean of a constant is exact
                for (long i = 0; i < rows; i++)
                    for (int v = 0; v < V; v++)
                        a[v] += load(from + i * C + c + v * W) - load(from + c + v * W);
                for (int v = 0; v < V; v++) m[v] = load(from + c + v * W) + a[v] * splat(1.0f / rows);
                for (long i = 0; i < rows; i++)
                    for (int v = 0; v < V; v++) {
                        const Floats d = load(from + i * C + c + v * W) - m[v];
                        b[v] += d * d;
                    }
                for (int v = 0; v < V; v++) store(sum + c + v * W, m[v]), store(square + c + v * W, b[v]);
            },
            [&](long c) {
                float a = 0, b = 0;
                for (long i = 0; i < rows; i++) a += from[i * C + c] - from[c];
                a = from[c] + a * (1.0f / rows);
                for (long i = 0; i < rows; i++) b += (from[i * C + c] - a) * (from[i * C + c] - a);
                sum[c] = a, square[c] = b;
            });
    });
    std::vector<double> middle(C), spread(C);
    const auto rows_of = [&](long span) {
        return static_cast<double>(pixels - span * SPAN_ROWS < SPAN_ROWS ? pixels - span * SPAN_ROWS
                                                                         : SPAN_ROWS);
    };
    for (long span = 0; span < spans; span++)
        for (long c = 0; c < C; c++) middle[c] += sums[span * C + c] * rows_of(span);
    for (long c = 0; c < C; c++) middle[c] /= pixels;
    for (long span = 0; span < spans; span++)
        for (long c = 0; c < C; c++) {
            const double d = sums[span * C + c] - middle[c];
            spread[c] += squares[span * C + c] + d * d * rows_of(span);
        }
    for (long c = 0; c < C; c++)
        mean[c] = static_cast<float>(middle[c]), var[c] = static_cast<float>(spread[c] / pixels);
}

// y = (x - mean) * scale + bias, plus `addend` where there is one; then ReLU.
EXPORT void norm_channels_last_forward(int threads, long pixels, long C, const float* x, const float* mean,
                                       const float* scale, const float* bias, const float* addend, int relu,
                                       float* y) {
    parallel(threads_for(threads, pixels * C), spans_of(pixels), [&](long span, int) {
        const long end = (span + 1) * SPAN_ROWS < pixels ? (span + 1) * SPAN_ROWS : pixels;
        for (long i = span * SPAN_ROWS; i < end; i++) {
            const float* __restrict from = x + i * C;
            const float* __restrict other = addend ? addend + i * C : nullptr;
            float* __restrict to = y + i * C;
            for (long c = 0; c < C; c++) {
                float v = (from[c] - mean[c]) * scale[c] + (bias ? bias[c] : 0.0f);
                if (other) v += other[c];
                to[c] = relu && v <= 0 ? 0.0f : v;
            }
        }
    });
}

// As norm_backward of planes.h; `masked`, where there is an addend, gets its gradient: dy where y > 0.
EXPORT void norm_channels_last_backward(int threads, long pixels, long C, const float* x, const float* mean,
                                        const float* rstd, const float* scale, const float* y,
                                        const float* dy, int training, float* dx, float* masked,
                                        float* dweight, float* dbias, double* room) {
    const long spans = spans_of(pixels);
    float *plain = reinterpret_cast<float*>(room), *along = plain + spans * C;
    parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
        const long first = span * SPAN_ROWS, rows = pixels - first < SPAN_ROWS ? pixels - first : SPAN_ROWS;
        const long start = first * C;
        over_channels(
            C,
            [&](long c, auto vectors) {
                constexpr int V = decltype(vectors)::value;
                Floats a[V]{}, b[V]{}, m[V];
                for (int v = 0; v < V; v++) m[v] = load(mean + c + v * W);
                for (long i = 0; i < rows; i++)
                    for (int v = 0; v < V; v++) {
                        const long at = start + i * C + c + v * W;
                        Floats g = load(dy + at);
                        if (y) g = choose(load(y + at) <= Floats{}, Floats{}, g);
                        if (masked) store(masked + at, g);
                        a[v] += g;
                        b[v] += g * (load(x + at) - m[v]);
                    }
                for (int v = 0; v < V; v++)
                    store(plain + span * C + c + v * W, a[v]), store(along + span * C + c + v * W, b[v]);
            },
            [&](long c) {
                float a = 0, b = 0;
                for (long at = start + c; at < start + rows * C; at += C) {
                    float g = dy[at];
                    if (y && y[at] <= 0) g = 0;
                    if (masked) masked[at] = g;
                    a += g;
                    b += g * (x[at] - mean[c]);
                }
                plain[span * C + c] = a, along[span * C + c] = b;
            });
    });
    std::vector<double> total(C), moment(C);
    for (long span = 0; span < spans; span++)
        for (long c = 0; c < C; c++) total[c] += plain[span * C + c], moment[c] += along[span * C + c];
    std::vector<float> less(C), by(C);
    for (long c = 0; c < C; c++) {
        dbias[c] = static_cast<float>(total[c]);
        dweight[c] = static_cast<float>(moment[c] * rstd[c]);
        less[c] = static_cast<float>(total[c] / pixels);
        by[c] = static_cast<float>(moment[c] * rstd[c] * rstd[c] / pixels);
    }
    if (!dx) return;
    if (masked) dy = masked, y = nullptr;
    parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
        const long end = (span + 1) * SPAN_ROWS < pixels ? (span + 1) * SPAN_ROWS : pixels;
        for (long i = span * SPAN_ROWS; i < end; i++) {
            const float* __restrict from = x + i * C;
            const float* __restrict above = dy + i * C;
            const float* __restrict result = y ? y + i * C : nullptr;
            float* __restrict to = dx + i * C;
            const float* __restrict a = less.data();
            const float* __restrict b = by.data();
            for (long c = 0; c < C; c++) {
                float g = above[c];
                if (result) g = result[c] <= 0 ? 0.0f : g;
                to[c] = training ? (g - a[c] - (from[c] - mean[c]) * b[c]) * scale[c] : g * scale[c];
            }
        }
    });
}
