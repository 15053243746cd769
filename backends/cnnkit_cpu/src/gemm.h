// Matrix products for the dense layer, on C-contiguous matrices as they are: vectors run along rows.
#pragma once

#include "correlate.h"
#include "runtime.h"

constexpr int DOT_ROWS = 4, DOT_COLUMNS = REGISTERS == 32 ? 6 : 3;
constexpr int STRIP = 256;  // columns that one task of `combine` makes
constexpr int DEPTH = 64;   // rows of the right matrix that stay in the cache meanwhile

// out[n][o] = sum over i of a[n][i] * b[o][i], plus bias[o]: dot products of rows.
template <int NB, int OB>
static void dot_block(const float* a, const float* b, const float* bias, long I, float* out, long O, bool relu) {
    Floats sum[NB][OB]{};
    long i = 0;
    for (; i + W <= I; i += W) {
        Floats left[NB];
        for (int n = 0; n < NB; n++) left[n] = load(a + n * I + i);
        for (int o = 0; o < OB; o++) {
            Floats right = load(b + o * I + i);
            for (int n = 0; n < NB; n++) sum[n][o] += left[n] * right;
        }
    }
    if (i < I) {
        const int rest = static_cast<int>(I - i);
        for (int n = 0; n < NB; n++)
            for (int o = 0; o < OB; o++) sum[n][o] += load_part(a + n * I + i, rest) * load_part(b + o * I + i, rest);
    }
    for (int n = 0; n < NB; n++)
        for (int o = 0; o < OB; o++) {
            float y = total(sum[n][o]) + (bias ? bias[o] : 0.0f);
            out[n * O + o] = relu && y <= 0 ? 0.0f : y;
        }
}

// x (N, I), weight (O, I), bias (O) or null -> y (N, O), with ReLU if `relu`.
EXPORT void linear_forward(int threads, long N, long I, long O, const float* x, const float* weight, const float* bias, float* y,
                           int relu) {
    // a task makes a few rows; where there are few rows, some of their columns
    const long rows = N >= 64 ? 16 : DOT_ROWS, downs = (N + rows - 1) / rows;
    const long columns = N >= 64 || I * O < 16384 ? O : 8 * DOT_COLUMNS, acrosses = (O + columns - 1) / columns;
    parallel(N * I * O < 16384 ? 1 : threads, downs * acrosses, [&](long task, int) {
        const long n0 = task / acrosses * rows, n1 = n0 + rows < N ? n0 + rows : N;
        const long o0 = task % acrosses * columns, o1 = o0 + columns < O ? o0 + columns : O;
        for (long o = o0; o < o1; o += DOT_COLUMNS)
            for (long n = n0; n < n1; n += DOT_ROWS)
                constant<DOT_ROWS>(static_cast<int>(n1 - n < DOT_ROWS ? n1 - n : DOT_ROWS), [&](auto down) {
                    constant<DOT_COLUMNS>(static_cast<int>(o1 - o < DOT_COLUMNS ? o1 - o : DOT_COLUMNS), [&](auto across) {
                        dot_block<decltype(down)::value, decltype(across)::value>(
                            x + n * I, weight + o * I, bias ? bias + o : nullptr, I, y + n * O + o, O, relu);
                    });
                });
    });
}

// MB rows and V vectors of: out[m][j] += sum over t of a[m * down + t * along] * b[t][j]; `rest` < W: the last vector's part.
template <int MB, int V>
static void combine_block(const float* a, long down, long along, const float* b, long J, long T, float* out, bool add, int rest) {
    Floats sum[MB][V]{};
    if (add)
        for (int m = 0; m < MB; m++)
            for (int v = 0; v < V; v++) sum[m][v] = rest ? load_part(out + m * J, rest) : load(out + m * J + v * W);
    for (long t = 0; t < T; t++) {
        Floats right[V];
        for (int v = 0; v < V; v++) right[v] = rest ? load_part(b + t * J, rest) : load(b + t * J + v * W);
        for (int m = 0; m < MB; m++) {
            Floats left = splat(a[m * down + t * along]);
            for (int v = 0; v < V; v++) sum[m][v] += right[v] * left;
        }
    }
    for (int m = 0; m < MB; m++)
        for (int v = 0; v < V; v++) {
            if (rest)
                store_part(out + m * J, sum[m][v], rest);
            else
                store(out + m * J + v * W, sum[m][v]);
        }
}

// out (M, J) = a (M, T; element (m, t) at m * down + t * along) times b (T, J).
static void combine(int threads, long M, long T, long J, const float* a, long down, long along, const float* b, float* out) {
    const long strips = (J + STRIP - 1) / STRIP, rows = T <= DEPTH ? 4 * FILTERS : M, downs = (M + rows - 1) / rows;
    parallel(M * T * J < 16384 ? 1 : threads, strips * downs, [&](long task, int) {
        const long j0 = task % strips * STRIP, j1 = j0 + STRIP < J ? j0 + STRIP : J;
        const long m0 = task / strips * rows, m1 = m0 + rows < M ? m0 + rows : M;
        for (long t = 0; t < T; t += DEPTH) {
            const long depth = T - t < DEPTH ? T - t : DEPTH;
            for (long m = m0; m < m1; m += FILTERS)
                constant<FILTERS>(static_cast<int>(m1 - m < FILTERS ? m1 - m : FILTERS), [&](auto down_block) {
                    constexpr int MB = decltype(down_block)::value;
                    const float* left = a + m * down + t * along;
                    for (long j = j0; j < j1;) {
                        const long whole = (j1 - j) / W;
                        const float* right = b + t * J + j;
                        float* to = out + m * J + j;
                        if (!whole) {
                            combine_block<MB, 1>(left, down, along, right, J, depth, to, t > 0, static_cast<int>(j1 - j));
                            break;
                        }
                        const int take = static_cast<int>(whole < VECTORS ? whole : whole == VECTORS + 1 ? 2 : VECTORS);
                        constant<VECTORS>(take, [&](auto vectors) {
                            combine_block<MB, decltype(vectors)::value>(left, down, along, right, J, depth, to, t > 0, 0);
                        });
                        j += take * W;
                    }
                });
        }
    });
}

// dy (N, O) of linear_forward, and its y where it had ReLU -> dx (N, I), dweight (O, I), dbias (O), each of which may be null.
// `room` has N * O floats where there is ReLU.
EXPORT void linear_backward(int threads, long N, long I, long O, const float* x, const float* weight, const float* y,
                            const float* dy, float* dx, float* dweight, float* dbias, float* room) {
    if (y) {
        parallel(N * O < 65536 ? 1 : threads, (N * O + 4095) / 4096, [&](long block, int) {
            const long end = (block + 1) * 4096 < N * O ? (block + 1) * 4096 : N * O;
            for (long i = block * 4096; i < end; i++) room[i] = y[i] <= 0 ? 0.0f : dy[i];
        });
        dy = room;
    }
    if (dx) combine(threads, N, O, I, dy, O, 1, weight, dx);
    if (dweight) combine(threads, O, N, I, dy, 1, O, x, dweight);
    if (dbias)
        for (long first = 0; first < O; first += 64) {
            const long columns = O - first < 64 ? O - first : 64;
            double sums[64] = {};
            for (long n = 0; n < N; n++)
                for (long o = 0; o < columns; o++) sums[o] += dy[n * O + first + o];
            for (long o = 0; o < columns; o++) dbias[first + o] = static_cast<float>(sums[o]);
        }
}
