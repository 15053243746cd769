// Batch normalisation with the channels last in memory, with an addend and ReLU or without: vectors of
// channels run down the pixels. Chosen where images come so from a convolution.
//
// Pixels are cut into spans of a fixed length. Each span's sums are floats; spans meet in double precision.
// Means are two numbers as in planes.h.
#pragma once

#include <type_traits>
#include <vector>

#include "core/blocking.h"
#include "core/parallel.h"
#include "interface.h"
#include "norm/planes.h"

constexpr long SPAN_ROWS = 256;
constexpr int CHANNEL_VECTORS = REGISTERS == 32 ? 4 : 2;  // at a time

INLINE long spans_of(long pixels) { return (pixels + SPAN_ROWS - 1) / SPAN_ROWS; }

// Doubles that norm_channels_last_statistics and norm_channels_last_backward need.
EXPORT long norm_channels_last_room(long pixels, long C) { return spans_of(pixels) * C + 2 * C + 64; }

// A part of a vector of channels: what is left of them, or a whole vector.
struct Whole {
    Floats read(const float* p) const { return load(p); }
    void write(float* p, Floats v) const { store(p, v); }
};

struct Part {
    int count;
    Floats read(const float* p) const { return load_part(p, count); }
    void write(float* p, Floats v) const { store_part(p, v, count); }
};

// Call body(c, vectors as a constant, how to read and write) over all channels in groups of vectors.
template <int Most, class Body>
INLINE void over_channels(long C, Body body) {
    long c = 0;
    for (; c + Most * W <= C; c += Most * W) body(c, std::integral_constant<int, Most>{}, Whole{});
    for (; c + W <= C; c += W) body(c, std::integral_constant<int, 1>{}, Whole{});
    if (c < C) body(c, std::integral_constant<int, 1>{}, Part{static_cast<int>(C - c)});
}

