// Optimizer updates: all parameters of a group in one call. No two of the arrays overlap, and the loops become vectors for it.
#pragma once

#include <cmath>

#include "activation.h"

// Run task(i, first, last) over blocks of the arrays i, of sizes[i] elements each.
template <class Task>
static void over_arrays(int threads, long arrays, const long* sizes, Task task) {
    long all = 0;
    for (long i = 0; i < arrays; i++) all += (sizes[i] + BLOCK - 1) / BLOCK;
    parallel(threads, all > arrays ? all : 1, [&](long block, int) {
        if (all <= arrays) {  // all are small
            for (long i = 0; i < arrays; i++) task(i, 0, sizes[i]);
            return;
        }
        long i = 0;
        for (long own; block >= (own = (sizes[i] + BLOCK - 1) / BLOCK); i++) block -= own;
        task(i, block * BLOCK, (block + 1) * BLOCK < sizes[i] ? (block + 1) * BLOCK : sizes[i]);
    });
}

// Stochastic gradient descent: new[i] from params[i] and grads[i]; buffers[i], written, or null without momentum; `first`
// says of each buffer that it is not filled yet. take = 1 - dampening, rounded once.
EXPORT void sgd(int threads, long arrays, const long* sizes, const float* const* params, const float* const* grads,
                float* const* buffers, const uint8_t* first, float* const* out, float lr, float momentum, float take,
                float weight_decay, int nesterov, int maximize) {
    over_arrays(threads, arrays, sizes, [&](long i, long at, long end) {
        const float *__restrict p = params[i], *__restrict g = grads[i];
        float *__restrict b = buffers ? buffers[i] : nullptr, *__restrict to = out[i];
        const float sign = maximize ? -1.0f : 1.0f;
        if (!b) {
            for (; at < end; at++) to[at] = p[at] - lr * (sign * g[at] + (weight_decay != 0 ? weight_decay * p[at] : 0.0f));
        } else if (first[i]) {
            for (; at < end; at++) {
                float d = sign * g[at] + (weight_decay != 0 ? weight_decay * p[at] : 0.0f);
                b[at] = d;
                to[at] = p[at] - lr * (nesterov ? d + momentum * d : d);
            }
        } else {
            for (; at < end; at++) {
                float d = sign * g[at] + (weight_decay != 0 ? weight_decay * p[at] : 0.0f), m = momentum * b[at] + take * d;
                b[at] = m;
                to[at] = p[at] - lr * (nesterov ? d + momentum * m : m);
            }
        }
    });
}

// Adam, AMSGrad and AdamW: m, v and the largest v (or null) are written. `rates` holds for each array the step's rate and
// epsilon, with both bias corrections in them. left = 1 - beta, rounded once: 1 - 0.999f is 1e-5 off.
EXPORT void adam(int threads, long arrays, const long* sizes, const float* const* params, const float* const* grads,
                 float* const* means, float* const* squares, float* const* largest, float* const* out, const float* rates,
                 float beta1, float beta2, float left1, float left2, float weight_decay, float shrink, int maximize) {
    over_arrays(threads, arrays, sizes, [&](long i, long at, long end) {
        const float *__restrict p = params[i], *__restrict g = grads[i];
        float *__restrict m = means[i], *__restrict v = squares[i], *__restrict most = largest ? largest[i] : nullptr;
        float* __restrict to = out[i];
        const float sign = maximize ? -1.0f : 1.0f, rate = rates[2 * i], eps = rates[2 * i + 1];
        for (; at < end; at++) {
            const float d = sign * g[at] + (weight_decay != 0 ? weight_decay * p[at] : 0.0f);
            m[at] = beta1 * m[at] + left1 * d;
            v[at] = beta2 * v[at] + left2 * (d * d);
            float square = v[at];
            if (most) square = most[at] = most[at] > square || most[at] != most[at] ? most[at] : square;
            to[at] = p[at] * shrink - rate * (m[at] / (std::sqrt(square) + eps));
        }
    });
}
