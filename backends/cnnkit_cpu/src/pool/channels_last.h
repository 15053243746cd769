// Max and average pooling with the channels last in memory: vectors of channels, a row of results to a task.
// Chosen where images come so from a convolution or from batch norm.
#pragma once

#include <limits>

#include "core/parallel.h"
#include "interface.h"

struct Window {  // what the caller passes as an array of ints
    int C, H, W, P, Q, size_h, size_w, stride_h, stride_w, dilation_h, dilation_w, top, left;

    long work(long N) const { return N * P * Q * C * size_h * size_w; }  // numbers that results are made of
    bool disjoint() const {
        return stride_h >= (size_h - 1) * dilation_h + 1 && stride_w >= (size_w - 1) * dilation_w + 1;
    }
};

// Call function(pixel, number) for those elements of result (p, q)'s window that lie in the image, with the
// number of the pixel in the image and that of the element in the window.
template <class Function>
INLINE void over_elements(const Window& g, int p, int q, const Function& function) {
    for (int a = 0; a < g.size_h; a++) {
        const int h = p * g.stride_h + a * g.dilation_h - g.top;
        if (h < 0 || h >= g.H) continue;
        for (int b = 0; b < g.size_w; b++) {
            const int w = q * g.stride_w + b * g.dilation_w - g.left;
            if (w < 0 || w >= g.W) continue;
            function(static_cast<long>(h) * g.W + w, a * g.size_w + b);
        }
    }
}

// The elements of a window that lie in the image, along one axis.
struct Inside {
    int first, end;
    Inside(int start, int size, int dilation, int length) {
        first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
        const int count = start >= length ? 0 : (length - 1 - start) / dilation + 1;
        end = count < size ? count : size;
    }
};

// A row of results where nobody wants to know which elements they are.
NOINLINE void max_pool_row(const Window& g, const float* image, int p, float* y) {
    const int top = p * g.stride_h - g.top;
    const Inside down(top, g.size_h, g.dilation_h, g.H);
    for (int q = 0; q < g.Q; q++, y += g.C) {
        const int left = q * g.stride_w - g.left;
        const Inside across(left, g.size_w, g.dilation_w, g.W);
        const long right = static_cast<long>(g.dilation_w) * g.C;
        for (int c = 0; c < g.C; c += W) {
            const int some = g.C - c;
            Floats best = splat(-std::numeric_limits<float>::infinity());
            for (int a = down.first; a < down.end; a++) {
                const float* from = image + (static_cast<long>(top + a * g.dilation_h) * g.W + left) * g.C +
                                    c;
                for (int b = across.first; b < across.end; b++) {
                    const Floats v = load_up_to(from + b * right, some);
                    best = choose((v > best) | ((v != v) & (best == best)), v, best);
                }
            }
            store_up_to(y + c, best, some);
        }
    }
}

// x (N, H, W, C) -> y (N, P, Q, C), and for each result the number of its element, argmax (may be null). NaN
// is the largest; of equals the first.
EXPORT void max_pool_channels_last_forward(int threads, const Window* window, long N, const float* x,
                                           float* y, uint8_t* argmax) {
    const Window& g = *window;
    parallel(threads_for(threads, g.work(N)), N * g.P, [&](long row, int) {
        const long n = row / g.P;
        const int p = static_cast<int>(row % g.P);
        if (!argmax) return max_pool_row(g, x + n * g.H * g.W * g.C, p, y + row * g.Q * g.C);
        for (int q = 0; q < g.Q; q++) {
            const long to = (row * g.Q + q) * g.C;
            const auto pool = [&](int c, auto read, auto write, auto write_argmax) {
                Floats best = splat(-std::numeric_limits<float>::infinity());
                Ints which = splat_int(-1);
                over_elements(g, p, q, [&](long pixel, int number) {
                    const Floats v = read(x + (n * g.H * g.W + pixel) * g.C + c);
                    const Ints larger = (v > best) | (which < splat_int(0)) | ((v != v) & (best == best));
                    best = choose(larger, v, best);
                    which = larger ? splat_int(number) : which;
                });
                write(y + to + c, best);
                write_argmax(argmax + to + c, which);
            };
            int c = 0;
            for (; c + W <= g.C; c += W)
                pool(
                    c, [](const float* at) { return load(at); }, [](float* at, Floats v) { store(at, v); },
                    [](uint8_t* at, Ints v) { store_bytes(at, v); });
            if (const int left = g.C - c; left)
                pool(
                    c, [=](const float* at) { return load_part(at, left); },
                    [=](float* at, Floats v) { store_part(at, v, left); },
                    [=](uint8_t* at, Ints v) {
                        for (int l = 0; l < left; l++) at[l] = static_cast<uint8_t>(v[l]);
                    });
        }
    });
}

