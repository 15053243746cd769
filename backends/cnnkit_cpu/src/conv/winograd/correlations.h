// Convolution and its input's gradient by Winograd's minimal filtering for 3x3 filters at stride 1 (Lavin and
// Gray 2016): F(4x4, 3x3) and F(2x2, 3x3), with the channels last in memory. Chosen by choice.py where many
// channels and filters pay for the transforms, unless precision is "strict".
//
// A tile of M x M results needs (M + 2)^2 products for each pair of channel and filter, in place of 9 M^2.
// All transforms work on vectors of channels; between them stand (M + 2)^2 matrix products, [tile][channel]
// times [channel][filter], by product/multiply.h. Each function returns whether all results are finite, as
// those of product/correlations.h do.
#pragma once

#include <atomic>

#include "conv/product/multiply.h"
#include "conv/product/shape.h"
#include "conv/winograd/transforms.h"
#include "core/parallel.h"
#include "interface.h"

// What a correlation of channels-last images with 3x3 filters needs to know; forward, or the input's
// gradient.
struct Correlation {
    int depth, columns, height, width, rows, across, top, left;  // of the image; of the results
    int dilation_h, dilation_w;
    Packing packing;
};

static Correlation correlation_of(const ConvShape& g, bool back) {
    Correlation f;
    f.dilation_h = g.dilation_h, f.dilation_w = g.dilation_w;
    for (int t = 0; t < 9; t++) f.packing.taps.push_back(back ? 8 - t : t);
    f.packing.used = 9;
    if (!back) {
        f.depth = g.C, f.columns = g.K, f.height = g.H, f.width = g.W, f.rows = g.P, f.across = g.Q,
        f.top = g.top, f.left = g.left;
        f.packing.apart = 9L * g.C, f.packing.depth_apart = 9;
    } else {
        f.depth = g.K, f.columns = g.C, f.height = g.P, f.width = g.Q, f.rows = g.H, f.across = g.W,
        f.top = 2 * g.dilation_h - g.top, f.left = 2 * g.dilation_w - g.left;
        f.packing.apart = 9, f.packing.depth_apart = 9L * g.C;
    }
    f.packing.columns = f.columns;
    f.packing.depth = f.depth;
    return f;
}

template <int M>
static Tiles tiles_of(const Correlation& f, int N) {
    return Tiles(M, N, f.rows, f.across, f.dilation_h, f.dilation_w);
}

// Two ways through the work. Where all transformed filters stay in the cache, a task takes a block of tiles
// through everything. Else all tiles of a *wave* are transformed first, and a task takes a panel of filters,
// whose transforms are then read while they are in its cache and never written to memory.
// choice.py knows FILTERS_SHARED too.
constexpr long FILTERS_SHARED = 6L << 20, WAVE_BYTES = 16L << 20, BLOCK_BYTES = 640L << 10;
constexpr long FILTER_PART = 9L * Packing::DEPTHS * PANEL;  // floats of filters that are packed at a time

template <int M>
struct TileBlocks {
    static constexpr int A = M + 2;
    int tiles, depth_row, wave;  // of a block, a row's floats; tiles of a wave, or 0 if filters come first
    long image_apart, product_apart, panel, thread_floats;
    bool in_place;  // products take the place of the images that they are made of, and stay in the cache

    TileBlocks(const Correlation& f, long all) {
        depth_row = (f.depth + W - 1) / W * W;
        panel = static_cast<long>(f.depth) * PANEL;
        const long bytes = 4L * A * A * depth_row;
        in_place = panels(f.columns) == 1 && vectors_of(f.columns) * W <= depth_row;
        const long some = in_place || BLOCK_BYTES / bytes < 2 * ROWS ? 2 * ROWS : BLOCK_BYTES / bytes;
        tiles = static_cast<int>((some < all ? some : all + ROWS - 1) / ROWS * ROWS);
        wave = 0;
        if (4L * A * A * f.depth * f.columns > FILTERS_SHARED) {
            const long most = WAVE_BYTES / bytes < 64 ? 64 : WAVE_BYTES / bytes,
                       waves = (all + most - 1) / most;
            wave = static_cast<int>((all + waves - 1) / waves);
            in_place = false;
        }
        // rows are no multiple of the cache's size apart
        image_apart = whole_lines(static_cast<long>(wave ? wave : tiles) * depth_row);
        product_apart = whole_lines(static_cast<long>(tiles) * PANEL);
        thread_floats = whole_lines(FILTER_PART) +
                        A * A * ((in_place ? 0 : product_apart) + (wave ? panel : image_apart));
    }
    long shared(int count) const { return A * A * (wave ? image_apart : count * panel); }
};

