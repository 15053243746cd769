// Max and average pooling alone, on images in C order, plane by plane: the flat loop of conv/flat with a load
// in place of the filter. It serves any window, stride, dilation and padding; two by two without padding goes
// by two_by_two.h.
#pragma once

#include <atomic>
#include <limits>

#include "conv/flat/phases.h"
#include "core/parallel.h"
#include "core/tame.h"
#include "interface.h"
#include "pool/two_by_two.h"

// Floats that pool_forward and pool_backward need: for each thread a plane's phases, a row of results or
// gradients.
EXPORT long pool_room(const Geometry* g, int threads) {
    return threads * (g->image + g->padded + 2L * SLACK);
}

// Bytes of marks for each plane, which pool_forward leaves for pool_backward.
EXPORT long pool_marks_size(const Geometry* g) { return g->padded; }

// x (planes, H, W) -> y (planes, P, Q), and the number of each window's largest element (null: not wanted;
// for averages never). Returns whether there are numbers that are not tame: y is worth nothing then, for NaN
// and the lowest numbers have rules of their own.
EXPORT int pool_forward(int threads, const Geometry* geometry, long planes, const float* x, float* y,
                        uint8_t* marks, float divisor, float* room) {
    const Geometry& g = *geometry;
    const long thread_floats = pool_room(geometry, 1), pixels = static_cast<long>(g.h.length) * g.w.length;
    const float padding = g.pool == MAX_POOL ? -std::numeric_limits<float>::infinity() : 0;
    const bool two = by_two(g);
    const auto square = g.pool == MAX_POOL ? pool_by_two<true> : pool_by_two<false>;
    for (long i = 0; !two && i < threads * thread_floats; i++) room[i] = padding;
    std::atomic<bool> wild{false};
    // planes of a task
    const long together = 1 + 4096 / (pixels + 1), tasks = (planes + together - 1) / together;
    parallel(planes * pixels < BLOCK ? 1 : threads, tasks, [&](long task, int thread) {
        float *phases = room + thread * thread_floats, *row = phases + g.image;
        for (long n = task * together; n < planes && n < (task + 1) * together; n++) {
            if (!tame(x + n * pixels, pixels)) {
                wild = true;
                return;
            }
            if (two) {
                square(g, x + n * pixels, y + n * g.places, marks ? marks + n * g.padded : nullptr, divisor);
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
                if (marks) store_bytes(marks + n * g.padded + place, which);
            }
            for (int p = 0; p < g.P(); p++)
                for (int q = 0; q < g.Q(); q++) y[(n * g.P() + p) * g.Q() + q] = row[p * g.pitch + q];
        }
    });
    return wild;
}

// dy (planes, P, Q) and the marks of pool_forward -> dx (planes, H, W).
EXPORT void pool_backward(int threads, const Geometry* geometry, long planes, const float* dy,
                          const uint8_t* marks, float divisor, float* dx, float* room) {
    const Geometry& g = *geometry;
    const long thread_floats = pool_room(geometry, 1), pixels = static_cast<long>(g.h.length) * g.w.length;
    const bool two = by_two(g);
    const auto square = g.pool == MAX_POOL ? unpool_by_two<true> : unpool_by_two<false>;
    if (!two) std::memset(room, 0, threads * thread_floats * sizeof(float));
    // planes of a task
    const long together = 1 + 4096 / (pixels + 1), tasks = (planes + together - 1) / together;
    parallel(planes * pixels < BLOCK ? 1 : threads, tasks, [&](long task, int thread) {
        float *phases = room + thread * thread_floats, *row = phases + g.image;
        for (long n = task * together; n < planes && n < (task + 1) * together; n++) {
            if (two) {
                square(g, dy + n * g.places, marks ? marks + n * g.padded : nullptr, divisor,
                       dx + n * pixels);
                continue;
            }
            for (int p = 0; p < g.P(); p++)  // `row` has zeros between the rows
                for (int q = 0; q < g.Q(); q++)
                    row[p * g.pitch + q] = dy[(n * g.P() + p) * g.Q() + q] / divisor;
            std::memset(phases, 0, g.image * sizeof(float));
            for (int window = 0; window < g.windows; window++) {
                float* to = phases + g.offsets[window];
                for (int place = 0; place < g.padded; place += W) {
                    Floats d = load(row + place);
                    if (g.pool == MAX_POOL)
                        d = choose(load_bytes(marks + n * g.padded + place) == splat_int(window), d,
                                   Floats{});
                    store(to + place, load(to + place) + d);
                }
            }
            join(g, phases, dx + n * pixels);
        }
    });
}
