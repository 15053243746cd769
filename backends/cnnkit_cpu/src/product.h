// Matrix products with the columns in vectors: the inner loops of convolution with many channels, channels last in memory.
//
// The right matrix is packed into *panels* of PANEL columns, [tap][depth][column], the rest filled with zeros. The left one is
// read where it lies: a row is the address of a pixel's channels, and each tap lies at the same offset from all rows.
#pragma once

#include <vector>

#include "correlate.h"
#include "layout.h"
#include "runtime.h"

constexpr int ROWS = REGISTERS == 32 ? 14 : 6;  // rows at a time: ROWS * COLUMNS sums, COLUMNS vectors and a broadcast
constexpr int COLUMNS = 2;                      // vectors
constexpr int PANEL = COLUMNS * W;

INLINE int panels(int columns) { return (columns + PANEL - 1) / PANEL; }
INLINE int vectors_of(int columns) { return columns >= PANEL ? COLUMNS : (columns + W - 1) / W; }

// Rows of the next block of at most `most`: blocks of about the same size, for small ones waste the processor.
INLINE int even_share(int left, int most) {
    const int blocks = (left + most - 1) / most;
    return (left + blocks - 1) / blocks;
}

// Which weights make the panels. Those of one column and one depth lie together, `area` of them; from column to column it is
// `apart` floats, from depth to depth `depth_apart`.
struct Packing {
    std::vector<int> taps;  // of each of the area: the tap that it is, or -1
    int used = 0;           // taps
    int columns, depth;
    long apart, depth_apart;

    int area() const { return static_cast<int>(taps.size()); }
    long panel_floats() const { return static_cast<long>(used) * depth * PANEL; }
    long floats() const { return panels(columns) * panel_floats(); }

    // Some of the depth at a time: what is written stays in the cache meanwhile.
    static constexpr int SOME = 8;
    void panel(int number, const float* weight, float* to) const {
        const long width = vectors_of(columns - number * PANEL) * W;
        for (int d = 0; d < depth; d += SOME) part(number, weight, d, d + SOME < depth ? d + SOME : depth, depth * width, width, to + d * width);
    }

    // Depths from d0 to d1 of a panel: neighbouring taps and depths go `tap_step` and `depth_step` floats apart.
    void part(int number, const float* weight, int d0, int d1, long tap_step, long depth_step, float* to) const {
        const int first = number * PANEL, filled = columns - first < PANEL ? columns - first : PANEL;
        weight += first * apart;
        for (int j = 0; j < filled; j += W, to += W, weight += W * apart) {
            const int rows = filled - j < W ? filled - j : W;
            if (apart == 1) {  // columns lie together
                for (int d = d0; d < d1; d++) {
                    const float* from = weight + d * depth_apart;
                    store(to + (d - d0) * depth_step, rows == W ? load(from) : load_part(from, rows));
                }
            } else if (depth_apart == area()) {
                run(weight, rows, static_cast<long>(d0) * area(), static_cast<long>(d1) * area(), tap_step, depth_step, to);
            } else {
                for (int d = d0; d < d1; d++) run(weight + d * depth_apart, rows, 0, area(), tap_step, depth_step, to + (d - d0) * depth_step);
            }
        }
    }

private:
    // Weights from f0, which is the first of its depth, to f1 of W columns, turned over by vectors.
    void run(const float* weight, int rows, long f0, long f1, long tap_step, long depth_step, float* to) const {
        int at = 0;
        for (long f = f0; f < f1; f += W) {
            const int count = f1 - f < W ? static_cast<int>(f1 - f) : W;
            Floats v[W];
            for (int j = 0; j < W; j++) {
                const float* from = weight + j * apart + f;
                v[j] = j >= rows ? Floats{} : count == W ? load(from) : load_part(from, count);
                __builtin_prefetch(from + (f1 - f0));  // rows lie far apart
            }
            transpose(v);
            for (int i = 0; i < count; i++) {
                if (taps[at] >= 0) store(to + taps[at] * tap_step, v[i]);
                if (++at == area()) at = 0, to += depth_step;
            }
        }
    }
};

