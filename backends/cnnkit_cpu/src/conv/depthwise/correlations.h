// Depthwise convolution, in which every channel has one filter of its own, and its input's gradient, with the
// channels last in memory: vectors of channels. Some rows of results are a task; some neighbours in a row are
// computed together, because they share pixels and filters.
//
// Each function returns whether all results are finite; if not, Python asks conv_forward of channels_first.h,
// which knows what NaN and infinity may touch.
#pragma once

#include <atomic>

#include "conv/depthwise/axis.h"
#include "conv/finish.h"
#include "core/blocking.h"
#include "core/parallel.h"
#include "core/tame.h"
#include "interface.h"

constexpr int TOGETHER = 4;  // results

// What a row of results is computed from.
struct DepthwiseRow {
    const float* x;  // the image
    int C, pitch;    // floats of a pixel, pixels of the image's row
    const TapAxis &h, &w;
    int row, S;           // the row of results, taps of a row of the filter
    const float* weight;  // (R, S, C)
    const float* bias;    // or null
    const Finish& how;
    const float* addend;  // the row of results; or null
    float* y;             // the row

    Floats start(int c) const { return bias ? load(bias + c) : Floats{}; }
    void finish(int q, int c, Floats sum, Bounds bounds, Floats& finite) const {
        finite += sum - sum;  // NaN of what is not finite
        const long at = static_cast<long>(q) * C + c;
        store(y + at, addend ? bounds.of(sum + load(addend + at)) : bounds.of_number(sum));
    }
};

// What one result reads: `rows` rows of pixels and of the filter, both a step apart from the first.
struct DepthwisePatch {
    int rows = 0;
    const float *pixels = nullptr, *filter = nullptr;
    long row_step = 0, filter_step = 0, pixel_step = 0, tap_step = 0;

    DepthwisePatch() = default;
    DepthwisePatch(const DepthwiseRow& a, int q) {
        const int r = a.h.begin[a.row], s = a.w.begin[q];
        rows = a.h.begin[a.row + 1] - r;
        const bool several = rows > 1, more = a.w.begin[q + 1] - s > 1;
        pixels = a.x + (static_cast<long>(rows ? a.h.place[r] : 0) * a.pitch + a.w.place[s]) * a.C;
        filter = a.weight + (static_cast<long>(rows ? a.h.tap[r] : 0) * a.S + a.w.tap[s]) * a.C;
        row_step = several ? static_cast<long>(a.h.place[r + 1] - a.h.place[r]) * a.pitch * a.C : 0;
        filter_step = several ? static_cast<long>(a.h.tap[r + 1] - a.h.tap[r]) * a.S * a.C : 0;
        pixel_step = more ? static_cast<long>(a.w.place[s + 1] - a.w.place[s]) * a.C : 0;
        tap_step = more ? static_cast<long>(a.w.tap[s + 1] - a.w.tap[s]) * a.C : 0;
    }
};

// One result that reads `places` pixels in each of `rows` rows: two numbers, or two constants, by which the
// loops are unrolled.
template <class Rows, class Places>
INLINE void depthwise_result(const DepthwiseRow& a, const DepthwisePatch& patch, Rows rows, Places places,
                             int q, Floats& finite) {
    const Bounds bounds = a.how.bounds;
    Floats seen = finite;
    over_vectors(a.C, [&](int c) {
        Floats sum = a.start(c);
        for (int r = 0; r < rows; r++) {
            const float *pixel = patch.pixels + r * patch.row_step + c,
                        *tap = patch.filter + r * patch.filter_step + c;
            for (int s = 0; s < places; s++)
                sum += load(pixel + s * patch.pixel_step) * load(tap + s * patch.tap_step);
        }
        a.finish(q, c, sum, bounds, seen);
    });
    finite = seen;
}

INLINE void depthwise_one(const DepthwiseRow& a, int q, Floats& finite) {
    const int taps = a.w.count(q);
    const DepthwisePatch patch = taps ? DepthwisePatch(a, q) : DepthwisePatch();
    depthwise_result(a, patch, patch.rows, taps, q, finite);
}

// Neighbours that read alike, from q on.
template <int S, int STEP>
INLINE void depthwise_some(const DepthwiseRow& a, int q, Floats& finite) {
    const DepthwisePatch patch(a, q);
    const Bounds bounds = a.how.bounds;
    const long C = a.C, tap_step = patch.tap_step;
    const float *bias = a.bias, *addend = a.addend ? a.addend + q * C : nullptr;
    float* y = a.y + q * C;
    Floats seen = finite;
    over_vectors(a.C, [&](int c) {
        const Floats start = bias ? load(bias + c) : Floats{};
        Floats sum[TOGETHER];
        for (int j = 0; j < TOGETHER; j++) sum[j] = start;
        const float *from = patch.pixels + c, *taps = patch.filter + c;
        for (int r = 0; r < patch.rows; r++, from += patch.row_step, taps += patch.filter_step) {
            Floats pixel[(TOGETHER - 1) * STEP + S];
            for (int i = 0; i < (TOGETHER - 1) * STEP + S; i++) pixel[i] = in_register(load(from + i * C));
            for (int s = 0; s < S; s++) {
                const Floats tap = load(taps + s * tap_step);
                for (int j = 0; j < TOGETHER; j++) sum[j] += pixel[j * STEP + s] * tap;
            }
        }
        static_assert(TOGETHER == 4);
        const Floats all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        seen += all - all;
        if (addend)
            for (int j = 0; j < TOGETHER; j++) sum[j] = bounds.of(sum[j] + load(addend + j * C + c));
        else
            for (int j = 0; j < TOGETHER; j++) sum[j] = bounds.of_number(sum[j]);
        for (int j = 0; j < TOGETHER; j++) store(y + j * C + c, sum[j]);
    });
    finite = seen;
}

