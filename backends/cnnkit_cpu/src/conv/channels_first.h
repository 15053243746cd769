// Convolution with ReLU and pooling on images in C order, (N, C, H, W), as Python calls it, and which loop
// serves: patches where `patched` says so (what small networks begin with), their gradients sparse or by
// vectors of places, and else the flat loop.
#pragma once

#include "conv/flat/backward.h"
#include "conv/patch/backward.h"
#include "conv/patch/forward.h"
#include "conv/patch/sparse_backward.h"
#include "interface.h"

// Floats that conv_forward needs.
EXPORT long conv_forward_room(const Geometry* geometry, int threads) {
    const Geometry& g = *geometry;
    if (patched(g)) return filter_floats(g) + threads * patch_forward_thread_floats(patches_of(g));
    return flat_forward_room(g, threads);
}

// Bytes of marks for each image, which conv_forward leaves for conv_backward: one a window.
EXPORT long conv_marks_size(const Geometry* geometry) {
    const Geometry& g = *geometry;
    return g.pool ? static_cast<long>(g.K) * (patched(g) ? round_up(g.P() * g.Q(), W) : g.padded) : 0;
}

// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or null -> y (N, K, P, Q) and `marks`, which may be
// null.
EXPORT void conv_forward(int threads, const Geometry* geometry, int N, const float* x, const float* weight,
                         const float* bias, float* y, uint8_t* marks, float* room) {
    (patched(*geometry) ? patch_forward : flat_forward)(threads, *geometry, N, x, weight, bias, y, marks,
                                                        room);
}

// Floats that conv_backward needs; `dx`: with the input's gradient.
EXPORT long conv_backward_room(const Geometry* geometry, int threads, int N, int dx) {
    const Geometry& g = *geometry;
    if (!patched(g)) return flat_backward_room(g, threads, N, dx);
    return by_sparse_gradients(g) ? sparse_backward_room(g, threads, N, dx)
                                  : patch_backward_room(g, threads, N, dx);
}

// x, weight, y and marks of conv_forward, dy (N, K, P, Q) -> dx, dweight and dbias, each of which may be
// null.
EXPORT void conv_backward(int threads, const Geometry* geometry, int N, const float* x, const float* weight,
                          const float* y, const uint8_t* marks, const float* dy, float* dx, float* dweight,
                          float* dbias, float* room) {
    const Geometry& g = *geometry;
    if (!patched(g)) return flat_backward(threads, g, N, x, weight, y, marks, dy, dx, dweight, dbias, room);
    (by_sparse_gradients(g) ? sparse_backward : patch_backward)(threads, g, N, x, weight, marks, dy, dx,
                                                                dweight, dbias, room);
}
