// Matrix products for the dense layer, on C-contiguous matrices as they are: vectors run along rows.
//
// Either each sum is a dot product of two rows, or each row of sums is a combination of the right matrix' rows. The gradients are
// combinations. The layer itself is dot products, which are best for few rows or columns; for more, it is combinations of the
// weights turned over, a block at a time.
#pragma once

#include "product.h"

constexpr int DOT_ROWS = 4, DOT_COLUMNS = REGISTERS == 32 ? 6 : 3;
constexpr int FEW = 24;                   // rows or columns: turning the weights over does not pay
constexpr int DEPTH = 128;                // rows of the right matrix that stay in the cache while those of the left one meet them
constexpr int TALL = 128;                 // rows that a task makes at most
constexpr int STRIP = 256, TURNED = 128;  // and columns, without and with turning
constexpr int LINE = 16;                  // floats of a cache line

// sums[n][o] = the products of row n of a and row o of b, as a vector that is still to be summed.
template <int NB, int OB>
static void dot_block(const float* a, const float* b, long I, Floats* sums) {
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
        if (i)  // the last whole vector, without what has been added
            add(I - W, [&](const float* at) { return choose(fresh, load(at), Floats{}); });
        else
            add(0, [&](const float* at) { return load_part(at, rest); });
    }
    for (int n = 0; n < NB; n++)
        for (int o = 0; o < OB; o++) sums[n * OB + o] = sum[n][o];
}

