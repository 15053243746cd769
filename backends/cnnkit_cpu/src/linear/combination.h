// Matrix products on C-contiguous matrices as they are, whose rows of results are combinations of the right
// matrix' rows: the gradients of the dense layer, and the layer itself for many rows and columns, with the
// weights turned over a block at a time.
#pragma once

#include "conv/flat/correlate.h"
#include "core/blocking.h"
#include "core/shuffle.h"

constexpr int DEPTH =
    128;  // rows of the right matrix that stay in the cache while those of the left one meet them
constexpr int TALL = 128;                 // rows that a task makes at most
constexpr int STRIP = 256, TURNED = 128;  // and columns, without and with turning

// Up to W rows and columns turned over: to[c * to_down + r] = from[r * down + c], and zeros beyond the last
// row.
INLINE void turn(const float* from, long down, int rows, int columns, float* to, long to_down) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    Floats v[W], next[W];
    for (int r = 0; r < W; r++)
        v[r] = r >= rows     ? Floats{}
               : columns < W ? load_part(from + r * down, columns)
                             : load(from + r * down);
    for (int half = 1; half < W; half *= 2) {
        for (int r = 0; r < W / 2; r++) {
            next[2 * r] = by_turns(v[r], v[r + W / 2], lanes, 0);
            next[2 * r + 1] = by_turns(v[r], v[r + W / 2], lanes, 1);
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

// MB rows and V vectors of: out[m][j] = before[m][j] + sum over t of a[m][t] * b[t][j]; one vector may be
// filled in part only.
template <int MB, int V>
NOINLINE void combine_block(Grid a, const float* b, long b_down, long T, const float* before,
                            long before_down, float* out, long out_down, int filled, bool relu) {
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
            for (int v = 0; v < V; v++) sum[m][v] = positive(sum[m][v]);
    for (int m = 0; m < MB; m++)
        for (int v = 0; v < V; v++) store(out + m * out_down + v * W, sum[m][v]);
}

// out (M, J) = a (M, T) times b (T, J), or times b (J, T) if `turned`, plus bias (J) or null, with ReLU if
// `relu`.
struct Combination {
    long M, T, J;
    Grid a;
    // null, or like a: where it is not positive, a counts as zero; not together with `turned`
    const float* y;
    const float* b;
    bool turned;
    float* out;
    const float* bias = nullptr;
    bool relu = false;
    long rows = 0, width = 0, across = 0;  // of a task, and tasks beside each other

    // For so many at a time, unless they would be too small; results do not depend on how the work is parted.
    long tasks(int wanted) {
        const long vectors = (J + W - 1) / W, strip = turned ? TURNED : STRIP;
        // few terms: the time goes into writing
        const long tall = turned || 2 * T > DEPTH ? TALL : 4 * FILTERS;
        long downs = (M + tall - 1) / tall;
        across = (J + strip - 1) / strip;
        while (across * downs < wanted) {
            long next = across + 1;
            while (next < vectors && vectors % next) next++;
            if (2 * next <= vectors)
                across = next;  // all of one width
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
        static_assert(sizeof panel >= sizeof(float) * DEPTH * TURNED,
                      "the panel of what is turned has the room of the other two");
        float* kept = panel + DEPTH * W;
        const long m0 = number / across * rows, j0 = number % across * width;
        const int count = static_cast<int>(M - m0 < rows ? M - m0 : rows);
        const int columns = static_cast<int>(J - j0 < width ? J - j0 : width), whole = columns / W,
                  rest = columns % W;
        for (long t = 0; t < T; t += DEPTH) {
            const int depth = static_cast<int>(T - t < DEPTH ? T - t : DEPTH);
            const float *right = turned ? panel : b + t * J + j0,
                        *remaining = turned ? panel + whole * W : panel;
            const long down = turned ? width : J, remaining_down = turned ? width : W;
            if (turned)
                turn_panel(j0, columns, t, depth, panel);
            else if (rest)  // nothing is read beyond b's end
                for (int d = 0; d < depth; d++)
                    store(panel + d * W, load_part(right + d * J + whole * W, rest));
            const Grid left = y ? masked(m0, count, t, depth, kept) : a.from(m0, t);
            const int next = turned || t + DEPTH >= T ? 0 : depth;  // rows to fetch meanwhile
            for (int m = 0, some; m < count; m += some) {
                some = even_share(count - m, FILTERS);
                for (int d = next * m / count; d < next * (m + some) / count; d++)
                    for (int j = 0; j < columns; j += LINE)
                        __builtin_prefetch(right + (DEPTH + d) * J + j, 0, 2);
                constant<FILTERS>(some, [&](auto block_rows) {
                    float* to = out + (m0 + m) * J + j0;
                    const auto block = [&](auto vectors, int v, const float* from, long from_down,
                                           int filled) {
                        combine_block<decltype(block_rows)::value, decltype(vectors)::value>(
                            left.from(m, 0), from, from_down, depth,
                            t      ? to + v * W
                            : bias ? bias + j0 + v * W
                                   : nullptr,
                            t ? J : 0, to + v * W, J, filled, relu && t + depth == T);
                    };
                    for (int v = 0, take; v < whole; v += take) {
                        take = share_without_single(whole - v, VECTORS);
                        constant<VECTORS>(take,
                                          [&](auto vectors) { block(vectors, v, right + v * W, down, W); });
                    }
                    if (rest) block(std::integral_constant<int, 1>{}, whole, remaining, remaining_down, rest);
                });
            }
        }
    }

    void turn_panel(long j0, int columns, long t, int depth, float* panel) const {
        for (int j = 0; j < columns; j += W)
            for (int d = 0; d < depth; d += W) {
                const float* from = b + (j0 + j) * T + t + d;
                const int here = columns - j < W ? columns - j : W;
                // of the next panel
                for (int r = 0; r < here; r++) __builtin_prefetch(from + r * T + DEPTH, 0, 2);
                turn(from, T, here, depth - d < W ? depth - d : W, panel + d * width + j, width);
            }
    }

    // Some of a with its zeros, in memory of the task itself: what one thread writes, another is slow to
    // read.
    Grid masked(long m0, int count, long t, int depth, float* kept) const {
        const bool flat = a.along == 1;
        const int n = flat ? count : depth, length = flat ? depth : count;
        const long first = m0 * a.down + t * a.along, apart = flat ? a.down : a.along,
                   down = flat ? DEPTH + W : TALL;
        for (int i = 0; i < n; i++)
            for (int l = 0; l < length; l++) {
                const float dy = a.at[first + i * apart + l];
                kept[i * down + l] = y[first + i * apart + l] <= 0 ? 0.0f : dy;
            }
        return flat ? Grid{kept, down, 1} : Grid{kept, 1, down};
    }
};
