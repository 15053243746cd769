// Matrices turned over, W by W numbers in registers: what changes the order of an image's axes, and packs
// filters.
#pragma once

#include "core/vector.h"

// Swap blocks of Half by Half numbers of W vectors: after all halves of W they are transposed.
template <int Half, size_t... I>
INLINE void swap_blocks(Floats (&v)[W], std::index_sequence<I...>) {
    for (int i = 0; i < W; i++) {
        if (i & Half) continue;
        const Floats a = v[i], b = v[i + Half];
        v[i] = lanes_of<(int(I) & Half ? W + int(I) - Half : int(I))...>(a, b);
        v[i + Half] = lanes_of<(int(I) & Half ? W + int(I) : int(I) + Half)...>(a, b);
    }
}

template <int Half = W / 2>
INLINE void transpose(Floats (&v)[W]) {
    swap_blocks<Half>(v, std::make_index_sequence<W>{});
    if constexpr (Half > 1) transpose<Half / 2>(v);
}

// to[j * to_apart + i] = from[i * apart + j] for i < rows and j < columns.
static void transpose_matrix(const float* from, long apart, int rows, int columns, float* to, long to_apart) {
    for (int j = 0; j < columns; j += W) {
        const int width = columns - j < W ? columns - j : W;
        for (int i = 0; i < rows; i += W) {
            const int height = rows - i < W ? rows - i : W;
            Floats v[W];
            for (int n = 0; n < W; n++) {
                const float* row = from + (i + n) * apart + j;
                v[n] = n >= height ? Floats{} : width == W ? load(row) : load_part(row, width);
            }
            transpose(v);
            float* out = to + j * to_apart + i;
            for (int n = 0; n < width; n++, out += to_apart) {
                if (height == W)
                    store(out, v[n]);
                else
                    store_part(out, v[n], height);
            }
        }
    }
}
