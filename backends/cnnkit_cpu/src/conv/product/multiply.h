// The inner loops of matrix products whose columns are vectors: convolution with the channels last in memory,
// and the dense layer.
//
// The right matrix is packed into panels (panels.h). The left one is read where it lies: a row is the address
// of a pixel's channels, and each tap lies at the same offset from all rows. `outer` adds up outer products
// for the filters' gradient.
#pragma once

#include "conv/finish.h"
#include "conv/product/panels.h"
#include "core/tame.h"

// sum[i][v] += sum over taps and depth of a[row[i] + tap + d] * panel[...][v].
template <int MR, int NV>
INLINE void multiply(const float* a, const int* row, const int* taps, int count, int depth,
                     const float* panel, Floats (&sum)[MR][NV]) {
    const float* at[MR];
    for (int i = 0; i < MR; i++) at[i] = a + row[i];
    // With one vector of columns the rows' addresses, of which there are more than registers, cost as much as
    // the products: each serves some of the depth.
    constexpr int SOME = NV == 1 && REGISTERS == 32 ? 4 : 1;
    for (int t = 0; t < count; t++) {
        const long end = static_cast<long>(taps[t]) + depth;
        long d = taps[t];
        if constexpr (SOME > 1)
            for (; d + SOME <= end; d += SOME, panel += SOME * W) {
                Floats b[SOME];
                for (int k = 0; k < SOME; k++) b[k] = load(panel + k * W);
                for (int i = 0; i < MR; i++) {
                    const float* from = at[i] + d;
                    for (int k = 0; k < SOME; k++) sum[i][0] += splat(from[k]) * b[k];
                }
            }
        for (; d < end; d++) {
            Floats b[NV];
            for (int v = 0; v < NV; v++) b[v] = load(panel + v * W);
            panel += NV * W;
            for (int i = 0; i < MR; i++) {
                const Floats x = splat(at[i][d]);
                for (int v = 0; v < NV; v++) sum[i][v] += x * b[v];
            }
        }
    }
}

struct Left {  // the left matrix: `count` rows
    const float* a;
    const int *row, *taps;
    int count, tap_count, depth;
};

struct Result {
    float* y;
    const int* row;     // where each row's results begin
    int columns;        // of the panel that are results
    const float* bias;  // of the panel's columns, or null
    const Finish& finish;
    const float* addend;  // that of `finish`, where `y` lies in the results
};

// The sum of all vectors, in a tree: one after the other they would wait for each other.
template <int MR, int NV>
INLINE Floats sum_of(const Floats (*sum)[NV]) {
    if constexpr (MR == 1) {
        Floats all = sum[0][0];
        for (int v = 1; v < NV; v++) all += sum[0][v];
        return all;
    } else {
        return sum_of<MR / 2>(sum) + sum_of<MR - MR / 2>(sum + MR / 2);
    }
}

// MR rows times a panel, in a function of its own, in which the compiler finds registers for the inner loop
// whatever is around it. `next`: the rows that come after these, of one tap, which are fetched meanwhile; or
// null. Returns 0 * the results' sum.
template <int MR, int NV>
NOINLINE Floats block_times_panel(const Left& left, const int* row, const int* next, const float* panel,
                                  const Result& to, const int* out) {
    Floats sum[MR][NV];
    for (int v = 0; v < NV; v++) {
        const int rest = to.columns - v * W;
        const Floats bias = to.bias ? load_up_to(to.bias + v * W, rest) : Floats{};
        for (int r = 0; r < MR; r++) {
            sum[r][v] = bias;
            __builtin_prefetch(to.y + out[r] + v * W, 1);  // in the cache by the time it is written
        }
    }
    if (next) {
        for (int d = 0; d < left.depth; d += LINE) {
            const int tap = left.taps[0] + d;
            for (int i = 0; i < MR; i++) __builtin_prefetch(left.a + next[i] + tap);
            multiply<MR, NV>(left.a, row, &tap, 1, left.depth - d < LINE ? left.depth - d : LINE,
                             panel + static_cast<long>(d) * NV * W, sum);
        }
    } else {
        multiply<MR, NV>(left.a, row, left.taps, left.tap_count, left.depth, panel, sum);
    }
    const Floats finite = sum_of<MR>(sum) * splat(0.0f);
    const Bounds bounds = to.finish.bounds;
    if (to.addend) {
        for (int r = 0; r < MR; r++)
            for (int v = 0; v < NV; v++) {
                const int rest = to.columns - v * W;
                const Floats result = sum[r][v] + load_up_to(to.addend + out[r] + v * W, rest);
                store_up_to(to.y + out[r] + v * W, bounds.of(result), rest);
            }
    } else if (to.columns >= NV * W) {
        for (int r = 0; r < MR; r++)
            for (int v = 0; v < NV; v++) store(to.y + out[r] + v * W, bounds.of_number(sum[r][v]));
    } else {
        for (int r = 0; r < MR; r++)
            for (int v = 0; v < NV; v++)
                store_up_to(to.y + out[r] + v * W, bounds.of_number(sum[r][v]), to.columns - v * W);
    }
    if (to.finish.function != NO_FUNCTION)
        for (int r = 0; r < MR; r++) to.finish.complete(to.y + out[r], to.columns);
    return finite;
}