// Each channel's sums of the differences to center + beyond, and of their squares.
static void differences(int threads, long pixels, long C, const float* x, const float* center,
                        const float* beyond, double* sums, double* squares, float* room) {
    const long spans = spans_of(pixels);
    parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
        const long first = span * SPAN_ROWS, rows = pixels - first < SPAN_ROWS ? pixels - first : SPAN_ROWS;
        const float* from = x + first * C;
        float *sum = room + span * C, *square = room + (spans + span) * C;
        over_channels<CHANNEL_VECTORS>(C, [&](long c, auto vectors, auto how) {
            constexpr int V = decltype(vectors)::value;
            Floats a[V]{}, b[V]{}, m[V], more[V];
            for (int v = 0; v < V; v++)
                m[v] = how.read(center + c + v * W), more[v] = how.read(beyond + c + v * W);
            for (long i = 0; i < rows; i++)
                for (int v = 0; v < V; v++) {
                    const Floats d = how.read(from + i * C + c + v * W) - m[v] - more[v];
                    a[v] += d;
                    b[v] += d * d;
                }
            for (int v = 0; v < V; v++) how.write(sum + c + v * W, a[v]), how.write(square + c + v * W, b[v]);
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

// What a channel's numbers are before the activation, by the vector: (x - mean) * scale + bias.
template <int V>
struct Normalize {
    Floats mean[V], beyond[V], scale[V], bias[V];

    template <class How>
    Normalize(long C, long c, const float* means, const float* scales, const float* biases, How how) {
        for (int v = 0; v < V; v++) {
            mean[v] = how.read(means + c + v * W), beyond[v] = how.read(means + C + c + v * W);
            scale[v] = how.read(scales + c + v * W);
            bias[v] = biases ? how.read(biases + c + v * W) : Floats{};
        }
    }
    Floats offset(Floats x, int v) const { return x - mean[v] - beyond[v]; }
    Floats operator()(Floats x, int v) const { return offset(x, v) * scale[v] + bias[v]; }
};

// y = (x - mean) * scale + bias, plus `addend` where there is one; then the activation.
EXPORT void norm_channels_last_forward(int threads, long pixels, long C, const float* x, const float* mean,
                                       const float* scale, const float* bias, const float* addend,
                                       int function, float a, float b, float* y) {
    parallel_backwards(threads_for(threads, pixels * C), spans_of(pixels), [&](long span, int) {
        const long start = span * SPAN_ROWS * C;
        const long rows = pixels - span * SPAN_ROWS < SPAN_ROWS ? pixels - span * SPAN_ROWS : SPAN_ROWS;
        with_cheap_function(function, a, b, [&](auto f) {
            over_channels<CHANNEL_VECTORS>(C, [&](long c, auto vectors, auto how) {
                constexpr int V = decltype(vectors)::value;
                const Normalize<V> normal(C, c, mean, scale, bias, how);
                for (long at = start + c; at < start + rows * C; at += C)
                    for (int v = 0; v < V; v++) {
                        Floats d = normal(how.read(x + at + v * W), v);
                        if (addend) d += how.read(addend + at + v * W);
                        how.write(y + at + v * W, f.forward(d));
                    }
            });
        });
        if (function > LAST_CHEAP) activate(function, a, b, rows * C, y + start, y + start);
    });
}

// dz = dy times the activation's derivative, at what the forward pass has computed before it, for some rows.
static void activation_gradient(long rows, long C, const float* x, const float* mean, const float* scale,
                                const float* bias, int function, float a, float b, const float* dy,
                                float* dz) {
    const long together = C < 4096 ? 4096 / C : 1;  // rows that stay in the cache
    for (long first = 0; first < rows; first += together) {
        const long start = first * C, end = (first + together < rows ? first + together : rows) * C;
        over_channels<CHANNEL_VECTORS>(C, [&](long c, auto vectors, auto how) {
            constexpr int V = decltype(vectors)::value;
            const Normalize<V> normal(C, c, mean, scale, bias, how);
            for (long at = start + c; at < end; at += C)
                for (int v = 0; v < V; v++) how.write(dz + at + v * W, normal(how.read(x + at + v * W), v));
        });
        differentiate(function, a, b, end - start, false, dz + start, dy + start, dz + start);
    }
}

// ReLU's derivative from its argument, which takes less time to compute anew than its result to read.
struct ReluOfArgument : Relu {
    static constexpr bool FROM_RESULT = false;
    using Relu::Relu;
};

template <class Call>
INLINE void with_gradient_function(int number, float a, float b, const float* y, Call call) {
    if (number == RELU && !y) return call(ReluOfArgument(a, b));
    with_cheap_function(number, a, b, call);
}

// As norm_backward of planes.h; ReLU's `y` is null where there was no addend. `masked`, where there is an
// addend, gets its gradient: dy where y > 0. Of an activation that costs much, dx is where dy times its
// derivative is kept meanwhile; it is not null then.
EXPORT void norm_channels_last_backward(int threads, long pixels, long C, const float* x, const float* mean,
                                        const float* rstd, const float* scale, const float* bias,
                                        int function, float a, float b, const float* y, const float* dy,
                                        int training, float* dx, float* masked, float* dweight, float* dbias,
                                        double* room) {
    const long spans = spans_of(pixels);
    float *plain = reinterpret_cast<float*>(room), *along = plain + spans * C;
    const bool kept = function > LAST_CHEAP;
    const float* above = kept ? dx : dy;
    // the gradient behind the normalisation, of a vector of numbers
    const auto gradient = [&](const auto& f, const auto& normal, auto how, long at, int v, Floats number) {
        const Floats d = how.read(above + at);
        if constexpr (std::decay_t<decltype(f)>::FROM_RESULT)
            return f.backward(how.read(y + at), d);
        else
            return f.backward(normal(number, v), d);
    };
    with_gradient_function(function, a, b, y, [&](auto f) {
        parallel(threads_for(threads, pixels * C), spans, [&](long span, int) {
            const long first = span * SPAN_ROWS;
            const long start = first * C, rows = pixels - first < SPAN_ROWS ? pixels - first : SPAN_ROWS;
            if (kept)
                activation_gradient(rows, C, x + start, mean, scale, bias, function, a, b, dy + start,
                                    dx + start);
            over_channels<CHANNEL_VECTORS>(C, [&](long c, auto vectors, auto how) {
                constexpr int V = decltype(vectors)::value;
                const Normalize<V> normal(C, c, mean, scale, bias, how);
                Floats sum[V]{}, product[V]{};
                for (long i = start + c; i < start + rows * C; i += C)
                    for (int v = 0; v < V; v++) {
                        const long at = i + v * W;
                        const Floats number = how.read(x + at), g = gradient(f, normal, how, at, v, number);
                        if (masked) how.write(masked + at, g);
                        sum[v] += g;
                        product[v] += g * normal.offset(number, v);
                    }
                for (int v = 0; v < V; v++) {
                    how.write(plain + span * C + c + v * W, sum[v]);
                    how.write(along + span * C + c + v * W, product[v] * how.read(rstd + c + v * W));
                }
            });
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
    if (masked) above = masked, function = NO_FUNCTION;
    with_gradient_function(function, a, b, y, [&](auto f) {
        parallel_backwards(threads_for(threads, pixels * C), spans, [&](long span, int) {
            const long start = span * SPAN_ROWS * C;
            const long end = ((span + 1) * SPAN_ROWS < pixels ? (span + 1) * SPAN_ROWS : pixels) * C;
            over_channels<CHANNEL_VECTORS>(C, [&](long c, auto vectors, auto how) {
                constexpr int V = decltype(vectors)::value;
                const Normalize<V> normal(C, c, mean, scale, bias, how);
                Floats l[V], slope[V];
                for (int v = 0; v < V; v++)
                    l[v] = how.read(less.data() + c + v * W), slope[v] = how.read(by.data() + c + v * W);
                for (long i = start + c; i < end; i += C)
                    for (int v = 0; v < V; v++) {
                        const long at = i + v * W;
                        const Floats number = how.read(x + at);
                        Floats g = gradient(f, normal, how, at, v, number);
                        if (training) g = g - l[v] - normal.offset(number, v) * slope[v];
                        how.write(dx + at, g * normal.scale[v]);
                    }
            });
        });
    });
}
