// Pooling alone: the loop of conv_forward.h with a load in place of the filter, plane by plane.
#pragma once

#include <atomic>
#include <limits>

#include "conv_forward.h"

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
    for (long i = 0; i < threads * own; i++) room[i] = padding;
    std::atomic<bool> wild{false};
    const long each = 1 + 4096 / (pixels + 1);
    parallel(planes * pixels < BLOCK ? 1 : threads, (planes + each - 1) / each, [&](long task, int thread) {
        float *phases = room + thread * own, *row = phases + g.image;
        for (long n = task * each; n < planes && n < (task + 1) * each; n++) {
            if (!tame(x + n * pixels, pixels)) {
                wild = true;
                return;
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
    std::memset(room, 0, threads * own * sizeof(float));
    const long each = 1 + 4096 / (pixels + 1);
    parallel(planes * pixels < BLOCK ? 1 : threads, (planes + each - 1) / each, [&](long task, int thread) {
        float *phases = room + thread * own, *row = phases + g.image;
        for (long n = task * each; n < planes && n < (task + 1) * each; n++) {
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