// y (N, O; rows `across` apart) = x (N, I) times weight (O, I) turned over, plus bias (O) or null; at most FEW rows.
static void dot_rows(int N, long I, int O, const float* x, const float* weight, const float* bias, float* y, long across,
                     bool relu) {
    Floats sums[FEW * DOT_COLUMNS + W];
    float results[FEW * DOT_COLUMNS + W];
    for (int o = 0, some; o < O; o += some) {
        some = even_share(O - o, DOT_COLUMNS);
        constant<DOT_COLUMNS>(some, [&](auto columns) {
            for (int n = 0, take; n < N; n += take) {
                take = even_share(N - n, DOT_ROWS);
                constant<DOT_ROWS>(take, [&](auto rows) {
                    dot_block<decltype(rows)::value, decltype(columns)::value>(x + n * I, weight + o * I, I, sums + n * some);
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

// Lanes of a and b by turns: of the lower half of each, or of the upper one.
template <int Upper, size_t... I>
INLINE Floats interleaved(Floats a, Floats b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (int(I) % 2 * W + Upper * W / 2 + int(I) / 2)...);
}

// Up to W rows and columns turned over: to[c * to_down + r] = from[r * down + c], and zeros beyond the last row.
INLINE void turn(const float* from, long down, int rows, int columns, float* to, long to_down) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    Floats v[W], next[W];
    for (int r = 0; r < W; r++)
        v[r] = r >= rows ? Floats{} : columns < W ? load_part(from + r * down, columns) : load(from + r * down);
    for (int half = 1; half < W; half *= 2) {
        for (int r = 0; r < W / 2; r++) {
            next[2 * r] = interleaved<0>(v[r], v[r + W / 2], lanes);
            next[2 * r + 1] = interleaved<1>(v[r], v[r + W / 2], lanes);
        }
        for (int r = 0; r < W; r++) v[r] = next[r];
    }
    for (int c = 0; c < W; c++)
        if (c < columns) store(to + c * to_down, v[c]);
}

struct Grid {  // element (i, j) is at[i * down + j * along]
    const float* at;
    long down, along;
    Grid from(long i, long j) const { return {at + i * down + j * along, down, along}; }
};

// MB rows and V vectors of: out[m][j] = before[m][j] + sum over t of a[m][t] * b[t][j]; one vector may be filled in part only.
template <int MB, int V>
static void combine_block(Grid a, const float* b, long b_down, long T, const float* before, long before_down, float* out,
                          long out_down, int filled, bool relu) {
    Floats sum[MB][V]{};
    for (long t = 0; t < T; t++) {
        Floats right[V];
        for (int v = 0; v < V; v++) right[v] = load(b + t * b_down + v * W);
        for (int m = 0; m < MB; m++) {
            const Floats left = splat(a.at[m * a.down + t * a.along]);
            for (int v = 0; v < V; v++) sum[m][v] += right[v] * left;
        }
    }
    if (V == 1 && filled < W) {
        for (int m = 0; m < MB; m++) {
            float row[W];
            store(row, sum[m][0]);
            for (int j = 0; j < filled; j++) {
                const float y = row[j] + (before ? before[m * before_down + j] : 0.0f);
                out[m * out_down + j] = relu && y <= 0 ? 0.0f : y;
            }
        }
        return;
    }
    if (before)
        for (int m = 0; m < MB; m++)
            for (int v = 0; v < V; v++) sum[m][v] += load(before + m * before_down + v * W);
    if (relu)
        for (int m = 0; m < MB; m++)
            for (int v = 0; v < V; v++) sum[m][v] = choose(sum[m][v] <= Floats{}, Floats{}, sum[m][v]);
    for (int m = 0; m < MB; m++)
        for (int v = 0; v < V; v++) store(out + m * out_down + v * W, sum[m][v]);
}

// out (M, J) = a (M, T) times b (T, J), or times b (J, T) if `turned`, plus bias (J) or null, with ReLU if `relu`.
struct Combination {
    long M, T, J;
    Grid a;
    const float* y;  // null, or like a: where it is not positive, a counts as zero; not together with `turned`
    const float* b;
    bool turned;
    float* out;
    const float* bias = nullptr;
    bool relu = false;
    long rows = 0, width = 0, across = 0;  // of a task, and tasks beside each other

    // For so many at a time, unless they would be too small; results do not depend on how the work is parted.
    long tasks(int wanted) {
        const long vectors = (J + W - 1) / W, strip = turned ? TURNED : STRIP;
        const long tall = turned || 2 * T > DEPTH ? TALL : 4 * FILTERS;  // few terms: the time goes into writing
        long downs = (M + tall - 1) / tall;
        across = (J + strip - 1) / strip;
        while (across * downs < wanted) {
            long next = across + 1;
            while (next < vectors && vectors % next) next++;
            if (2 * next <= vectors)
                across = next;  // all as wide as each other
            else if (M > 8 * FILTERS * downs)
                downs++;
            else if (2 * across < vectors)
                across++;
            else if (M > 2 * FILTERS * downs)
                downs++;
            else
                break;
        }
        width = ((J + across - 1) / across + W - 1) / W * W, rows = (M + downs - 1) / downs;
        across = (J + width - 1) / width;
        return across * ((M + rows - 1) / rows);
    }

    void task(long number) const {
        alignas(BYTES) float panel[DEPTH * W + TALL * (DEPTH + W)];
        static_assert(sizeof panel >= sizeof(float) * DEPTH * TURNED, "the panel of what is turned has the room of the other two");
        float* kept = panel + DEPTH * W;
        const long m0 = number / across * rows, j0 = number % across * width;
        const int count = static_cast<int>(M - m0 < rows ? M - m0 : rows);
        const int columns = static_cast<int>(J - j0 < width ? J - j0 : width), whole = columns / W, rest = columns % W;
        for (long t = 0; t < T; t += DEPTH) {
            const int depth = static_cast<int>(T - t < DEPTH ? T - t : DEPTH);
            const float *right = turned ? panel : b + t * J + j0, *last = turned ? panel + whole * W : panel;
            const long down = turned ? width : J, last_down = turned ? width : W;
            if (turned)
                turn_panel(j0, columns, t, depth, panel);
            else if (rest)  // nothing is read beyond b's end
                for (int d = 0; d < depth; d++) store(panel + d * W, load_part(right + d * J + whole * W, rest));
            const Grid left = y ? masked(m0, count, t, depth, kept) : a.from(m0, t);
            const int next = turned || t + DEPTH >= T ? 0 : depth;  // rows to fetch meanwhile
            for (int m = 0, some; m < count; m += some) {
                some = even_share(count - m, FILTERS);
                for (int d = next * m / count; d < next * (m + some) / count; d++)
                    for (int j = 0; j < columns; j += LINE) __builtin_prefetch(right + (DEPTH + d) * J + j, 0, 2);
                constant<FILTERS>(some, [&](auto block_rows) {
                    float* to = out + (m0 + m) * J + j0;
                    const auto block = [&](auto vectors, int v, const float* from, long from_down, int filled) {
                        combine_block<decltype(block_rows)::value, decltype(vectors)::value>(
                            left.from(m, 0), from, from_down, depth, t ? to + v * W : bias ? bias + j0 + v * W : nullptr, t ? J : 0,
                            to + v * W, J, filled, relu && t + depth == T);
                    };
                    for (int v = 0, take; v < whole; v += take) {
                        take = whole - v < VECTORS ? whole - v : whole - v == VECTORS + 1 ? 2 : VECTORS;
                        constant<VECTORS>(take, [&](auto vectors) { block(vectors, v, right + v * W, down, W); });
                    }
                    if (rest) block(std::integral_constant<int, 1>{}, whole, last, last_down, rest);
                });
            }
        }
    }

    void turn_panel(long j0, int columns, long t, int depth, float* panel) const {
        for (int j = 0; j < columns; j += W)
            for (int d = 0; d < depth; d += W) {
                const float* from = b + (j0 + j) * T + t + d;
                const int here = columns - j < W ? columns - j : W;
                for (int r = 0; r < here; r++) __builtin_prefetch(from + r * T + DEPTH, 0, 2);  // of the next panel
                turn(from, T, here, depth - d < W ? depth - d : W, panel + d * width + j, width);
            }
    }

    // Some of a with its zeros, in memory of the task's own: what one thread writes, another is slow to read.
    Grid masked(long m0, int count, long t, int depth, float* kept) const {
        const bool flat = a.along == 1;
        const int n = flat ? count : depth, length = flat ? depth : count;
        const long first = m0 * a.down + t * a.along, apart = flat ? a.down : a.along, down = flat ? DEPTH + W : TALL;
        for (int i = 0; i < n; i++)
            for (int l = 0; l < length; l++) {
                const float dy = a.at[first + i * apart + l];
                kept[i * down + l] = y[first + i * apart + l] <= 0 ? 0.0f : dy;
            }
        return flat ? Grid{kept, down, 1} : Grid{kept, 1, down};
    }
};

// x (N, I), weight (O, I), bias (O) or null -> y (N, O), with ReLU if `relu`.
EXPORT void linear_forward(int threads, long N, long I, long O, const float* x, const float* weight, const float* bias, float* y,
                           int relu) {
    if (N * I * O < 16384) threads = 1;
    if (N >= FEW && O >= FEW) {
        Combination product{N, I, O, {x, I, 1}, nullptr, weight, true, y, bias, relu != 0};
        return parallel(threads, product.tasks(2 * threads), [&](long task, int) { product.task(task); });
    }
    const long rows = N < FEW ? N : 16, columns = O < FEW ? O : 4 * DOT_COLUMNS, across = (O + columns - 1) / columns;
    parallel(threads, across * ((N + rows - 1) / rows), [&](long task, int) {
        const long n = task / across * rows, o = task % across * columns;
        dot_rows(static_cast<int>(N - n < rows ? N - n : rows), I, static_cast<int>(O - o < columns ? O - o : columns), x + n * I,
                 weight + o * I, bias ? bias + o : nullptr, y + n * O + o, O, relu);
    });
}

// dy (N, O) of linear_forward, and its y where it had ReLU -> dx (N, I), dweight (O, I), dbias (O), each of which may be null.
EXPORT void linear_backward(int threads, long N, long I, long O, const float* x, const float* weight, const float* y,
                            const float* dy, float* dx, float* dweight, float* dbias) {
    constexpr long SOME = 64;  // columns of dbias that a task makes
    if (N * I * O < 8192) threads = 1;
    Combination by_x{N, O, I, {dy, O, 1}, y, weight, false, dx}, by_weight{O, N, I, {dy, 1, O}, y, x, false, dweight};
    const long of_x = dx ? by_x.tasks(2 * threads) : 0, both = of_x + (dweight ? by_weight.tasks(4 * threads) : 0);
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
