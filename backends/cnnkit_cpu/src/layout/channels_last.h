// Images from any order of their axes in memory to channels last, (N, H, W, C), and back to C order, (N, C,
// H, W).
#pragma once

#include "core/parallel.h"
#include "core/transpose.h"
#include "elementwise/activation.h"
#include "interface.h"

// `count` pixels of C channels that lie `apart` floats apart, side by side: few of them would leave most of
// a transposed block empty.
template <int C>
static void interleave(const float* from, long apart, long count, float* to) {
    for (long i = 0; i < count; i++)
        for (int c = 0; c < C; c++) to[i * C + c] = from[c * apart + i];
}

// From any order of the axes (strides in floats) to channels last; with `y`, 0 where y <= 0 (ReLU's
// gradient).
EXPORT void to_channels_last(int threads, int N, int C, int H, int W_, const float* x, const long* strides,
                             const float* y, float* to) {
    const long sn = strides[0], sc = strides[1], sh = strides[2], sw = strides[3];
    parallel(threads_for(threads, static_cast<long>(N) * C * H * W_), static_cast<long>(N) * H,
             [&](long row, int) {
                 const float* from = x + row / H * sn + row % H * sh;
                 float* out = to + row * W_ * C;
                 if (sc == 1) {
                     for (int w = 0; w < W_; w++) copy_row(from + w * sw, out + static_cast<long>(w) * C, C);
                 } else if (sw == 1 && C == 2) {
                     interleave<2>(from, sc, W_, out);
                 } else if (sw == 1 && C == 3) {
                     interleave<3>(from, sc, W_, out);
                 } else if (sw == 1 && C == 4) {
                     interleave<4>(from, sc, W_, out);
                 } else if (sw == 1) {
                     transpose_matrix(from, sc, C, W_, out, C);
                 } else {
                     for (int w = 0; w < W_; w++)
                         for (int c = 0; c < C; c++) out[w * C + c] = from[w * sw + c * sc];
                 }
                 if (y)
                     differentiate(RELU, 0, 0, static_cast<long>(W_) * C, true, y + row * W_ * C, out, out);
             });
}

// And back, from channels last to C order.
EXPORT void from_channels_last(int threads, int N, int C, long pixels, const float* x, float* to) {
    constexpr long SOME = 16 * W;  // pixels of a task
    const long parts = (pixels + SOME - 1) / SOME;
    parallel(threads_for(threads, N * C * pixels), N * parts, [&](long task, int) {
        const long n = task / parts, first = task % parts * SOME,
                   count = pixels - first < SOME ? pixels - first : SOME;
        transpose_matrix(x + (n * pixels + first) * C, C, static_cast<int>(count), C,
                         to + n * C * pixels + first, pixels);
    });
}