template <int S, int STEP>
NOINLINE void depthwise_row(const DepthwiseRow& a, Floats& finite) {
    const TapAxis& w = a.w;
    int q = 0;
    if (w.last - w.first >= TOGETHER) {
        for (; q < w.first; q++) depthwise_one(a, q, finite);
        for (; q + TOGETHER <= w.last; q += TOGETHER) depthwise_some<S, STEP>(a, q, finite);
        // what is left, and some of the last ones again
        if (q < w.last) depthwise_some<S, STEP>(a, w.last - TOGETHER, finite);
        q = w.last;
    }
    for (; q < w.results(); q++) depthwise_one(a, q, finite);
}

NOINLINE void depthwise_any_row(const DepthwiseRow& a, Floats& finite) {
    constexpr int FEW = 3;
    const int rows = a.h.count(a.row);
    for (int q = 0; q < a.w.results(); q++) {
        const int places = a.w.count(q);
        if (rows < 1 || rows > FEW || places < 1 || places > FEW) {
            depthwise_one(a, q, finite);
            continue;
        }
        // with a stride, of the input's gradient each result is such
        constant<FEW>(rows, [&](auto R) {
            constant<FEW>(places, [&](auto S) {
                depthwise_result(a, DepthwisePatch(a, q), R, S, q, finite);
            });
        });
    }
}

static bool depthwise(int threads, long N, int C, int R, int S, long pixels, int pitch, const TapAxis& h,
                      const TapAxis& w, const float* x, const float* weight, const float* filters,
                      const float* bias, const Finish& finish, float* y, float* room) {
    if (!filters) filters_last(weight, C, R * S, room);
    const auto function = S == 3 && w.step == 1   ? depthwise_row<3, 1>
                          : S == 3 && w.step == 2 ? depthwise_row<3, 2>
                          : S == 5 && w.step == 1 ? depthwise_row<5, 1>
                          : S == 5 && w.step == 2 ? depthwise_row<5, 2>
                          : S == 7 && w.step == 1 ? depthwise_row<7, 1>
                                                  : depthwise_any_row;
    std::atomic<bool> bad{false};
    const long length = static_cast<long>(w.results()) * C;
    const int together = h.results() < 16   ? 1
                         : h.results() < 64 ? 4
                                            : 8,  // rows of a task
        tasks = (h.results() + together - 1) / together;
    parallel(threads_for(threads, N * h.results() * length * R), N * tasks, [&](long task, int) {
        const int first = static_cast<int>(task % tasks) * together,
                  end = first + together < h.results() ? first + together : h.results();
        const float* image = x + task / tasks * pixels * C;
        Floats finite{};
        for (int row = first; row < end; row++) {
            const long at = (task / tasks * h.results() + row) * length;
            function({image, C, pitch, h, w, row, S, filters ? filters : room, bias, finish,
                      finish.addend ? finish.addend + at : nullptr, y + at},
                     finite);
            finish.complete(y + at, length);
        }
        if (!all_zero(finite)) bad = true;
    });
    return !bad;
}

EXPORT long depthwise_room(const ConvShape* shape) {
    return static_cast<long>(shape->R) * shape->S * shape->C + 2 * LINE;
}

// (R, S, C), as the loops read them.
EXPORT void depthwise_forward_filters(const ConvShape* shape, const float* weight, float* filters) {
    filters_last(weight, shape->C, shape->R * shape->S, filters);
}

EXPORT int depthwise_forward(int threads, const ConvShape* shape, int N, const float* x, const float* weight,
                             const float* filters, const float* bias, const float* addend, int function,
                             float a, float b, float* y, float* room) {
    const ConvShape& g = *shape;
    return depthwise(threads, N, g.C, g.R, g.S, g.pixels(), g.W,
                     forward_axis(g.P, g.H, g.R, g.stride_h, g.dilation_h, g.top),
                     forward_axis(g.Q, g.W, g.S, g.stride_w, g.dilation_w, g.left), x, weight, filters, bias,
                     Finish(addend, function, a, b), y, room);
}

EXPORT int depthwise_input_gradient(int threads, const ConvShape* shape, int N, const float* dy,
                                    const float* weight, float* dx, float* room) {
    const ConvShape& g = *shape;
    return depthwise(threads, N, g.C, g.R, g.S, g.places(), g.Q,
                     backward_axis(g.H, g.P, g.R, g.stride_h, g.dilation_h, g.top),
                     backward_axis(g.W, g.Q, g.S, g.stride_w, g.dilation_w, g.left), dy, weight, nullptr,
                     nullptr, Finish(nullptr, NO_FUNCTION, 0, 0), dx, room);
}
