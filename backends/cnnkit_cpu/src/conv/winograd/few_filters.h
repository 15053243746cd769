// The filters' gradient by Winograd's algorithm where the transformed sums are few enough to stay in the
// cache beside a block of tiles: a task takes some of the tiles, block by block, and adds the products of
// their transforms to sums of its own, which are added up and transformed back at the end. What lies in
// memory is read once, and nothing else is written there.
#pragma once

#include <atomic>

#include "conv/product/multiply.h"
#include "conv/product/shape.h"
#include "conv/winograd/transforms.h"
#include "core/parallel.h"

constexpr long FEW_SUMS_BYTES = 160L << 10;   // of a task, at most; choice.py knows it too
constexpr long FEW_BLOCK_BYTES = 128L << 10;  // of the transforms of a block of tiles
constexpr int FEW_PARTS = 8;                  // tasks, whatever the number of threads

INLINE bool few_filter_sums(const ConvShape& g, int side) {
    return 4L * (side + 2) * (side + 2) * g.C * round_up(g.K, W) <= FEW_SUMS_BYTES;
}

template <int M>
struct FewFilters {
    static constexpr int A = M + 2;
    Tiles tiles;
    int image_row, result_row, block, parts;
    long image_apart, result_apart, element, sums, thread_floats, zeros;

    FewFilters(const ConvShape& g, int N)
        : tiles(M, N, g.P, g.Q, g.dilation_h, g.dilation_w), image_row(round_up(g.C, W)),
          result_row(round_up(g.K, W)) {
        const long some = FEW_BLOCK_BYTES / (4L * A * A * (image_row + result_row));
        block = static_cast<int>(some < 16 ? 16 : some);
        const long blocks = (tiles.all + block - 1) / block;
        parts = static_cast<int>(blocks < FEW_PARTS ? blocks : FEW_PARTS);
        image_apart = whole_lines(static_cast<long>(block) * image_row);
        result_apart = whole_lines(static_cast<long>(block) * result_row);
        element = whole_lines(static_cast<long>(g.C) * result_row);
        sums = A * A * element;
        thread_floats = A * A * (image_apart + result_apart);
        zeros = whole_lines(g.C > g.K ? g.C : g.K) + W;
    }
    long room(int threads) const { return zeros + parts * sums + threads * thread_floats + 4 * LINE; }
};

// Add to all sums over `count` tiles of a[tile][i] * b[tile][j], i < rows, in rows of b_step floats.
NOINLINE void add_outer_products(const float* a, long a_step, const float* b, long b_step, int count,
                                 int rows, float* to) {
    for (long j = 0; j < b_step; j += PANEL)
        constant<COLUMNS>(vectors_of(static_cast<int>(b_step - j)), [&](auto some_vectors) {
            constexpr int NV = decltype(some_vectors)::value, MOST = NV == 1 ? 2 * ROWS : ROWS;
            for (int i = 0; i < rows;) {
                const int take = even_share(rows - i, MOST);
                constant<MOST>(take, [&](auto some) {
                    constexpr int MR = decltype(some)::value;
                    float* at = to + i * b_step + j;
                    Floats sum[MR][NV];
                    for (int r = 0; r < MR; r++)
                        for (int v = 0; v < NV; v++) sum[r][v] = load(at + r * b_step + v * W);
                    outer<MR, NV>(a + i, a_step, b + j, b_step, count, sum);
                    for (int r = 0; r < MR; r++)
                        for (int v = 0; v < NV; v++) store(at + r * b_step + v * W, sum[r][v]);
                });
                i += take;
            }
        });
}

template <int M>
static long winograd_few_filters_room(const ConvShape& g, int threads, int N) {
    return FewFilters<M>(g, N).room(threads);
}

template <int M>
static bool winograd_few_filters(int threads, const ConvShape& g, int N, const float* x, const float* dy,
                                 float* dweight, float* room) {
    constexpr int A = M + 2;
    const FewFilters<M> work(g, N);
    const int Kp = work.result_row;
    float *zeros = room, *sums = zeros + work.zeros, *rest = sums + work.parts * work.sums;
    std::memset(zeros, 0, work.zeros * sizeof(float));
    parallel(threads, work.parts, [&](long part, int thread) {
        float *images = rest + thread * work.thread_floats, *results = images + A * A * work.image_apart,
              *mine = sums + part * work.sums;
        std::memset(mine, 0, work.sums * sizeof(float));
        const long end = work.tiles.all * (part + 1) / work.parts;
        for (long first = work.tiles.all * part / work.parts; first < end; first += work.block) {
            const long stop = first + work.block < end ? first + work.block : end;
            transform_image<M>(x, zeros, work.tiles, first, stop, g.top, g.left, g.H, g.W, g.C,
                               work.image_row, work.image_apart, images);
            transform_result_back<M>(dy, zeros, work.tiles, first, stop, g.P, g.Q, g.K, Kp,
                                     work.result_apart, results);
            for (int element = 0; element < A * A; element++)
                add_outer_products(images + element * work.image_apart, work.image_row,
                                   results + element * work.result_apart, Kp, static_cast<int>(stop - first),
                                   g.C, mine + element * work.element);
        }
    });
    std::atomic<bool> bad{false};
    parallel(threads, g.C, [&](long c, int) {
        Floats finite{};
        for (int k = 0; k < Kp; k += W) {
            Floats u[A * A], half[3 * A], o[9];
            for (int i = 0; i < A * A; i++) {
                const float* at = sums + i * work.element + c * Kp + k;
                u[i] = load(at);
                for (int part = 1; part < work.parts; part++) u[i] += load(at + part * work.sums);
            }
            for (int j = 0; j < A; j++) Axes<M>::filter_back(u + j, A, half + j, A);
            for (int i = 0; i < 3; i++) Axes<M>::filter_back(half + i * A, 1, o + i * 3, 1);
            for (int t = 0; t < 9; t++) {
                finite += o[t] * splat(0.0f);
                for (int j = 0; j < W && k + j < g.K; j++) dweight[((k + j) * g.C + c) * 9 + t] = o[t][j];
            }
        }
        if (!all_zero(finite)) bad = true;
    });
    return !bad;
}