// All rows times a panel. Adds 0 * result to `finite`: it stays 0 if all are.
NOINLINE void rows_times_panel(const Left& left, const float* panel, const Result& to, Floats& finite) {
    constant<COLUMNS>(vectors_of(to.columns), [&](auto vectors) {
        for (int i = 0; i < left.count;) {
            const int take = even_share(left.count - i, ROWS);
            const int* next = left.tap_count == 1 && i + 2 * take <= left.count ? left.row + i + take
                                                                                : nullptr;
            constant<ROWS>(take, [&](auto rows) {
                finite += block_times_panel<decltype(rows)::value, decltype(vectors)::value>(
                    left, left.row + i, next, panel, to, to.row + i);
            });
            i += take;
        }
    });
}

// All rows times a panel, whole vectors, and nothing else; rows of results are `apart` floats apart. They may
// take the place of the rows that they are made of.
NOINLINE void rows_times_panel(const float* a, const int* row, int count, int depth, const float* panel,
                               int vectors, float* y, long apart) {
    const int tap = 0;
    constant<COLUMNS>(vectors, [&](auto some_vectors) {
        constexpr int NV = decltype(some_vectors)::value;
        for (int i = 0; i < count;) {
            const int take = even_share(count - i, ROWS);
            constant<ROWS>(take, [&](auto some_rows) {
                constexpr int MR = decltype(some_rows)::value;
                Floats sum[MR][NV]{};
                multiply<MR, NV>(a, row + i, &tap, 1, depth, panel, sum);
                for (int r = 0; r < MR; r++)
                    for (int v = 0; v < NV; v++)
                        store(y + (i + r) * apart + v * W, sum[r][v]);
            });
            i += take;
        }
    });
}

// sum[i][v] += sum over `count` pixels of a[pixel][i] * b[pixel][v], pixels a_step and b_step apart.
template <int MR, int NV>
INLINE void outer(const float* a, long a_step, const float* b, long b_step, int count,
                  Floats (&sum)[MR][NV]) {
    for (int n = 0; n < count; n++) {
        Floats right[NV];
        for (int v = 0; v < NV; v++) right[v] = load(b + v * W);
        for (int i = 0; i < MR; i++) {
            const Floats x = splat(a[i]);
            for (int v = 0; v < NV; v++) sum[i][v] += x * right[v];
        }
        a += a_step;
        b += b_step;
    }
}

// All sums over `count` pixels of a[pixel][i] * b[pixel][j], i < rows, j < `vectors` vectors, to rows of as
// many.
NOINLINE void outer_products(const float* a, long a_step, const float* b, long b_step, int count, int rows,
                             int vectors, float* to) {
    constant<COLUMNS>(vectors, [&](auto some_vectors) {
        constexpr int NV = decltype(some_vectors)::value;
        for (int i = 0; i < rows;) {
            const int take = even_share(rows - i, ROWS);
            constant<ROWS>(take, [&](auto some) {
                constexpr int MR = decltype(some)::value;
                Floats sum[MR][NV]{};
                outer<MR, NV>(a + i, a_step, b, b_step, count, sum);
                for (int r = 0; r < MR; r++)
                    for (int v = 0; v < NV; v++) store(to + (i + r) * NV * W + v * W, sum[r][v]);
            });
            i += take;
        }
    });
}
