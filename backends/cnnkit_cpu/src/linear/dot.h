// The dense layer for few rows or columns: each result is the dot product of a row of the input and a row of
// the weights.
#pragma once

#include "core/blocking.h"
#include "core/lane_sums.h"

constexpr int DOT_ROWS = 4, DOT_COLUMNS = REGISTERS == 32 ? 6 : 3;
constexpr int FEW = 24;  // rows or columns, for which turning the weights over does not pay

// What dot_block makes of rows shorter than a vector.
NOINLINE void dot_short_rows(int rows, int columns, const float* a, const float* b, long I, Floats* sums) {
    for (int n = 0; n < rows; n++)
        for (int o = 0; o < columns; o++) {
            float products[W]{};
            for (long i = 0; i < I; i++) products[i] = a[n * I + i] * b[o * I + i];
            sums[n * columns + o] = load(products);
        }
}

// sums[n][o] = the products of row n of a and row o of b, as a vector that is still to be summed.
template <int NB, int OB>
NOINLINE void dot_block(const float* a, const float* b, long I, Floats* sums) {
    if (I < W) return dot_short_rows(NB, OB, a, b, I, sums);
    Floats sum[NB][OB]{};
    const auto add = [&](long i, auto read) {
        Floats left[NB];
        for (int n = 0; n < NB; n++) left[n] = read(a + n * I + i);
        for (int o = 0; o < OB; o++) {
            const Floats right = read(b + o * I + i);
            for (int n = 0; n < NB; n++) sum[n][o] += left[n] * right;
        }
    };
    long i = 0;
    for (; i + W <= I; i += W) add(i, [](const float* at) { return load(at); });
    if (i < I) {
        const int rest = static_cast<int>(I - i);
        Ints fresh;
        for (int l = 0; l < W; l++) fresh[l] = l < W - rest ? 0 : -1;
        // the last whole vector, without what has been added
        add(I - W, [&](const float* at) { return choose(fresh, load(at), Floats{}); });
    }
    for (int n = 0; n < NB; n++)
        for (int o = 0; o < OB; o++) sums[n * OB + o] = sum[n][o];
}

// y (N, O; rows `across` apart) = x (N, I) times weight (O, I) turned over, plus bias (O) or null; at most
// FEW rows.
static void dot_rows(int N, long I, int O, const float* x, const float* weight, const float* bias, float* y,
                     long across, bool relu) {
    Floats sums[FEW * DOT_COLUMNS + W];
    float results[FEW * DOT_COLUMNS + W];
    for (int o = 0, some; o < O; o += some) {
        some = even_share(O - o, DOT_COLUMNS);
        constant<DOT_COLUMNS>(some, [&](auto columns) {
            for (int n = 0, take; n < N; n += take) {
                take = even_share(N - n, DOT_ROWS);
                constant<DOT_ROWS>(take, [&](auto rows) {
                    dot_block<decltype(rows)::value, decltype(columns)::value>(x + n * I, weight + o * I, I,
                                                                               sums + n * some);
                });
            }
        });
        for (int i = 0; i < W; i++) sums[N * some + i] = Floats{};
        for (int i = 0; i < N * some; i += W) store(results + i, totals<W>(sums + i));
        for (int n = 0; n < N; n++)
            for (int k = 0; k < some; k++) {
                const float sum = results[n * some + k] + (bias ? bias[o + k] : 0.0f);
                y[n * across + o + k] = relu && sum <= 0 ? 0.0f : sum;
            }
    }
}
