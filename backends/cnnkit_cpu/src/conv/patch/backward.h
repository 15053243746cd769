// All gradients of a convolution by patches, in chunks of images: output_gradient.h, filter_gradient.h,
// input_gradient.h.
#pragma once

#include "conv/flat/chunks.h"
#include "conv/patch/filter_gradient.h"
#include "conv/patch/input_gradient.h"

// Of each thread: planes, d and which, and for the image's gradient both shifted and a tile; then a vector
// for each weight.
static long patch_backward_zeros(const Geometry& g, const Patches& p, bool all) {
    return p.frame + p.image + 2L * g.K * p.padded + 2 * SLACK +
           (all ? 2L * g.K * p.shifts * p.spread + SLACK : 0);
}
static long patch_backward_thread_floats(const Geometry& g, const Patches& p, bool all) {
    return patch_backward_zeros(g, p, all) +
           (all ? 2L * PATCH_CHANNELS * (round_up(2 * p.half_rows * p.half_columns, 2 * W)) : 0) +
           round_up(g.K * g.taps, W) * W;
}

// The sums of one chunk of images, from n0 to n1: for each weight one, then for each filter a vector.
template <int S>
static void patch_chunk(const Geometry& g, const Patches& p, long n0, long n1, const float* x,
                        const float* weight, const uint8_t* marks, const float* dy, const float* end,
                        const float* tables, bool tame_weight, float* dx, bool filters, float* memory,
                        float* sums) {
    const long pixels = static_cast<long>(g.h.length) * g.w.length, weights = static_cast<long>(g.K) * g.taps;
    const bool max = g.pool == MAX_POOL;
    float *planes = memory + p.frame, *d = planes + p.image + SLACK, *bias = sums + weights;
    int32_t* which = reinterpret_cast<int32_t*>(d + static_cast<long>(g.K) * p.padded + SLACK / 2);
    float* shifted = memory + p.frame + p.image + 2L * g.K * p.padded + 2 * SLACK;
    int32_t* numbers = reinterpret_cast<int32_t*>(shifted + static_cast<long>(g.K) * p.shifts * p.spread);
    float* tile = memory + patch_backward_zeros(g, p, dx);
    float* vectors = tile +
                     (dx ? 2L * PATCH_CHANNELS * round_up(2 * p.half_rows * p.half_columns, 2 * W) : 0);
    if (filters) std::memset(vectors, 0, weights * W * sizeof(float));
    for (long n = n0; n < n1; n++) {
        const float *image = filters ? x + n * g.C * pixels : nullptr, *gradient = dy + n * g.K * p.places;
        (max ? patch_gradient<true> : patch_gradient<false>)(g, p, gradient, end, marks + n * g.K * p.padded,
                                                             d, which, bias);
        if (filters) {
            split_patches(g, p, image, memory, planes);
            (!tame(image, g.C * pixels) ? patch_filter_gradients_carefully
             : max ? patch_filter_gradients<true, S>
                   : patch_filter_gradients<false, S>)(g, p, planes, d, which, vectors,
                                                       n + 1 < n1 ? image + g.C * pixels : nullptr);
        }
        if (!dx) continue;
        float* out = dx + n * g.C * pixels;
        if (tame_weight && tame(gradient, static_cast<long>(g.K) * p.places)) {
            shift_gradient(g, p, d, which, shifted, numbers);
            (max ? patch_input_gradient<true, S> : patch_input_gradient<false, S>)(g, p, shifted, numbers,
                                                                                   tables, tile, out);
        } else {
            patch_input_gradient_carefully(g, p, d, which, weight, out);
        }
    }
    if (filters) add_lanes(weights, vectors, sums);
}

// Floats that patch_backward needs; `dx`: with the input's gradient.
static long patch_backward_room(const Geometry& g, int threads, int N, bool dx) {
    const Patches p = patches_of(g);
    return (dx ? table_floats(g, p) : 0) + chunks(g, N) * partial_floats(g) +
           threads * patch_backward_thread_floats(g, p, dx);
}

static void patch_backward(int threads, const Geometry& g, int N, const float* x, const float* weight,
                           const uint8_t* marks, const float* dy, float* dx, float* dweight, float* dbias,
                           float* room) {
    const Patches p = patches_of(g);
    const long partial = partial_floats(g), thread_floats = patch_backward_thread_floats(g, p, dx),
               zeros = patch_backward_zeros(g, p, dx);
    const int parts = chunks(g, N);
    float *tables = room, *sums = tables + (dx ? table_floats(g, p) : 0), *rest = sums + parts * partial;
    bool tame_weight = true;
    if (dx) {
        tame_weight = tame(weight, static_cast<long>(g.K) * g.taps);
        pack_tables(g, p, weight, tables);
    }
    std::memset(sums, 0, parts * partial * sizeof(float));
    const auto chunk = p.S == 3 ? patch_chunk<3> : patch_chunk<5>;
    FirstVisits visits;
    parallel(threads, parts, [&](long part, int thread) {
        float* mine = rest + thread * thread_floats;
        if (visits.first(thread)) std::memset(mine, 0, zeros * sizeof(float));
        chunk(g, p, N * part / parts, N * (part + 1) / parts, x, weight, marks, dy,
              dy + static_cast<long>(N) * g.K * p.places, tables, tame_weight, dx, dweight, mine,
              sums + part * partial);
    });
    add_chunks(threads, g, parts, sums, dweight, dbias);
}
