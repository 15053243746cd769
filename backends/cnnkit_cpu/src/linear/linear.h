// The dense layer and its gradients, as Python calls them: dot products (dot.h) for few rows or columns,
// combinations of rows (combination.h) for more, and for the gradients.
#pragma once

#include "core/parallel.h"
#include "interface.h"
#include "linear/combination.h"
#include "linear/dot.h"

// x (N, I), weight (O, I), bias (O) or null -> y (N, O), with ReLU if `relu`.
EXPORT void linear_forward(int threads, long N, long I, long O, const float* x, const float* weight,
                           const float* bias, float* y, int relu) {
    if (N * I * O < 16384) threads = 1;
    if (N >= FEW && O >= FEW) {
        Combination product{N, I, O, {x, I, 1}, nullptr, weight, true, y, bias, relu != 0};
        return parallel(threads, product.tasks(2 * threads), [&](long task, int) { product.task(task); });
    }
    const long rows = N < FEW ? N : 16, columns = O < FEW ? O : 4 * DOT_COLUMNS,
               across = (O + columns - 1) / columns;
    parallel(threads, across * ((N + rows - 1) / rows), [&](long task, int) {
        const long n = task / across * rows, o = task % across * columns;
        dot_rows(static_cast<int>(N - n < rows ? N - n : rows), I,
                 static_cast<int>(O - o < columns ? O - o : columns), x + n * I, weight + o * I,
                 bias ? bias + o : nullptr, y + n * O + o, O, relu);
    });
}

// dy (N, O) of linear_forward, and its y where it had ReLU -> dx (N, I), dweight (O, I), dbias (O), each of
// which may be null.
EXPORT void linear_backward(int threads, long N, long I, long O, const float* x, const float* weight,
                            const float* y, const float* dy, float* dx, float* dweight, float* dbias) {
    constexpr long SOME = 64;  // columns of dbias that a task makes
    if (N * I * O < 8192) threads = 1;
    Combination by_x{N, O, I, {dy, O, 1}, y, weight, false, dx},
        by_weight{O, N, I, {dy, 1, O}, y, x, false, dweight};
    const long of_x = dx ? by_x.tasks(2 * threads) : 0,
               both = of_x + (dweight ? by_weight.tasks(4 * threads) : 0);
    parallel(threads, both + (dbias ? (O + SOME - 1) / SOME : 0), [&](long task, int) {
        if (task < both) {  // evenly mixed, so that each thread meets its part of either from call to call
            const long before = task * of_x / both;
            return before < (task + 1) * of_x / both ? by_x.task(before) : by_weight.task(task - before);
        }
        const long o0 = (task - both) * SOME, columns = O - o0 < SOME ? O - o0 : SOME;
        double sums[SOME] = {};
        for (long i = o0; i < N * O; i += O)
            for (long o = 0; o < columns; o++) {
                const float d = dy[i + o];
                sums[o] += y && y[i + o] <= 0 ? 0.0f : d;
            }
        for (long o = 0; o < columns; o++) dbias[o0 + o] = static_cast<float>(sums[o]);
    });
}
