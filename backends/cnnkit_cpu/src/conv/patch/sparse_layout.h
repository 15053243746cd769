// The gradients of convolution by patches where they are *sparse*: only the elements of windows that have a
// gradient are walked.
//
// Through max pooling that is one of four, through average pooling after ReLU often two. Each multiplies one
// patch of the image, R rows of S pixels, by one number: for the filter's gradient the patch is added to the
// sums, for the image's the filter is added to the patch (sparse_gradients.h). With channels last a row of a
// patch is S * channels neighbouring numbers, wherever it begins: no gathering, and nothing is multiplied by
// 0. Chosen where such a row is longer than a vector (`by_sparse_gradients`). Measured, 8 -> 16 channels on
// 16x16, maxima: both gradients in 0.6 of the time that the vectors of places of filter_gradient.h and
// input_gradient.h took. This file says where everything lies, and makes the list of elements.
#pragma once

#include "conv/patch/output_gradient.h"

// Vectors of at most eight numbers: with 8 or 16 channels they begin where a cache line or its half does.
constexpr int EIGHT = W < 8 ? W : 8;
typedef float Eight __attribute__((vector_size(EIGHT * 4)));
typedef float AnyEight __attribute__((vector_size(EIGHT * 4), aligned(4), may_alias));
INLINE Eight load_eight(const float* p) { return *reinterpret_cast<const AnyEight*>(p); }
INLINE void store_eight(float* p, Eight v) { *reinterpret_cast<AnyEight*>(p) = v; }

struct SparseLayout {
    int channels, row, frame;  // floats of a pixel, of a row and of an image with zeros around it
    int patch_row, sums;       // floats of a patch's row in whole vectors, and of a filter
};

// `with_input`: sums go back into the image, whose pixels must then begin a vector, or what is stored cannot
// be loaded at once.
static SparseLayout sparse_layout_of(const Geometry& g, const Patches& p, bool with_input) {
    SparseLayout w{};
    w.channels = with_input ? round_up(g.C, EIGHT) : g.C;
    w.row = (2 * p.Q + p.S - 1) * w.channels;
    w.frame = round_up((2 * p.P + p.R - 1) * w.row, W) + 2 * SLACK;
    w.patch_row = round_up(p.S * w.channels, EIGHT), w.sums = p.R * w.patch_row;
    return w;
}

// the elements of one filter's windows that have a gradient: where their patches begin, and the gradient
struct SparseGradient {
    int32_t* offset;
    float* value;
    int count;
};

// The list, with zeros after it for a vector's length; and its sum, added to the bias.
template <bool Max>
static void find_nonzero(const SparseLayout& w, int places, const int32_t* starts, const float* dy,
                         const uint8_t* marks, SparseGradient& to, float* bias) {
    const int32_t elements[4] = {0, w.channels, w.row, w.row + w.channels};
    int count = 0;
    for (int i = 0; i < places; i++) {
        const int byte = marks[i];
        if constexpr (Max) {
            to.offset[count] = starts[i] + elements[byte & 3];
            to.value[count] = dy[i];
            count += byte != STOPPED;
        } else {
            const float part = dy[i] * 0.25f;
            for (int e = 0; e < 4; e++) {
                to.offset[count] = starts[i] + elements[e];
                to.value[count] = part;
                count += byte >> e & 1;
            }
        }
    }
    to.count = count;
    store(to.value + count, Floats{});
    Floats sum = load(bias);
    for (int i = 0; i < count; i += W) sum += load(to.value + i);
    store(bias, sum);
}

// Number i of a filter's sums is that of weight (c, r, s), for i in this order: call(i, weight).
template <class Call>
INLINE void over_weights(const Geometry& g, const Patches& p, const SparseLayout& w, Call call) {
    for (int r = 0; r < p.R; r++)
        for (int s = 0; s < p.S; s++)
            for (int c = 0; c < g.C; c++) call(r * w.patch_row + s * w.channels + c, (c * p.R + r) * p.S + s);
}

// starts, and packed filters
static long sparse_table_floats(const Geometry& g, const Patches& p, const SparseLayout& w) {
    return round_up(p.places, W) + static_cast<long>(g.K) * w.sums + SLACK;
}

static void make_sparse_tables(const Geometry& g, const Patches& p, const SparseLayout& w,
                               const float* weight, float* table) {
    int32_t* starts = reinterpret_cast<int32_t*>(table);
    for (int i = 0; i < p.places; i++) starts[i] = i / p.Q * 2 * w.row + i % p.Q * 2 * w.channels;
    float* filters = table + round_up(p.places, W);
    if (!weight) return;
    std::memset(filters, 0, static_cast<size_t>(g.K) * w.sums * sizeof(float));
    for (int k = 0; k < g.K; k++)
        over_weights(g, p, w, [&](int i, int from) {
            filters[k * w.sums + i] = weight[static_cast<long>(k) * g.taps + from];
        });
}