// dy (N, P, Q, C) and `argmax` -> dx (N, H, W, C). Windows that share no pixel are written one by one; others
// are added up, image by image.
EXPORT void max_pool_channels_last_backward(int threads, const Window* window, long N, const float* dy,
                                            const uint8_t* argmax, float* dx) {
    const Window& g = *window;
    const bool apart = g.disjoint(), covered = apart && g.size_h == g.stride_h && g.size_w == g.stride_w &&
                                               !g.top && !g.left && g.P * g.stride_h == g.H &&
                                               g.Q * g.stride_w == g.W;
    parallel(threads_for(threads, N * g.H * g.W * g.C), N, [&](long n, int) {
        float* image = dx + n * g.H * g.W * g.C;
        if (!covered) std::memset(image, 0, static_cast<size_t>(g.H) * g.W * g.C * sizeof(float));
        for (int p = 0; p < g.P; p++)
            for (int q = 0; q < g.Q; q++) {
                const long from = ((n * g.P + p) * g.Q + q) * g.C;
                over_elements(g, p, q, [&](long pixel, int number) {
                    float* to = image + pixel * g.C;
                    int c = 0;
                    for (; c + W <= g.C; c += W) {
                        const Floats d = choose(load_bytes(argmax + from + c) == splat_int(number),
                                                load(dy + from + c), Floats{});
                        store(to + c, apart ? d : d + load(to + c));
                    }
                    for (; c < g.C; c++) {
                        const float d = argmax[from + c] == number ? dy[from + c] : 0;
                        to[c] = apart ? d : to[c] + d;
                    }
                });
            }
    });
}

// Averages over windows, the divisor being the same for all: x (N, H, W, C) -> y (N, P, Q, C).
EXPORT void avg_pool_channels_last_forward(int threads, const Window* window, long N, const float* x,
                                           float divisor, float* y) {
    const Window& g = *window;
    parallel(threads_for(threads, g.work(N)), N * g.P, [&](long row, int) {
        const long n = row / g.P;
        const int p = static_cast<int>(row % g.P);
        for (int q = 0; q < g.Q; q++) {
            float* __restrict to = y + (row * g.Q + q) * g.C;
            for (int c = 0; c < g.C; c++) to[c] = 0;
            over_elements(g, p, q, [&](long pixel, int) {
                const float* __restrict from = x + (n * g.H * g.W + pixel) * g.C;
                for (int c = 0; c < g.C; c++) to[c] += from[c];
            });
            for (int c = 0; c < g.C; c++) to[c] /= divisor;
        }
    });
}

EXPORT void avg_pool_channels_last_backward(int threads, const Window* window, long N, const float* dy,
                                            float divisor, float* dx) {
    const Window& g = *window;
    parallel(threads_for(threads, N * g.H * g.W * g.C), N, [&](long n, int) {
        float* image = dx + n * g.H * g.W * g.C;
        std::memset(image, 0, static_cast<size_t>(g.H) * g.W * g.C * sizeof(float));
        for (int p = 0; p < g.P; p++)
            for (int q = 0; q < g.Q; q++) {
                const float* __restrict from = dy + ((n * g.P + p) * g.Q + q) * g.C;
                over_elements(g, p, q, [&](long pixel, int) {
                    float* __restrict to = image + pixel * g.C;
                    for (int c = 0; c < g.C; c++) to[c] += from[c] / divisor;
                });
            }
    });
}
