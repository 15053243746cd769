// All gradients of a convolution by patches, where they are sparse, in chunks of images: sparse_layout.h,
// sparse_gradients.h.
#pragma once

#include "conv/flat/chunks.h"
#include "conv/patch/sparse_gradients.h"
#include "core/transpose.h"

// Of each thread: two frames, a list, the sums; and what a gradient that is not tame needs: d, which and a
// bias to forget.
static long sparse_thread_floats(const Geometry& g, const Patches& p, const SparseLayout& w) {
    return 2L * w.frame + 2L * (4 * p.padded + SLACK) +
           static_cast<long>(g.K) * (round_up(w.sums, W) + 2L * p.padded + W) + 2 * SLACK;
}

// The sums of one chunk of images, from n0 to n1: for each weight one, then for each filter a vector.
// `memory` is zero at first.
template <int R, bool Max>
static void sparse_chunk(const Geometry& g, const Patches& p, const SparseLayout& w, long n0, long n1,
                         const float* x, const float* weight, const uint8_t* marks, const float* dy,
                         const float* end, const float* table, bool tame_weight, float* dx, bool filters,
                         float* memory, float* sums) {
    const int H = g.h.length, width = g.w.length, high = 2 * p.P + p.R - 1, across = 2 * p.Q + p.S - 1;
    const int rows = H < high - g.h.before ? H : high - g.h.before,
              columns = width < across - g.w.before ? width : across - g.w.before;
    const long pixels = static_cast<long>(H) * width,
               inside = (static_cast<long>(g.h.before) * w.row) + g.w.before * w.channels;
    const int32_t* starts = reinterpret_cast<const int32_t*>(table);
    const float* packed = table + round_up(p.places, W);
    float *frame = memory, *back = frame + w.frame, *values = back + w.frame,
          *found = values + 2 * (4 * p.padded + SLACK);
    float* d = found + static_cast<long>(g.K) * round_up(w.sums, W) + SLACK;
    int32_t* which = reinterpret_cast<int32_t*>(d + static_cast<long>(g.K) * p.padded);
    SparseGradient list{reinterpret_cast<int32_t*>(values + 4 * p.padded + SLACK), values, 0};
    float* bias = sums + static_cast<long>(g.K) * g.taps;
    if (filters) std::memset(found, 0, static_cast<size_t>(g.K) * w.sums * sizeof(float));
    for (long n = n0; n < n1; n++) {
        const float *image = filters ? x + n * g.C * pixels : nullptr, *gradient = dy + n * g.K * p.places;
        const uint8_t* marks_of_image = marks + n * g.K * p.padded;
        const bool tame_image = filters && tame(image, g.C * pixels);
        const bool tame_back = dx && tame_weight && tame(gradient, static_cast<long>(g.K) * p.places);
        if (filters)
            for (int h = 0; h < rows; h++)
                transpose_matrix(image + static_cast<long>(h) * width, pixels, g.C, columns,
                                 frame + inside + static_cast<long>(h) * w.row, w.channels);
        if (tame_back) std::memset(back, 0, w.frame * sizeof(float));
        for (int k = 0; k < g.K; k++) {
            const float* dy_of_filter = gradient + static_cast<long>(k) * p.places;
            const uint8_t* marks_of_filter = marks_of_image + static_cast<long>(k) * p.padded;
            float* sums_of_filter = found + static_cast<long>(k) * w.sums;
            find_nonzero<Max>(w, p.places, starts, dy_of_filter, marks_of_filter, list, bias + k * W);
            if (tame_image)
                over_patch_row<R>(w.patch_row, [&](auto vectors, int at) {
                    add_patches<R, decltype(vectors)::value>(frame + at, w.row, list, sums_of_filter + at,
                                                             w.patch_row);
                });
            else if (filters)
                add_patches_carefully<Max>(p, w, frame, starts, dy_of_filter, marks_of_filter,
                                           sums_of_filter);
            if (tame_back)
                over_patch_row<R>(w.patch_row, [&](auto vectors, int at) {
                    add_filter<R, decltype(vectors)::value>(
                        back + at, w.row, list, packed + static_cast<long>(k) * w.sums + at, w.patch_row);
                });
        }
        if (!dx) continue;
        float* out = dx + n * g.C * pixels;
        if (tame_back) {
            if (rows < H || columns < width) std::memset(out, 0, g.C * pixels * sizeof(float));
            for (int h = 0; h < rows; h++)
                transpose_matrix(back + inside + static_cast<long>(h) * w.row, w.channels, columns, g.C,
                                 out + static_cast<long>(h) * width, pixels);
        } else {
            float* forgotten = reinterpret_cast<float*>(which) + static_cast<long>(g.K) * p.padded;
            patch_gradient<Max>(g, p, gradient, end, marks_of_image, d, which, forgotten);
            patch_input_gradient_carefully(g, p, d, which, weight, out);
        }
    }
    if (filters)
        for (int k = 0; k < g.K; k++)
            over_weights(g, p, w, [&](int i, int to) {
                sums[static_cast<long>(k) * g.taps + to] = found[static_cast<long>(k) * w.sums + i];
            });
}

// Floats that sparse_backward needs; `dx`: with the input's gradient.
static long sparse_backward_room(const Geometry& g, int threads, int N, bool dx) {
    const Patches p = patches_of(g);
    const SparseLayout w = sparse_layout_of(g, p, dx);
    return sparse_table_floats(g, p, w) + chunks(g, N) * partial_floats(g) +
           threads * sparse_thread_floats(g, p, w);
}

static void sparse_backward(int threads, const Geometry& g, int N, const float* x, const float* weight,
                            const uint8_t* marks, const float* dy, float* dx, float* dweight, float* dbias,
                            float* room) {
    const Patches p = patches_of(g);
    const SparseLayout w = sparse_layout_of(g, p, dx);
    const long partial = partial_floats(g), thread_floats = sparse_thread_floats(g, p, w);
    const int parts = chunks(g, N);
    float *table = room, *sums = table + sparse_table_floats(g, p, w), *rest = sums + parts * partial;
    make_sparse_tables(g, p, w, dx ? weight : nullptr, table);
    const bool tame_weight = dx && tame(weight, static_cast<long>(g.K) * g.taps);
    std::memset(sums, 0, parts * partial * sizeof(float));
    const bool max = g.pool == MAX_POOL;
    const auto chunk = p.S == 3 ? max ? sparse_chunk<3, true> : sparse_chunk<3, false>
                       : max    ? sparse_chunk<5, true>
                                : sparse_chunk<5, false>;
    FirstVisits visits;
    parallel(threads, parts, [&](long part, int thread) {
        float* mine = rest + thread * thread_floats;
        if (visits.first(thread)) std::memset(mine, 0, w.frame * sizeof(float));
        chunk(g, p, w, N * part / parts, N * (part + 1) / parts, x, weight, marks, dy,
              dy + static_cast<long>(N) * g.K * p.places, table, tame_weight, dx, dweight, mine,
              sums + part * partial);
    });
    add_chunks(threads, g, parts, sums, dweight, dbias);
}
