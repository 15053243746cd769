// Sparse gradients of convolution by patches (sparse_layout.h): patches added to filters, and filters added
// to patches.
#pragma once

#include "conv/patch/input_gradient.h"
#include "conv/patch/sparse_layout.h"

template <int R>
constexpr int PATCH_VECTORS =
    (REGISTERS - 4) / R;  // vectors of a patch's row at a time: those of all rows are in registers

// Add to the sums of R rows of NV vectors what the list's patches give.
template <int R, int NV>
static void add_patches(const float* frame, int row, const SparseGradient& list, float* sums, int patch_row) {
    Eight sum[R][NV];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < NV; v++) sum[r][v] = load_eight(sums + r * patch_row + v * EIGHT);
    for (int i = 0; i < list.count; i++) {
        const float* at = frame + list.offset[i];
        const Eight value = list.value[i] - Eight{};
        for (int r = 0; r < R; r++)
            for (int v = 0; v < NV; v++) sum[r][v] += load_eight(at + r * row + v * EIGHT) * value;
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < NV; v++) store_eight(sums + r * patch_row + v * EIGHT, sum[r][v]);
}

// Add to the list's patches the filter, as often as the gradient says.
template <int R, int NV>
static void add_filter(float* frame, int row, const SparseGradient& list, const float* filter,
                       int patch_row) {
    Eight weight[R][NV];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < NV; v++) weight[r][v] = load_eight(filter + r * patch_row + v * EIGHT);
    for (int i = 0; i < list.count; i++) {
        float* at = frame + list.offset[i];
        const Eight value = list.value[i] - Eight{};
        for (int r = 0; r < R; r++)
            for (int v = 0; v < NV; v++)
                store_eight(at + r * row + v * EIGHT,
                            load_eight(at + r * row + v * EIGHT) + weight[r][v] * value);
    }
}

// All vectors of a patch's row, some at a time: call(constant, first float).
template <int R, class Call>
INLINE void over_patch_row(int patch_row, Call call) {
    for (int at = 0; at < patch_row;) {
        const int left = (patch_row - at) / EIGHT, blocks = (left + PATCH_VECTORS<R> - 1) / PATCH_VECTORS<R>,
                  take = (left + blocks - 1) / blocks;
        constant<PATCH_VECTORS<R>>(take, [&](auto vectors) { call(vectors, at); });
        at += take * EIGHT;
    }
}

// What the sums are where the image holds NaN, infinity or very large numbers: products by 0 count.
template <bool Max>
static void add_patches_carefully(const Patches& p, const SparseLayout& w, const float* frame,
                                  const int32_t* starts, const float* dy, const uint8_t* marks, float* sums) {
    for (int t = 0; t < w.sums; t++) {
        if (t % w.patch_row >= p.S * w.channels) continue;
        float sum = 0;
        for (int element = 0; element < 4; element++) {
            const float* at = frame + element / 2 * w.row + element % 2 * w.channels +
                              t / w.patch_row * w.row + t % w.patch_row;
            for (int i = 0; i < p.places; i++)
                sum += at[starts[i]] * patch_part(Max, Max ? dy[i] : dy[i] * 0.25f, marks[i], element);
        }
        sums[t] += sum;
    }
}
