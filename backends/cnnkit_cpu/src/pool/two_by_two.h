// Pooling by two by two, windows side by side, without padding: over the image's rows themselves, which are
// read and written as they lie. What planes.h does where `by_two` says so.
#pragma once

#include "conv/flat/geometry.h"
#include "core/shuffle.h"

// Whether windows are two by two, side by side, without padding: then a plane's rows are read and written as
// they are.
static bool by_two(const Geometry& g) {
    for (const Axis* axis : {&g.h, &g.w})
        if (axis->window != 2 || axis->every != 2 || axis->apart != 1 || axis->before ||
            2 * axis->outputs > axis->length)
            return false;
    return true;
}

// Run take(x, y, n) over a plane's vectors of outputs: at row x of pixels, at place y of the outputs, n of
// them from column 0, and so many pixels may be read from there. Rows of few outputs overlap the next one
// where that is the same plane's.
template <class Take>
INLINE void over_pairs(const Geometry& g, Take take) {
    const int P = g.P(), Q = g.Q();
    for (int p = 0; p < P; p++)
        for (int q = 0; q < Q; q += W) {
            const int at = q + W <= Q || Q < W ? q : Q - W;
            take(2 * p, 2 * at, p * Q + at, Q - at < W ? Q - at : W);
        }
}

template <bool Max>
static void pool_by_two(const Geometry& g, const float* x, float* y, uint8_t* marks, float divisor) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int width = g.w.length, end = g.h.length * width;
    over_pairs(g, [&](int row, int column, int place, int n) {
        Floats part[4];
        for (int a = 0; a < 2; a++) {
            const int at = (row + a) * width + column;
            const float* from = x + at;
            float copy[2 * W];
            if (at + 2 * W > end) {
                std::memcpy(copy, from, 2 * n * sizeof(float));
                for (int i = 2 * n; i < 2 * W; i++) copy[i] = 0;
                from = copy;
            }
            const Floats left = load(from), right = load(from + W);
            part[2 * a] = every_other(left, right, lanes, 0),
                     part[2 * a + 1] = every_other(left, right, lanes, 1);
        }
        Floats best = part[0];
        Ints which{};
        for (int w = 1; w < 4; w++) {
            if constexpr (Max) {
                const Ints larger = part[w] > best;
                best = larger ? part[w] : best;
                which = larger ? splat_int(w) : which;
            } else {
                best += part[w];
            }
        }
        if constexpr (!Max) best /= splat(divisor);
        if (n == W || place + W <= g.places) {  // what is written beyond a row, the next one overwrites
            store(y + place, best);
            if (marks) store_bytes(marks + place, which);
        } else {
            std::memcpy(y + place, &best, n * sizeof(float));
            uint8_t numbers[W];
            store_bytes(numbers, which);
            if (marks) std::memcpy(marks + place, numbers, n);
        }
    });
}

template <bool Max>
static void unpool_by_two(const Geometry& g, const float* dy, const uint8_t* marks, float divisor,
                          float* dx) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int width = g.w.length, end = g.h.length * width, Q = g.Q();
    if (2 * Q < width || 2 * g.P() < g.h.length) std::memset(dx, 0, end * sizeof(float));
    over_pairs(g, [&](int row, int column, int place, int n) {
        Floats d{};
        uint8_t numbers[W] = {};
        Ints which{};
        if (n == W || place + W <= g.places) {
            d = load(dy + place);
            if constexpr (Max) which = load_bytes(marks + place);
        } else {
            std::memcpy(&d, dy + place, n * sizeof(float));
            if constexpr (Max) std::memcpy(numbers, marks + place, n), which = load_bytes(numbers);
        }
        d /= splat(divisor);
        for (int a = 0; a < 2; a++) {
            const Floats left = Max ? choose(which == splat_int(2 * a), d, Floats{}) : d;
            const Floats right = Max ? choose(which == splat_int(2 * a + 1), d, Floats{}) : d;
            const Floats first = by_turns(left, right, lanes, 0), second = by_turns(left, right, lanes, 1);
            const int at = (row + a) * width + column;
            float* to = dx + at;
            // what is written beyond a row, the next one overwrites
            if (n == W || (2 * Q == width && at + 2 * W <= end)) {
                store(to, first), store(to + W, second);
            } else {
                float both[2 * W];
                store(both, first), store(both + W, second);
                copy_row(both, to, 2 * n);
            }
        }
    });
}
