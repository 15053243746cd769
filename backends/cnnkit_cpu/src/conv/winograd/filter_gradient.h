// The filters' gradient by Winograd's algorithm, the adjoint of correlations.h: tiles in spans, whose two
// transforms stay in the outer cache; then a task takes a panel of filters and some channels, and adds the
// span's part. Where there are few filters, few_filters.h is used instead.
#pragma once

#include <atomic>

#include "conv/filters_first.h"
#include "conv/product/multiply.h"
#include "conv/product/shape.h"
#include "conv/winograd/few_filters.h"
#include "conv/winograd/transforms.h"
#include "core/parallel.h"
#include "interface.h"

constexpr int SPAN_CHANNELS = 64;
constexpr long SPAN_BLOCK = static_cast<long>(SPAN_CHANNELS) * PANEL;

template <int M>
struct Span {
    static constexpr int A = M + 2;
    int tiles, image_row, result_row;
    long image_apart, result_apart, thread_floats;

    Span(const ConvShape& g, int N) {
        image_row = (g.C + W - 1) / W * W + LINE;
        result_row = round_up(g.K, W);
        const long most = (6L << 20) / (4L * A * A * (image_row + result_row)),
                   all = Tiles(M, N, g.P, g.Q, g.dilation_h, g.dilation_w).all;
        tiles = static_cast<int>(most < 64 ? 64 : most);
        if (tiles > all) tiles = static_cast<int>(all);
        image_apart = whole_lines(static_cast<long>(tiles) * image_row);
        result_apart = whole_lines(static_cast<long>(tiles) * result_row);
        thread_floats = whole_lines(A * A * SPAN_BLOCK);
    }
};

template <int M>
static long winograd_filters_room(const ConvShape& g, int threads, int N) {
    constexpr int A = M + 2;
    const Span<M> span(g, N);
    const long zeros = whole_lines(g.C > g.K ? g.C : g.K) + W;
    const long blocks = static_cast<long>(panels(span.result_row)) *
                        ((g.C + SPAN_CHANNELS - 1) / SPAN_CHANNELS);
    return zeros + A * A * (span.image_apart + span.result_apart) + blocks * 9 * SPAN_BLOCK +
           threads * span.thread_floats + 4 * LINE;
}

template <int M>
static bool winograd_filters(int threads, const ConvShape& g, int N, const float* x, const float* dy,
                             float* dweight, float* room) {
    constexpr int A = M + 2;
    const Tiles tiles(M, N, g.P, g.Q, g.dilation_h, g.dilation_w);
    const Span<M> span(g, N);
    const int Kp = span.result_row, count = panels(Kp), blocks = (g.C + SPAN_CHANNELS - 1) / SPAN_CHANNELS;
    const long zero_floats = whole_lines(g.C > g.K ? g.C : g.K) + W;
    float *zeros = room, *images = zeros + zero_floats, *results = images + A * A * span.image_apart,
          *sums = results + A * A * span.result_apart;
    // sums: [block][tap][channel][filter]
    float* rest = sums + static_cast<long>(count) * blocks * 9 * SPAN_BLOCK;
    std::memset(zeros, 0, zero_floats * sizeof(float));
    std::atomic<bool> bad{false};
    for (long first = 0; first < tiles.all; first += span.tiles) {
        const long end = first + span.tiles < tiles.all ? first + span.tiles : tiles.all;
        constexpr int SOME = 8;
        parallel(threads, (end - first + SOME - 1) / SOME, [&](long block, int) {
            const long from = first + block * SOME, to = from + SOME < end ? from + SOME : end;
            transform_image<M>(x, zeros, tiles, from, to, g.top, g.left, g.H, g.W, g.C, span.image_row,
                               span.image_apart, images + (from - first) * span.image_row);
            transform_result_back<M>(dy, zeros, tiles, from, to, g.P, g.Q, g.K, Kp, span.result_apart,
                                     results + (from - first) * Kp);
        });
        parallel(threads, static_cast<long>(count) * blocks, [&](long task, int thread) {
            const int k0 = static_cast<int>(task / blocks) * PANEL,
                      c0 = static_cast<int>(task % blocks) * SPAN_CHANNELS;
            const int channels = g.C - c0 < SPAN_CHANNELS ? g.C - c0 : SPAN_CHANNELS,
                      width = vectors_of(Kp - k0) * W;
            float* products = rest + thread * span.thread_floats;
            float* sum_block = sums + task * 9 * SPAN_BLOCK;
            for (int element = 0; element < A * A; element++)
                outer_products(images + element * span.image_apart + c0, span.image_row,
                               results + element * span.result_apart + k0, Kp, static_cast<int>(end - first),
                               channels, width / W, products + element * SPAN_BLOCK);
            for (int c = 0; c < channels; c++)
                for (int v = 0; v < width; v += W) {
                    Floats u[A * A], half[3 * A], o[9];
                    for (int i = 0; i < A * A; i++) u[i] = load(products + i * SPAN_BLOCK + c * width + v);
                    for (int j = 0; j < A; j++) Axes<M>::filter_back(u + j, A, half + j, A);
                    for (int i = 0; i < 3; i++) Axes<M>::filter_back(half + i * A, 1, o + i * 3, 1);
                    for (int t = 0; t < 9; t++) {
                        float* at = sum_block + t * SPAN_BLOCK + c * width + v;
                        store(at, first ? load(at) + o[t] : o[t]);
                    }
                }
            if (end < tiles.all) return;
            const auto row = [&](long f) { return sum_block + f % 9 * SPAN_BLOCK + f / 9 * width; };
            Floats finite{};
            filters_first(g.K - k0 < width ? g.K - k0 : width, 9L * channels, row,
                          dweight + (static_cast<long>(k0) * g.C + c0) * 9, 9L * g.C, finite);
            if (!all_zero(finite)) bad = true;
        });
    }
    return !bad;
}

EXPORT long winograd_filter_gradient_room(const ConvShape* g, int threads, int side, int N) {
    const auto room = few_filter_sums(*g, side)
                          ? (side == 4 ? winograd_few_filters_room<4> : winograd_few_filters_room<2>)
                          : (side == 4 ? winograd_filters_room<4> : winograd_filters_room<2>);
    return room(*g, threads, N);
}

EXPORT int winograd_filter_gradient(int threads, const ConvShape* g, int side, int N, const float* x,
                                    const float* dy, float* dweight, float* room) {
    const auto differentiate = few_filter_sums(*g, side)
                                   ? (side == 4 ? winograd_few_filters<4> : winograd_few_filters<2>)
                                   : (side == 4 ? winograd_filters<4> : winograd_filters<2>);
    return differentiate(threads, *g, N, x, dy, dweight, room);
}
