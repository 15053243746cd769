// ReLU and leaky ReLU over flat arrays, in blocks.
#pragma once

#include "runtime.h"

constexpr long BLOCK = 1 << 14;  // floats of a task

// Run task(first, last) over blocks of count elements; small arrays stay on the calling thread.
template <class Task>
static void blocks(int threads, long count, Task task) {
    parallel(count < 2 * BLOCK ? 1 : threads, (count + BLOCK - 1) / BLOCK,
             [&](long i, int) { task(i * BLOCK, (i + 1) * BLOCK < count ? (i + 1) * BLOCK : count); });
}

EXPORT void relu_forward(int threads, long count, const float* x, float* y) {
    blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) y[i] = x[i] <= 0 ? 0.0f : x[i];
    });
}

EXPORT void relu_backward(int threads, long count, const float* y, const float* dy, float* dx) {
    blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) dx[i] = y[i] <= 0 ? 0.0f : dy[i];
    });
}

// y may be x.
EXPORT void leaky_relu_forward(int threads, long count, float slope, const float* x, float* y) {
    blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) y[i] = x[i] > 0 ? x[i] : x[i] * slope;
    });
}

// For slopes above 0, where y > 0 says what x > 0 would.
EXPORT void leaky_relu_backward(int threads, long count, float slope, const float* y, const float* dy, float* dx) {
    blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) dx[i] = y[i] > 0 ? dy[i] : dy[i] * slope;
    });
}

EXPORT void add_arrays(int threads, long count, const float* a, const float* b, float* to) {
    blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) to[i] = a[i] + b[i];
    });
}
