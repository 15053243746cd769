// Pooling alone: the loop of conv_forward.h with a load in place of the filter, plane by plane.
#pragma once

#include <atomic>
#include <limits>

#include "patch.h"

// Whether windows are two by two, side by side, without padding: then a plane's rows are read and written as they are.
static bool by_two(const Geometry& g) {
    for (const Axis* axis : {&g.h, &g.w})
        if (axis->window != 2 || axis->every != 2 || axis->apart != 1 || axis->before || 2 * axis->outputs > axis->length) return false;
    return true;
}

// Run take(x, y, n) over a plane's vectors of outputs: at row x of pixels, at place y of the outputs, n of them from column 0,
// and so many pixels may be read from there. Rows of few outputs overlap the next one where that is the same plane's.
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
static void pool_by_two(const Geometry& g, const float* x, float* y, uint8_t* bytes, float divisor) {
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
            part[2 * a] = every_other(left, right, lanes, 0), part[2 * a + 1] = every_other(left, right, lanes, 1);
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
            if (bytes) store_bytes(bytes + place, which);
        } else {
            std::memcpy(y + place, &best, n * sizeof(float));
            uint8_t numbers[W];
            store_bytes(numbers, which);
            if (bytes) std::memcpy(bytes + place, numbers, n);
        }
    });
}

template <bool Max>
static void unpool_by_two(const Geometry& g, const float* dy, const uint8_t* bytes, float divisor, float* dx) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int width = g.w.length, end = g.h.length * width, Q = g.Q();
    if (2 * Q < width || 2 * g.P() < g.h.length) std::memset(dx, 0, end * sizeof(float));
    over_pairs(g, [&](int row, int column, int place, int n) {
        Floats d{};
        uint8_t numbers[W] = {};
        Ints which{};
        if (n == W || place + W <= g.places) {
            d = load(dy + place);
            if constexpr (Max) which = load_bytes(bytes + place);
        } else {
            std::memcpy(&d, dy + place, n * sizeof(float));
            if constexpr (Max) std::memcpy(numbers, bytes + place, n), which = load_bytes(numbers);
        }
        d /= splat(divisor);
        for (int a = 0; a < 2; a++) {
            const Floats left = Max ? choose(which == splat_int(2 * a), d, Floats{}) : d;
            const Floats right = Max ? choose(which == splat_int(2 * a + 1), d, Floats{}) : d;
            const Floats first = by_turns(left, right, lanes, 0), second = by_turns(left, right, lanes, 1);
            const int at = (row + a) * width + column;
            float* to = dx + at;
            if (n == W || (2 * Q == width && at + 2 * W <= end)) {  // what is written beyond a row, the next one overwrites
                store(to, first), store(to + W, second);
            } else {
                float both[2 * W];
                store(both, first), store(both + W, second);
                copy_row(both, to, 2 * n);
            }
        }
    });
}

// Floats that pool_forward and pool_backward need: for each thread a plane's phases, a row of results or gradients.
EXPORT long pool_room(const Geometry* g, int threads) { return threads * (g->image + g->padded + 2L * SLACK); }

// Bytes for each plane that pool_backward wants to know.
EXPORT long pool_bytes(const Geometry* g) { return g->padded; }

// x (planes, H, W) -> y (planes, P, Q), and which element won each window (null: not wanted; for averages never). Returns
// whether there are numbers that are not tame: y is worth nothing then, for NaN and the lowest numbers have rules of their own.
EXPORT int pool_forward(int threads, const Geometry* plan, long planes, const float* x, float* y, uint8_t* bytes, float divisor,
                        float* room) {
    const Geometry& g = *plan;
    const long own = pool_room(plan, 1), pixels = static_cast<long>(g.h.length) * g.w.length;
    const float padding = g.pool == MAX_POOL ? -std::numeric_limits<float>::infinity() : 0;
    const bool two = by_two(g);
    for (long i = 0; !two && i < threads * own; i++) room[i] = padding;
    std::atomic<bool> wild{false};
    const long each = 1 + 4096 / (pixels + 1);
    parallel(planes * pixels < BLOCK ? 1 : threads, (planes + each - 1) / each, [&](long task, int thread) {
        float *phases = room + thread * own, *row = phases + g.image;
        for (long n = task * each; n < planes && n < (task + 1) * each; n++) {
            if (!tame(x + n * pixels, pixels)) {
                wild = true;
                return;
            }
            if (two) {
                (g.pool == MAX_POOL ? pool_by_two<true> : pool_by_two<false>)(
                    g, x + n * pixels, y + n * g.places, bytes ? bytes + n * g.padded : nullptr, divisor);
                continue;
            }
            split(g, x + n * pixels, phases);
            for (int place = 0; place < g.padded; place += W) {
                Floats best = load(phases + g.offsets[0] + place);
                Ints which{};
                for (int window = 1; window < g.windows; window++) {
                    const Floats next = load(phases + g.offsets[window] + place);
                    if (g.pool == AVG_POOL) {
                        best += next;
                        continue;
                    }
                    const Ints larger = next > best;
                    best = choose(larger, next, best);
                    which = larger ? splat_int(window) : which;
                }
                store(row + place, g.pool == AVG_POOL ? best / splat(divisor) : best);
                if (bytes) store_bytes(bytes + n * g.padded + place, which);
            }
            for (int p = 0; p < g.P(); p++)
                for (int q = 0; q < g.Q(); q++) y[(n * g.P() + p) * g.Q() + q] = row[p * g.pitch + q];
        }
    });
    return wild;
}

// dy (planes, P, Q) and the bytes of pool_forward -> dx (planes, H, W).
EXPORT void pool_backward(int threads, const Geometry* plan, long planes, const float* dy, const uint8_t* bytes, float divisor,
                          float* dx, float* room) {
    const Geometry& g = *plan;
    const long own = pool_room(plan, 1), pixels = static_cast<long>(g.h.length) * g.w.length;
    const bool two = by_two(g);
    if (!two) std::memset(room, 0, threads * own * sizeof(float));
    const long each = 1 + 4096 / (pixels + 1);
    parallel(planes * pixels < BLOCK ? 1 : threads, (planes + each - 1) / each, [&](long task, int thread) {
        float *phases = room + thread * own, *row = phases + g.image;
        for (long n = task * each; n < planes && n < (task + 1) * each; n++) {
            if (two) {
                (g.pool == MAX_POOL ? unpool_by_two<true> : unpool_by_two<false>)(
                    g, dy + n * g.places, bytes ? bytes + n * g.padded : nullptr, divisor, dx + n * pixels);
                continue;
            }
            for (int p = 0; p < g.P(); p++)  // `row` has zeros between the rows
                for (int q = 0; q < g.Q(); q++) row[p * g.pitch + q] = dy[(n * g.P() + p) * g.Q() + q] / divisor;
            std::memset(phases, 0, g.image * sizeof(float));
            for (int window = 0; window < g.windows; window++) {
                float* to = phases + g.offsets[window];
                for (int place = 0; place < g.padded; place += W) {
                    Floats d = load(row + place);
                    if (g.pool == MAX_POOL) d = choose(load_bytes(bytes + n * g.padded + place) == splat_int(window), d, Floats{});
                    store(to + place, load(to + place) + d);
                }
            }
            join(g, phases, dx + n * pixels);
        }
    });
}