template <int M>
static long winograd_room(const Correlation& f, int threads, int N) {
    const TileBlocks<M> blocks(f, tiles_of<M>(f, N).all);
    return 4 * LINE + whole_lines(f.depth) + W + whole_lines(blocks.shared(panels(f.columns))) +
           threads * blocks.thread_floats;
}

// A panel of filters, transformed: elements `apart`; `packed` is room for a part of them.
template <int M>
static void winograd_panel(const Correlation& f, int number, const float* weight, float* packed, long apart,
                           float* to) {
    const int width = vectors_of(f.columns - number * PANEL) * W;
    for (int d = 0; d < f.depth; d += Packing::DEPTHS) {
        const int end = d + Packing::DEPTHS < f.depth ? d + Packing::DEPTHS : f.depth;
        f.packing.part(number, weight, d, end, width, 9 * width, packed);
        transform_filters<M>(packed, end - d, width, apart, to + static_cast<long>(d) * width);
    }
}

// All filters, transformed, where they are kept: (M + 2)^2 elements, each of all panels.
template <int M>
static void transform_all_filters(int threads, const Correlation& f, const float* weight, float* to,
                                  float* room, long apart) {
    const int count = panels(f.columns);
    const long panel = TileBlocks<M>(f, 1).panel;
    parallel(threads, count, [&](long number, int thread) {
        winograd_panel<M>(f, static_cast<int>(number), weight, room + thread * apart, count * panel,
                          to + number * panel);
    });
}

// `filters`: those that `transform_all_filters` has made of `weight`; or null.
template <int M>
static bool winograd(int threads, const Correlation& f, int N, const float* x, const float* weight,
                     const float* filters, const float* bias, const Finish& finish, float* y, float* room) {
    constexpr int A = M + 2;
    const Tiles tiles = tiles_of<M>(f, N);
    const TileBlocks<M> blocks(f, tiles.all);
    const int count = panels(f.columns), row = blocks.depth_row;
    float *zeros = room, *shared = zeros + whole_lines(f.depth) + W,
          *rest = shared + whole_lines(blocks.shared(count));
    std::memset(zeros, 0, (whole_lines(f.depth) + W) * sizeof(float));
    std::atomic<bool> bad{false};
    const int product_row = blocks.in_place ? row : PANEL;
    const long product_apart = blocks.in_place ? blocks.image_apart : blocks.product_apart;
    const auto images = [&](long first, long stop, float* to) {
        transform_image<M>(x, zeros, tiles, first, stop, f.top, f.left, f.height, f.width, f.depth, row,
                           blocks.image_apart, to);
    };
    // a panel's results for tiles from `first` on, whose transforms begin at `image`
    const auto results = [&](int number, const float* filter, long apart, const float* image, long first,
                             long stop, float* products) {
        const int k0 = number * PANEL, columns = f.columns - k0 < PANEL ? f.columns - k0 : PANEL;
        for (int element = 0; element < A * A; element++)
            rows_times_panel(image + element * blocks.image_apart, row, static_cast<int>(stop - first),
                             f.depth, filter + element * apart, vectors_of(columns),
                             products + element * product_apart, product_row);
        Floats finite{};
        transform_result<M>(products, product_row, tiles, first, stop, f.rows, f.across, f.columns, k0,
                            columns, product_apart, bias, finish, y, finite);
        if (!all_zero(finite)) bad = true;
    };
    if (!blocks.wave) {
        if (!filters) transform_all_filters<M>(threads, f, weight, shared, rest, blocks.thread_floats);
        const float* transformed = filters ? filters : shared;
        constexpr long TASKS = 8;
        const long least = (tiles.all + blocks.tiles - 1) / blocks.tiles,
                   most = tiles.all / 8 < TASKS ? tiles.all / 8 : TASKS, parts = least < most ? most : least;
        parallel(threads, parts, [&](long part, int thread) {
            float *image = rest + thread * blocks.thread_floats + whole_lines(FILTER_PART),
                  *products = blocks.in_place ? image : image + A * A * blocks.image_apart;
            const long first = tiles.all * part / parts, stop = tiles.all * (part + 1) / parts;
            images(first, stop, image);
            for (int number = 0; number < count; number++)
                results(number, transformed + number * blocks.panel, count * blocks.panel, image, first, stop,
                        products);
        });
        return !bad;
    }
    for (long start = 0; start < tiles.all; start += blocks.wave) {
        const long end = start + blocks.wave < tiles.all ? start + blocks.wave : tiles.all;
        constexpr long SOME = 4;
        parallel(threads, (end - start + SOME - 1) / SOME, [&](long part, int) {
            const long first = start + part * SOME, stop = first + SOME < end ? first + SOME : end;
            images(first, stop, shared + (first - start) * row);
        });
        parallel(threads, count, [&](long number, int thread) {
            float *packed = rest + thread * blocks.thread_floats, *filter = packed + whole_lines(FILTER_PART),
                  *products = filter + A * A * blocks.panel;
            winograd_panel<M>(f, static_cast<int>(number), weight, packed, blocks.panel, filter);
            for (long first = start; first < end;) {
                const long stop = first + even_share(static_cast<int>(end - first), blocks.tiles);
                results(static_cast<int>(number), filter, blocks.panel, shared + (first - start) * row, first,
                        stop, products);
                first = stop;
            }
        });
    }
    return !bad;
}

