// Batch normalisation with the channels last in memory, with an addend and ReLU or without: vectors of
// channels run down the pixels. Chosen where images come so from a convolution.
//
// Pixels are cut into spans of a fixed length. Each span's sums are floats; spans meet in double precision.
// Means are two numbers as in planes.h.
#pragma once

#include <vector>

#include "core/parallel.h"
#include "interface.h"
#include "norm/planes.h"

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
    for (; c + 2 * W <= C; c += 2 * W) body(c, std::integral_constant<int, 2>{});
    for (; c + W <= C; c += W) body(c, std::integral_constant<int, 1>{});
    for (; c < C; c++) single(c);
}

// Each channel's sums of the differences to center + beyond, and of their squares.
static void differences(int threads, long pixels, long C, const float* x, const float* center,
                        const float* beyond, double* sums, double* squares, float* room) {
    const long spans = spans_of(pixels);
    parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
        const long first = span * SPAN_ROWS, rows = pixels - first < SPAN_ROWS ? pixels - first : SPAN_ROWS;
        const float* from = x + first * C;
        float *sum = room + span * C, *square = room + (spans + span) * C;
        over_channels(
            C,
            [&](long c, auto vectors) {
                constexpr int V = decltype(vectors)::value;
                Floats a[V]{}, b[V]{}, m[V], more[V];
                for (int v = 0; v < V; v++)
                    m[v] = load(center + c + v * W), more[v] = load(beyond + c + v * W);
                for (long i = 0; i < rows; i++)
                    for (int v = 0; v < V; v++) {
                        const Floats d = load(from + i * C + c + v * W) - m[v] - more[v];
                        a[v] += d;
                        b[v] += d * d;
                    }
                for (int v = 0; v < V; v++) store(sum + c + v * W, a[v]), store(square + c + v * W, b[v]);
            },
            [&](long c) {
                float a = 0, b = 0;
                for (long i = 0; i < rows; i++) {
                    const float d = from[i * C + c] - center[c] - beyond[c];
                    a += d, b += d * d;
                }
                sum[c] = a, square[c] = b;
            });
    });
    for (long c = 0; c < C; c++) sums[c] = squares[c] = 0;
    for (long span = 0; span < spans; span++)
        for (long c = 0; c < C; c++) {
            sums[c] += room[span * C + c];
            squares[c] += room[(spans + span) * C + c];
        }
}

// Each channel's mean and variance (divisor n).
EXPORT void norm_channels_last_statistics(int threads, long pixels, long C, const float* x, float* mean,
                                          float* var, double* room) {
    float* partial = reinterpret_cast<float*>(room);
    std::vector<double> sums(C), squares(C);
    const long step = (pixels + SAMPLES * SAMPLES - 1) / (SAMPLES * SAMPLES);
    long count = 0;
    for (long i = 0; i < pixels; i += step, count++)
        for (long c = 0; c < C; c++) sums[c] += x[i * C + c] - x[c];
    for (long c = 0; c < C; c++) {
        mean[c] = center_or_zero(x[c] + static_cast<float>(sums[c] / count));  // a number near the mean
        mean[C + c] = 0;
    }
    differences(threads, pixels, C, x, mean, mean + C, sums.data(), squares.data(), partial);
    bool finite = true;
    for (long c = 0; c < C; c++) {
        const double more = sums[c] / pixels, spread = squares[c] / pixels - more * more;
        mean[C + c] = static_cast<float>(more);
        var[c] = spread < 0 ? 0.0f : static_cast<float>(spread);
        finite &= std::isfinite(spread);
    }
    if (finite) return;
    // infinity less infinity is NaN: about the mean itself a large number leaves infinity
    differences(threads, pixels, C, x, mean, mean + C, sums.data(), squares.data(), partial);
    for (long c = 0; c < C; c++)
        if (!std::isfinite(var[c])) var[c] = static_cast<float>(squares[c] / pixels);
}

// y = (x - mean) * scale + bias, plus `addend` where there is one; then ReLU.
EXPORT void norm_channels_last_forward(int threads, long pixels, long C, const float* x, const float* mean,
                                       const float* scale, const float* bias, const float* addend, int relu,
                                       float* y) {
    parallel(threads_for(threads, pixels * C), spans_of(pixels), [&](long span, int) {
        const long start = span * SPAN_ROWS * C;
        const long rows = pixels - span * SPAN_ROWS < SPAN_ROWS ? pixels - span * SPAN_ROWS : SPAN_ROWS;
        over_channels(
            C,
            [&](long c, auto vectors) {
                constexpr int V = decltype(vectors)::value;
                Floats m[V], more[V], by[V], plus[V];
                for (int v = 0; v < V; v++) {
                    m[v] = load(mean + c + v * W), more[v] = load(mean + C + c + v * W);
                    by[v] = load(scale + c + v * W), plus[v] = bias ? load(bias + c + v * W) : Floats{};
                }
                for (long at = start + c; at < start + rows * C; at += C)
                    for (int v = 0; v < V; v++) {
                        Floats d = (load(x + at + v * W) - m[v] - more[v]) * by[v] + plus[v];
                        if (addend) d += load(addend + at + v * W);
                        store(y + at + v * W, relu ? choose(d <= Floats{}, Floats{}, d) : d);
                    }
            },
            [&](long c) {
                for (long at = start + c; at < start + rows * C; at += C) {
                    float d = (x[at] - mean[c] - mean[C + c]) * scale[c] + (bias ? bias[c] : 0.0f);
                    if (addend) d += addend[at];
                    y[at] = relu && d <= 0 ? 0.0f : d;
                }
            });
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
                Floats a[V]{}, b[V]{}, m[V], more[V], r[V];
                for (int v = 0; v < V; v++) {
                    m[v] = load(mean + c + v * W), more[v] = load(mean + C + c + v * W);
                    r[v] = load(rstd + c + v * W);
                }
                for (long i = 0; i < rows; i++)
                    for (int v = 0; v < V; v++) {
                        const long at = start + i * C + c + v * W;
                        Floats g = load(dy + at);
                        if (y) g = choose(load(y + at) <= Floats{}, Floats{}, g);
                        if (masked) store(masked + at, g);
                        a[v] += g;
                        b[v] += g * ((load(x + at) - m[v] - more[v]) * r[v]);
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
                    b += g * ((x[at] - mean[c] - mean[C + c]) * rstd[c]);
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
        dweight[c] = static_cast<float>(moment[c]);
        less[c] = static_cast<float>(total[c] / pixels);
        by[c] = static_cast<float>(moment[c] * rstd[c] / pixels);
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
                to[c] = training ? (g - a[c] - (from[c] - mean[c] - mean[C + c]) * b[c]) * scale[c]
                                 : g * scale[c];
            }
        }
    });
}
