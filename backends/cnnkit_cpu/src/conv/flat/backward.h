// All gradients of the flat loop (forward.h), an image after the other: spread.h, then filter_gradient.h and
// input_gradient.h.
#pragma once

#include "conv/flat/chunks.h"
#include "conv/flat/filter_gradient.h"
#include "conv/flat/input_gradient.h"

// phases, spread dy, a row, a block of results
static long flat_backward_thread_floats(const Geometry& g, bool all) {
    return g.image + spread_floats(g, all) + g.padded + SLACK +
           (all ? static_cast<long>(FILTERS) * (g.channel + SLACK) : 0) +
           (few_weights(g) ? static_cast<long>(g.K) * g.taps * W : 0);
}

// Floats that flat_backward needs; `dx`: with the input's gradient.
static long flat_backward_room(const Geometry& g, int threads, int N, bool dx) {
    return (dx ? filter_floats(g) * g.windows : 0) + chunks(g, N) * partial_floats(g) +
           threads * flat_backward_thread_floats(g, dx);
}

static void flat_backward(int threads, const Geometry& g, int N, const float* x, const float* weight,
                          const float* y, const uint8_t* marks, const float* dy, float* dx, float* dweight,
                          float* dbias, float* room) {
    const long pixels = static_cast<long>(g.h.length) * g.w.length,
               results = static_cast<long>(g.P()) * g.Q();
    const long weights = static_cast<long>(g.K) * g.taps, partial = partial_floats(g),
               thread_floats = flat_backward_thread_floats(g, dx);
    const long spreads = spread_floats(g, dx), apart = (dx ? g.K : DOT_FILTERS) * static_cast<long>(g.spread);
    const int parts = chunks(g, N);
    float *packed = room, *sums = packed + (dx ? filter_floats(g) * g.windows : 0),
          *rest = sums + parts * partial;
    bool tame_weight = true;
    if (dx) {
        tame_weight = tame(weight, weights);
        pack_back(g, weight, packed);
    }
    std::memset(sums, 0, parts * partial * sizeof(float));
    for (int t = 0; t < threads; t++) std::memset(rest + t * thread_floats, 0, thread_floats * sizeof(float));
    parallel(threads, parts, [&](long part, int thread) {
        float *phases = rest + thread * thread_floats, *dz = phases + g.image, *row = dz + spreads,
              *tile = row + g.padded + SLACK;
        float *sum = sums + part * partial, *bias = sum + weights,
              *vectors = rest + (thread + 1) * thread_floats - weights * W;
        const bool few = few_weights(g);
        if (few) std::memset(vectors, 0, weights * W * sizeof(float));
        for (long n = N * part / parts; n < N * (part + 1) / parts; n++) {
            const float* image = dweight ? x + n * g.C * pixels : nullptr;
            if (dweight) split(g, image, phases);
            const bool careful = !dweight || !tame(image, g.C * pixels);
            const auto add = few       ? careful ? filter_gradients_carefully<true> : filter_gradients<true>
                             : careful ? filter_gradients_carefully<false>
                                       : filter_gradients<false>;
            for (int k = 0; k < g.K;) {
                const int left = g.Kg - k % g.Kg, filters = left < DOT_FILTERS ? left : DOT_FILTERS;
                float* of_filters = dz + (dx ? static_cast<long>(k) * g.spread : 0);
                for (int i = 0; i < filters; i++)
                    spread(g, k + i, dy + n * g.K * results, y ? y + n * g.K * results : nullptr,
                           marks ? marks + n * g.K * g.padded : nullptr,
                           of_filters + static_cast<long>(i) * g.spread, apart, row, bias);
                if (dweight)
                    add(g, phases + static_cast<long>(k / g.Kg) * g.Cg * g.channel, of_filters, apart,
                        filters,
                        few ? vectors + static_cast<long>(k) * g.taps * W
                            : sum + static_cast<long>(k) * g.taps);
                k += filters;
            }
            if (!dx) continue;
            float* out = dx + n * g.C * pixels;
            if (tame_weight)
                input_gradient(g, dz, packed, tile, out);
            else
                input_gradient_carefully(g, dz, weight, tile, out);
        }
        if (few) add_lanes(weights, vectors, sum);
    });
    add_chunks(threads, g, parts, sums, dweight, dbias);
}
