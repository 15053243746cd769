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
    long step;  // from row to row, where they lie evenly; or 0
};

struct Result {
    float* y;
    const int* row;     // where each row's results begin
    long step;          // from row to row, where `Left` has such a step
    int columns;        // of the panel that are results
    const float* bias;  // of the panel's columns, or null
    const Finish& finish;
    const float* addend;  // that of `finish`, where `y` lies in the results
};

// The same for one tap, with rows `step` floats apart: three share an address.
template <int MR, int NV>
INLINE void multiply(const float* a, long step, int depth, const float* panel, Floats (&sum)[MR][NV]) {
    const float* at[(MR + 2) / 3];
#pragma GCC unroll 32
    for (int i = 0; i < MR; i += 3) at[i / 3] = a + i * step;
    for (int d = 0; d < depth; d++, panel += NV * W) {
        Floats b[NV];
        for (int v = 0; v < NV; v++) b[v] = load(panel + v * W);
#pragma GCC unroll 32
        for (int i = 0; i < MR; i++) {
            const Floats x = splat(at[i / 3][i % 3 * step]);
            for (int v = 0; v < NV; v++) sum[i][v] += x * b[v];
        }
#pragma GCC unroll 32
        for (int i = 0; i < MR; i += 3) at[i / 3]++;
    }
}

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

// Write a block's sums, finished: row r's to place(r). Returns 0 * their sum.
template <int MR, int NV, class Place>
INLINE Floats finish_block(Floats (&sum)[MR][NV], const Result& to, Place place) {
    const Floats finite = sum_of<MR>(sum) * splat(0.0f);
    const Finish& finish = to.finish;
    const int last = to.columns - (NV - 1) * W;  // results in the last vector, if less than W
    const auto write = [&](auto result_of) {
        for (int r = 0; r < MR; r++) {
            float* y = to.y + place(r);
            for (int v = 0; v < NV - 1; v++) store(y + v * W, result_of(r, v));
            store_up_to(y + (NV - 1) * W, result_of(r, NV - 1), last);
        }
    };
    if (to.addend)
        write([&](int r, int v) {
            const float* addend = to.addend + place(r) + v * W;
            return finish.bounds.of(sum[r][v] + (v < NV - 1 ? load(addend) : load_up_to(addend, last)));
        });
    else if (finish.bounded)
        write([&](int r, int v) { return finish.bounds.of_number(sum[r][v]); });
    else
        write([&](int r, int v) { return sum[r][v]; });
    if (finish.function != NO_FUNCTION)
        for (int r = 0; r < MR; r++) finish.complete(to.y + place(r), to.columns);
    return finite;
}

// The bias of a panel's vector v, or zeros.
INLINE Floats bias_of(const Result& to, int v) {
    return to.bias ? load_up_to(to.bias + v * W, to.columns - v * W) : Floats{};
}

// MR rows times a panel, in a function of its own, in which the compiler finds registers for the inner loop
// whatever is around it. `next`: the rows that come after these, of one tap, which are fetched meanwhile; or
// null. Returns 0 * the results' sum.
template <int MR, int NV>
NOINLINE Floats block_times_panel(const Left& left, const int* row, const int* next, const float* panel,
                                  const Result& to, const int* out) {
    Floats sum[MR][NV];
    for (int v = 0; v < NV; v++) {
        const Floats bias = bias_of(to, v);
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
    const auto place = [&](int r) { return static_cast<long>(out[r]); };
    return finish_block(sum, to, place);
}

// Blocks of MR rows that lie evenly, times a panel. Adds 0 * result to `finite`.
template <int MR, int NV>
NOINLINE void even_blocks_times_panel(const Left& left, int blocks, const float* panel, Result to,
                                      Floats& finite) {
    const float* a = left.a + left.row[0] + left.taps[0];
    const long step = left.step, apart = to.step, first = to.row[0];
    to.y += first;
    if (to.addend) to.addend += first;
    Floats bias[NV], bad{};
    for (int v = 0; v < NV; v++) bias[v] = bias_of(to, v);
    for (int i = 0; i < blocks; i++) {
        Floats sum[MR][NV];
        for (int r = 0; r < MR; r++)
            for (int v = 0; v < NV; v++) sum[r][v] = bias[v];
        multiply<MR, NV>(a, step, left.depth, panel, sum);
        bad += finish_block(sum, to, [&](int r) { return r * apart; });
        a += MR * step, to.y += MR * apart;
        if (to.addend) to.addend += MR * apart;
    }
    finite += bad;
}

// All rows times a panel. Adds 0 * result to `finite`: it stays 0 if all are.
NOINLINE void rows_times_panel(const Left& left, const float* panel, const Result& to, Floats& finite) {
    constant<COLUMNS>(vectors_of(to.columns), [&](auto vectors) {
        int i = 0;
        if (left.step) {
            constexpr int MANY = decltype(vectors)::value == 1 ? 2 * ROWS : ROWS;
            int blocks = left.count / MANY;
            // no small block after the others if that can be helped
            if (blocks && left.count % MANY && left.count % MANY <= MANY / 2) blocks--;
            even_blocks_times_panel<MANY, decltype(vectors)::value>(left, blocks, panel, to, finite);
            i = blocks * MANY;
        }
        while (i < left.count) {
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

// All rows, `step` floats apart, times a panel, whole vectors, and nothing else; rows of results are `apart`
// floats apart. They may take the place of the rows that they are made of.
NOINLINE void rows_times_panel(const float* a, long step, int count, int depth, const float* panel,
                               int vectors, float* y, long apart) {
    constant<COLUMNS>(vectors, [&](auto some_vectors) {
        constexpr int NV = decltype(some_vectors)::value;
        for (int i = 0; i < count;) {
            const int take = even_share(count - i, ROWS);
            constant<ROWS>(take, [&](auto some_rows) {
                constexpr int MR = decltype(some_rows)::value;
                Floats sum[MR][NV]{};
                multiply<MR, NV>(a + i * step, step, depth, panel, sum);
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
