// ReLU and leaky ReLU over flat arrays, in blocks; for arrays in any one order of memory.
#pragma once

#include "core/parallel.h"
#include "interface.h"

EXPORT void relu_forward(int threads, long count, const float* x, float* y) {
    over_blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) y[i] = x[i] <= 0 ? 0.0f : x[i];
    });
}

EXPORT void relu_backward(int threads, long count, const float* y, const float* dy, float* dx) {
    over_blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) dx[i] = y[i] <= 0 ? 0.0f : dy[i];
    });
}

// y may be x.
EXPORT void leaky_relu_forward(int threads, long count, float slope, const float* x, float* y) {
    over_blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) y[i] = x[i] > 0 ? x[i] : x[i] * slope;
    });
}

// For slopes above 0, where y > 0 says what x > 0 would.
EXPORT void leaky_relu_backward(int threads, long count, float slope, const float* y, const float* dy,
                                float* dx) {
    over_blocks(threads, count, [=](long i, long end) {
        for (; i < end; i++) dx[i] = y[i] > 0 ? dy[i] : dy[i] * slope;
    });
}
