// From one order of an image's axes to another: channels last, or in C order.
#pragma once

#include "runtime.h"
#include "vector.h"

// Swap blocks of Half by Half numbers of W vectors: after all halves of W they are transposed.
template <int Half, size_t... I>
INLINE void swap_blocks(Floats (&v)[W], std::index_sequence<I...>) {
    for (int i = 0; i < W; i++) {
        if (i & Half) continue;
        const Floats a = v[i], b = v[i + Half];
        v[i] = __builtin_shufflevector(a, b, (int(I) & Half ? W + int(I) - Half : int(I))...);
        v[i + Half] = __builtin_shufflevector(a, b, (int(I) & Half ? W + int(I) : int(I) + Half)...);
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

// From any order of the axes (strides in floats) to channels last; with `y`, 0 where y <= 0 (ReLU's gradient).
EXPORT void to_channels_last(int threads, int N, int C, int H, int W_, const float* x, const long* strides, const float* y, float* to) {
    const long sn = strides[0], sc = strides[1], sh = strides[2], sw = strides[3];
    parallel(static_cast<long>(N) * C * H * W_ < 16384 ? 1 : threads, static_cast<long>(N) * H, [&](long row, int) {
        const float* from = x + row / H * sn + row % H * sh;
        float* out = to + row * W_ * C;
        if (sw == 1) {
            transpose_matrix(from, sc, C, W_, out, C);
        } else {
            for (int w = 0; w < W_; w++)
                for (int c = 0; c < C; c++) out[w * C + c] = from[w * sw + c * sc];
        }
        if (y)
            for (long i = 0; i < static_cast<long>(W_) * C; i++) out[i] = y[row * W_ * C + i] <= 0 ? 0 : out[i];
    });
}

// And back, from channels last to C order.
EXPORT void from_channels_last(int threads, int N, int C, long pixels, const float* x, float* to) {
    constexpr long SOME = 16 * W;  // pixels of a task
    const long parts = (pixels + SOME - 1) / SOME;
    parallel(N * C * pixels < 16384 ? 1 : threads, N * parts, [&](long task, int) {
        const long n = task / parts, first = task % parts * SOME, count = pixels - first < SOME ? pixels - first : SOME;
        transpose_matrix(x + (n * pixels + first) * C, C, static_cast<int>(count), C, to + n * C * pixels + first, pixels);
    });
}
