// Optimizer updates: stochastic gradient descent, Adam, RMSprop. All parameters of a group in one call, from
// tables of pointers.
#pragma once

#include <cmath>

#include "core/parallel.h"
#include "interface.h"

// Run task(i, first, end) over blocks of the arrays i, of sizes[i] elements each.
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
        for (long count; block >= (count = (sizes[i] + BLOCK - 1) / BLOCK); i++) block -= count;
        task(i, block * BLOCK, (block + 1) * BLOCK < sizes[i] ? (block + 1) * BLOCK : sizes[i]);
    });
}

INLINE Floats root(Floats v) {
    for (int l = 0; l < W; l++) v[l] = std::sqrt(v[l]);
    return v;
}

// Run step(at, n) over the vectors from `at` to `end`, n being the numbers that are left, at least one: read
// them with `load_up_to`, write them with `store_up_to`. (The compiler does not make vectors of loops over
// arrays that might overlap.)
template <class Step>
INLINE void over_vectors(long at, long end, Step step) {
    for (; at + W <= end; at += W) step(at, W);
    if (at < end) step(at, static_cast<int>(end - at));
}

// Stochastic gradient descent: out[i] from params[i] and grads[i]; new_buffers[i] from buffers[i], both null
// without momentum; `first` says of each buffer that it is not filled yet. take = 1 - dampening, rounded
// once.
EXPORT void sgd(int threads, long arrays, const long* sizes, const float* const* params,
                const float* const* grads, const float* const* buffers, const uint8_t* first,
                float* const* new_buffers, float* const* out, float lr, float momentum, float take,
                float weight_decay, int nesterov, int maximize) {
    over_arrays(threads, arrays, sizes, [&](long i, long at, long end) {
        const float *p = params[i], *g = grads[i], *b = buffers ? buffers[i] : nullptr;
        float *new_b = buffers ? new_buffers[i] : nullptr, *to = out[i];
        const bool filled = b && !first[i], decays = weight_decay != 0;
        const Floats sign = splat(maximize ? -1.0f : 1.0f), decay = splat(weight_decay), rate = splat(lr),
                     keep = splat(momentum), part = splat(take);
        over_vectors(at, end, [&](long at, int n) {
            const Floats now = load_up_to(p + at, n);
            Floats d = sign * load_up_to(g + at, n), step = d;
            if (decays) step = d = d + decay * now;
            if (b) {
                step = filled ? keep * load_up_to(b + at, n) + part * d : d;
                store_up_to(new_b + at, step, n);
                if (nesterov) step = d + keep * step;
            }
            store_up_to(to + at, now - rate * step, n);
        });
    });
}

// Adam, AMSGrad and AdamW: new m, v and largest v (or null) from the old ones. `rates` holds for each array
// the step's rate and epsilon, with both bias corrections in them. left = 1 - beta, rounded once: 1 - 0.999f
// is 1e-5 off.
EXPORT void adam(int threads, long arrays, const long* sizes, const float* const* params,
                 const float* const* grads, const float* const* means, const float* const* squares,
                 const float* const* largest, float* const* new_means, float* const* new_squares,
                 float* const* new_largest, float* const* out, const float* rates, float beta1, float beta2,
                 float left1, float left2, float weight_decay, float shrink, int maximize) {
    over_arrays(threads, arrays, sizes, [&](long i, long at, long end) {
        const float *p = params[i], *g = grads[i], *m = means[i], *v = squares[i];
        const float* most = largest ? largest[i] : nullptr;
        float *new_m = new_means[i], *new_v = new_squares[i], *to = out[i];
        const bool decays = weight_decay != 0;
        const Floats sign = splat(maximize ? -1.0f : 1.0f), decay = splat(weight_decay),
                     rate = splat(rates[2 * i]), eps = splat(rates[2 * i + 1]), keep1 = splat(beta1),
                     keep2 = splat(beta2), take1 = splat(left1), take2 = splat(left2), less = splat(shrink);
        over_vectors(at, end, [&](long at, int n) {
            const Floats now = load_up_to(p + at, n);
            Floats d = sign * load_up_to(g + at, n);
            if (decays) d += decay * now;
            const Floats mean = keep1 * load_up_to(m + at, n) + take1 * d;
            Floats square = keep2 * load_up_to(v + at, n) + take2 * (d * d);
            store_up_to(new_m + at, mean, n), store_up_to(new_v + at, square, n);
            if (most) {
                const Floats before = load_up_to(most + at, n);
                square = choose((before > square) | (before != before), before, square);
                store_up_to(new_largest[i] + at, square, n);
            }
            store_up_to(to + at, now * less - rate * (mean / (root(square) + eps)), n);
        });
    });
}

// RMSprop: new averages of squares, momentum's buffers and averages of gradients from the old ones. The last
// two tables are null without momentum and where it is not centered. left = 1 - alpha, rounded once.
EXPORT void rmsprop(int threads, long arrays, const long* sizes, const float* const* params,
                    const float* const* grads, const float* const* squares, const float* const* buffers,
                    const float* const* averages, float* const* new_squares, float* const* new_buffers,
                    float* const* new_averages, float* const* out, float lr, float alpha, float left,
                    float eps, float momentum, float weight_decay, int maximize) {
    over_arrays(threads, arrays, sizes, [&](long i, long at, long end) {
        const float *p = params[i], *g = grads[i], *v = squares[i], *b = buffers ? buffers[i] : nullptr,
                    *a = averages ? averages[i] : nullptr;
        float *new_v = new_squares[i], *new_b = buffers ? new_buffers[i] : nullptr,
              *new_a = averages ? new_averages[i] : nullptr, *to = out[i];
        const bool decays = weight_decay != 0;
        const Floats sign = splat(maximize ? -1.0f : 1.0f), decay = splat(weight_decay), rate = splat(lr),
                     keep = splat(alpha), take = splat(left), more = splat(eps), kept = splat(momentum);
        over_vectors(at, end, [&](long at, int n) {
            const Floats now = load_up_to(p + at, n);
            Floats d = sign * load_up_to(g + at, n);
            if (decays) d += decay * now;
            const Floats square = keep * load_up_to(v + at, n) + take * (d * d);
            store_up_to(new_v + at, square, n);
            Floats spread = square;
            if (a) {
                const Floats mean = keep * load_up_to(a + at, n) + take * d;
                store_up_to(new_a + at, mean, n);
                spread = square - mean * mean;
            }
            Floats step = d / (root(spread) + more);
            if (b) {
                step = kept * load_up_to(b + at, n) + step;
                store_up_to(new_b + at, step, n);
            }
            store_up_to(to + at, now - rate * step, n);
        });
    });
}
