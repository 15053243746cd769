// Activations over flat arrays, in blocks; for arrays in any one order of memory. The norms apply them to
// what they have just written.
#pragma once

#include "core/parallel.h"
#include "elementwise/functions.h"
#include "interface.h"

// y = f(x) for `count` numbers; y may be x.
NOINLINE void activate(int function, float a, float b, long count, const float* x, float* y) {
    with_function(function, a, b, [&](auto f) {
        long i = 0;
        for (; i + W <= count; i += W) store(y + i, f.forward(load(x + i)));
        if (const int left = static_cast<int>(count - i); left)
            store_part(y + i, f.forward(load_part(x + i, left)), left);
    });
}

// dx = dy f'(x); with `result`, x is y where the function wants that. dx may be x or dy.
NOINLINE void differentiate(int function, float a, float b, long count, bool result, const float* x,
                            const float* dy, float* dx) {
    with_function(function, a, b, [&](auto f) {
        const auto one = [&](Floats at, Floats above) {
            if (decltype(f)::FROM_RESULT && !result) at = f.forward(at);
            return f.backward(at, above);
        };
        long i = 0;
        for (; i + W <= count; i += W) store(dx + i, one(load(x + i), load(dy + i)));
        if (const int left = static_cast<int>(count - i); left)
            store_part(dx + i, one(load_part(x + i, left), load_part(dy + i, left)), left);
    });
}

EXPORT void relu_forward(int threads, long count, const float* x, float* y) {
    over_blocks(threads, count, [=](long i, long end) { activate(RELU, 0, 0, end - i, x + i, y + i); });
}

EXPORT void relu_backward(int threads, long count, const float* y, const float* dy, float* dx) {
    over_blocks(threads, count,
                [=](long i, long end) { differentiate(RELU, 0, 0, end - i, true, y + i, dy + i, dx + i); });
}

EXPORT void activation_forward(int threads, int function, float a, float b, long count, const float* x,
                               float* y) {
    over_blocks(threads, count, [=](long i, long end) { activate(function, a, b, end - i, x + i, y + i); });
}

EXPORT void activation_backward(int threads, int function, float a, float b, long count, const float* x,
                                const float* dy, float* dx) {
    over_blocks(threads, count, [=](long i, long end) {
        differentiate(function, a, b, end - i, true, x + i, dy + i, dx + i);
    });
}
