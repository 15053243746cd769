// The gradients of patch.h where there are more than a few channels: only those elements of windows are walked that have one.
//
// Through max pooling that is one of four, through average pooling after ReLU often two. Each multiplies one patch of the image,
// R rows of S pixels, by one number: for the filter's gradient the patch is added to the sums, for the image's the filter is
// added to the patch. With channels last a row of a patch is one run of S * channels numbers, wherever it begins: no gathering,
// and nothing is multiplied by 0. Measured, 8 -> 16 channels on 16x16, maxima: both gradients in 0.6 of the time that
// patch_backward.h's vectors of places took.
#pragma once

#include "layout.h"
#include "patch_backward.h"

// Vectors of at most eight numbers: with 8 or 16 channels they begin where a cache line or its half does.
constexpr int EIGHT = W < 8 ? W : 8;
typedef float Some __attribute__((vector_size(EIGHT * 4)));
typedef float AnySome __attribute__((vector_size(EIGHT * 4), aligned(4), may_alias));
INLINE Some load_some(const float* p) { return *reinterpret_cast<const AnySome*>(p); }
INLINE void store_some(float* p, Some v) { *reinterpret_cast<AnySome*>(p) = v; }

template <int R>
constexpr int PATCH_VECTORS = (REGISTERS - 4) / R;  // vectors of a run at a time: those of all rows are in registers

struct Winners {
    int channels, row, frame;  // floats of a pixel, of a row and of an image with zeros around it
    int run, sums;             // floats of a patch's row in whole vectors, and of a filter
};

// `dx`: sums go back into the image, which takes pixels that begin a vector, or what is stored cannot be loaded at once.
static Winners winners_of(const Geometry& g, const Patches& p, bool dx) {
    Winners w{};
    w.channels = dx ? round_up(g.C, EIGHT) : g.C;
    w.row = (2 * p.Q + p.S - 1) * w.channels;
    w.frame = round_up((2 * p.P + p.R - 1) * w.row, W) + 2 * SLACK;
    w.run = round_up(p.S * w.channels, EIGHT), w.sums = p.R * w.run;
    return w;
}

struct List {  // the elements of one filter's windows that have a gradient: where their patches begin, and the gradient
    int32_t* offset;
    float* value;
    int count;
};

// The list, with zeros after it for a vector's length; and its sum, added to the bias.
template <bool Max>
static void find_winners(const Winners& w, int places, const int32_t* starts, const float* dy, const uint8_t* bytes, List& to,
                         float* bias) {
    const int32_t elements[4] = {0, w.channels, w.row, w.row + w.channels};
    int count = 0;
    for (int i = 0; i < places; i++) {
        const int byte = bytes[i];
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

// Add to the sums of R rows of NV vectors what the list's patches give.
template <int R, int NV>
static void add_patches(const float* frame, int row, const List& list, float* sums, int run) {
    Some sum[R][NV];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < NV; v++) sum[r][v] = load_some(sums + r * run + v * EIGHT);
    for (int i = 0; i < list.count; i++) {
        const float* at = frame + list.offset[i];
        const Some value = list.value[i] - Some{};
        for (int r = 0; r < R; r++)
            for (int v = 0; v < NV; v++) sum[r][v] += load_some(at + r * row + v * EIGHT) * value;
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < NV; v++) store_some(sums + r * run + v * EIGHT, sum[r][v]);
}

// Add to the list's patches the filter, as often as the gradient says.
template <int R, int NV>
static void add_filter(float* frame, int row, const List& list, const float* filter, int run) {
    Some weight[R][NV];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < NV; v++) weight[r][v] = load_some(filter + r * run + v * EIGHT);
    for (int i = 0; i < list.count; i++) {
        float* at = frame + list.offset[i];
        const Some value = list.value[i] - Some{};
        for (int r = 0; r < R; r++)
            for (int v = 0; v < NV; v++) store_some(at + r * row + v * EIGHT, load_some(at + r * row + v * EIGHT) + weight[r][v] * value);
    }
}

// All vectors of a run, some at a time: call(constant, first float).
template <int R, class Call>
INLINE void over_run(int run, Call call) {
    for (int at = 0; at < run;) {
        const int left = (run - at) / EIGHT, blocks = (left + PATCH_VECTORS<R> - 1) / PATCH_VECTORS<R>, take = (left + blocks - 1) / blocks;
        constant<PATCH_VECTORS<R>>(take, [&](auto vectors) { call(vectors, at); });
        at += take * EIGHT;
    }
}

// Number i of a filter's sums is that of weight (c, r, s), for i in this order: call(i, weight).
template <class Call>
INLINE void over_weights(const Geometry& g, const Patches& p, const Winners& w, Call call) {
    for (int r = 0; r < p.R; r++)
        for (int s = 0; s < p.S; s++)
            for (int c = 0; c < g.C; c++) call(r * w.run + s * w.channels + c, (c * p.R + r) * p.S + s);
}

// What the sums are where the image holds NaN, infinity or very large numbers: products by 0 count.
template <bool Max>
static void add_patches_carefully(const Patches& p, const Winners& w, const float* frame, const int32_t* starts, const float* dy,
                                  const uint8_t* bytes, float* sums) {
    for (int t = 0; t < w.sums; t++) {
        if (t % w.run >= p.S * w.channels) continue;
        float sum = 0;
        for (int element = 0; element < 4; element++) {
            const float* at = frame + element / 2 * w.row + element % 2 * w.channels + t / w.run * w.row + t % w.run;
            for (int i = 0; i < p.places; i++) sum += at[starts[i]] * patch_part(Max, Max ? dy[i] : dy[i] * 0.25f, bytes[i], element);
        }
        sums[t] += sum;
    }
}