// `side` of the tiles of results: 4 or 2.
EXPORT long winograd_forward_room(const ConvShape* g, int threads, int side, int N) {
    return side == 4 ? winograd_room<4>(correlation_of(*g, false), threads, N)
                     : winograd_room<2>(correlation_of(*g, false), threads, N);
}

// 0 where there are so many that they are better transformed anew than kept.
EXPORT long winograd_forward_filters_size(const ConvShape* g, int side) {
    const Correlation f = correlation_of(*g, false);
    const bool kept = side == 4 ? !TileBlocks<4>(f, 1).wave : !TileBlocks<2>(f, 1).wave;
    return kept ? (side + 2) * (side + 2) * panels(f.columns) * TileBlocks<4>(f, 1).panel : 0;
}

EXPORT long winograd_forward_filters_room(int threads) { return threads * whole_lines(FILTER_PART); }

EXPORT void winograd_forward_filters(int threads, const ConvShape* g, int side, const float* weight,
                                     float* filters, float* room) {
    const auto transform = side == 4 ? transform_all_filters<4> : transform_all_filters<2>;
    transform(threads, correlation_of(*g, false), weight, filters, room, whole_lines(FILTER_PART));
}

EXPORT int winograd_forward(int threads, const ConvShape* g, int side, int N, const float* x,
                            const float* weight, const float* filters, const float* bias, const float* addend,
                            int function, float a, float b, float* y, float* room) {
    const auto convolve = side == 4 ? winograd<4> : winograd<2>;
    return convolve(threads, correlation_of(*g, false), N, x, weight, filters, bias,
                    Finish(addend, function, a, b), y, room);
}

EXPORT long winograd_input_gradient_room(const ConvShape* g, int threads, int side, int N) {
    return side == 4 ? winograd_room<4>(correlation_of(*g, true), threads, N)
                     : winograd_room<2>(correlation_of(*g, true), threads, N);
}

EXPORT int winograd_input_gradient(int threads, const ConvShape* g, int side, int N, const float* dy,
                                   const float* weight, float* dx, float* room) {
    const auto convolve = side == 4 ? winograd<4> : winograd<2>;
    return convolve(threads, correlation_of(*g, true), N, dy, weight, nullptr, nullptr,
                    Finish(nullptr, NO_FUNCTION, 0, 0), dx, room);
}