// sum[i][v] += sum over taps and depth of a[row[i] + tap + d] * panel[...][v].
template <int MR, int NV>
INLINE void multiply(const float* a, const int* row, const int* taps, int count, int depth, const float* panel, Floats (&sum)[MR][NV]) {
    const float* at[MR];
    for (int i = 0; i < MR; i++) at[i] = a + row[i];
    for (int t = 0; t < count; t++) {
        const long end = static_cast<long>(taps[t]) + depth;
        for (long d = taps[t]; d < end; d++) {
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
    bool relu;
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

// MR rows times a panel, in a function of its own, in which the compiler finds registers for the inner loop whatever is around it.
// `next`: rows that will be asked for after these, of one tap, which are fetched meanwhile; or null. Returns 0 * the results' sum.
template <int MR, int NV>
NOINLINE Floats block_times_panel(const Left& left, const int* row, const int* next, const float* panel, const Result& to, const int* out) {
    constexpr int LINE = 16;
    Floats sum[MR][NV];
    for (int v = 0; v < NV; v++) {
        const int rest = to.columns - v * W;
        const Floats bias = !to.bias ? Floats{} : rest >= W ? load(to.bias + v * W) : load_part(to.bias + v * W, rest);
        for (int r = 0; r < MR; r++) {
            sum[r][v] = bias;
            __builtin_prefetch(to.y + out[r] + v * W, 1);  // there by the time it is written
        }
    }
    if (next) {
        for (int d = 0; d < left.depth; d += LINE) {
            const int tap = left.taps[0] + d;
            for (int i = 0; i < MR; i++) __builtin_prefetch(left.a + next[i] + tap);
            multiply<MR, NV>(left.a, row, &tap, 1, left.depth - d < LINE ? left.depth - d : LINE, panel + static_cast<long>(d) * NV * W, sum);
        }
    } else {
        multiply<MR, NV>(left.a, row, left.taps, left.tap_count, left.depth, panel, sum);
    }
    for (int r = 0; r < MR; r++)
        for (int v = 0; v < NV; v++) {
            const Floats result = to.relu ? choose(sum[r][v] <= Floats{}, Floats{}, sum[r][v]) : sum[r][v];
            float* at = to.y + out[r] + v * W;
            const int rest = to.columns - v * W;
            if (rest >= W)
                store(at, result);
            else
                store_part(at, result, rest);
        }
    return sum_of<MR>(sum) * splat(0.0f);
}

// All rows times a panel. Adds 0 * result to `finite`: it stays 0 if all are.
static void rows_times_panel(const Left& left, const float* panel, const Result& to, Floats& finite) {
    constant<COLUMNS>(vectors_of(to.columns), [&](auto vectors) {
        for (int i = 0; i < left.count;) {
            const int take = even_share(left.count - i, ROWS);
            const int* next = left.tap_count == 1 && i + 2 * take <= left.count ? left.row + i + take : nullptr;
            constant<ROWS>(take, [&](auto rows) {
                finite += block_times_panel<decltype(rows)::value, decltype(vectors)::value>(left, left.row + i, next, panel, to, to.row + i);
            });
            i += take;
        }
    });
}

// All rows times a panel, whole vectors, and nothing else; rows of results are PANEL floats apart.
static void rows_times_panel(const float* a, const int* row, int count, int depth, const float* panel, int vectors, float* y) {
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
                    for (int v = 0; v < NV; v++) store(y + static_cast<long>(i + r) * PANEL + v * W, sum[r][v]);
            });
            i += take;
        }
    });
}

// sum[i][v] += sum over `count` pixels of a[pixel][i] * b[pixel][v], pixels a_step and b_step apart.
template <int MR, int NV>
INLINE void outer(const float* a, long a_step, const float* b, long b_step, int count, Floats (&sum)[MR][NV]) {
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

INLINE bool all_zero(Floats v) {
    for (int l = 0; l < W; l++)
        if (!(v[l] == 0)) return false;
    return true;
}