static long winners_table(const Geometry& g, const Patches& p, const Winners& w) {  // starts, and packed filters
    return round_up(p.places, W) + static_cast<long>(g.K) * w.sums + SLACK;
}
// Of each thread: two frames, a list, the sums; and what a gradient that is not tame needs: d, which and a bias to forget.
static long winners_own(const Geometry& g, const Patches& p, const Winners& w) {
    return 2L * w.frame + 2L * (4 * p.padded + SLACK) + static_cast<long>(g.K) * (round_up(w.sums, W) + 2L * p.padded + W) + 2 * SLACK;
}

static void winners_tables(const Geometry& g, const Patches& p, const Winners& w, const float* weight, float* table) {
    int32_t* starts = reinterpret_cast<int32_t*>(table);
    for (int i = 0; i < p.places; i++) starts[i] = i / p.Q * 2 * w.row + i % p.Q * 2 * w.channels;
    float* filters = table + round_up(p.places, W);
    if (!weight) return;
    std::memset(filters, 0, static_cast<size_t>(g.K) * w.sums * sizeof(float));
    for (int k = 0; k < g.K; k++)
        over_weights(g, p, w, [&](int i, int from) { filters[k * w.sums + i] = weight[static_cast<long>(k) * g.taps + from]; });
}

// The sums of one chunk of images, from n0 to n1: for each weight one, then for each filter a vector. `own` is zero at first.
template <int R, bool Max>
static void winners_chunk(const Geometry& g, const Patches& p, const Winners& w, long n0, long n1, const float* x, const float* weight,
                          const uint8_t* bytes, const float* dy, const float* end, const float* table, bool tame_weight, float* dx,
                          bool filters, float* own, float* sums) {
    const int H = g.h.length, width = g.w.length, high = 2 * p.P + p.R - 1, wide_ = 2 * p.Q + p.S - 1;
    const int rows = H < high - g.h.before ? H : high - g.h.before, columns = width < wide_ - g.w.before ? width : wide_ - g.w.before;
    const long pixels = static_cast<long>(H) * width, inside = (static_cast<long>(g.h.before) * w.row) + g.w.before * w.channels;
    const int32_t* starts = reinterpret_cast<const int32_t*>(table);
    const float* packed = table + round_up(p.places, W);
    float *frame = own, *back = frame + w.frame, *values = back + w.frame, *found = values + 2 * (4 * p.padded + SLACK);
    float* d = found + static_cast<long>(g.K) * round_up(w.sums, W) + SLACK;
    int32_t* which = reinterpret_cast<int32_t*>(d + static_cast<long>(g.K) * p.padded);
    List list{reinterpret_cast<int32_t*>(values + 4 * p.padded + SLACK), values, 0};
    float* bias = sums + static_cast<long>(g.K) * g.taps;
    if (filters) std::memset(found, 0, static_cast<size_t>(g.K) * w.sums * sizeof(float));
    for (long n = n0; n < n1; n++) {
        const float *image = filters ? x + n * g.C * pixels : nullptr, *gradient = dy + n * g.K * p.places;
        const uint8_t* won = bytes + n * g.K * p.padded;
        const bool tame_image = filters && tame(image, g.C * pixels);
        const bool tame_back = dx && tame_weight && tame(gradient, static_cast<long>(g.K) * p.places);
        if (filters)
            for (int h = 0; h < rows; h++)
                transpose_matrix(image + static_cast<long>(h) * width, pixels, g.C, columns, frame + inside + static_cast<long>(h) * w.row, w.channels);
        if (tame_back) std::memset(back, 0, w.frame * sizeof(float));
        for (int k = 0; k < g.K; k++) {
            const float* own_dy = gradient + static_cast<long>(k) * p.places;
            const uint8_t* own_bytes = won + static_cast<long>(k) * p.padded;
            float* own_sums = found + static_cast<long>(k) * w.sums;
            find_winners<Max>(w, p.places, starts, own_dy, own_bytes, list, bias + k * W);
            if (tame_image)
                over_run<R>(w.run, [&](auto vectors, int at) {
                    add_patches<R, decltype(vectors)::value>(frame + at, w.row, list, own_sums + at, w.run);
                });
            else if (filters)
                add_patches_carefully<Max>(p, w, frame, starts, own_dy, own_bytes, own_sums);
            if (tame_back)
                over_run<R>(w.run, [&](auto vectors, int at) {
                    add_filter<R, decltype(vectors)::value>(back + at, w.row, list, packed + static_cast<long>(k) * w.sums + at, w.run);
                });
        }
        if (!dx) continue;
        float* out = dx + n * g.C * pixels;
        if (tame_back) {
            if (rows < H || columns < width) std::memset(out, 0, g.C * pixels * sizeof(float));
            for (int h = 0; h < rows; h++)
                transpose_matrix(back + inside + static_cast<long>(h) * w.row, w.channels, columns, g.C, out + static_cast<long>(h) * width, pixels);
        } else {
            float* forgotten = reinterpret_cast<float*>(which) + static_cast<long>(g.K) * p.padded;
            patch_gradient<Max>(g, p, gradient, end, won, d, which, forgotten);
            patch_input_gradient_carefully(g, p, d, which, weight, out);
        }
    }
    if (filters)
        for (int k = 0; k < g.K; k++)
            over_weights(g, p, w, [&](int i, int to) { sums[static_cast<long>(k) * g.taps + to] = found[static_cast<long>(k) * w.sums + i]; });
}
