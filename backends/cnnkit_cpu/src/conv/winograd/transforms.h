// Winograd's transforms of tiles of images, of their results and of filters, on vectors of channels (axes.h
// along both axes).
#pragma once

#include "conv/finish.h"
#include "conv/product/panels.h"
#include "conv/winograd/axes.h"

// Tiles along one axis: with dilation d a tile takes every d-th place, and there are d interleaved rows of
// tiles, each of which is a dense convolution of its own.
struct TileAxis {
    int dilation;
    std::vector<int> first;  // place of each tile's first result

    TileAxis(int results, int side, int step) : dilation(step) {
        for (int phase = 0; phase < step && phase < results; phase++)
            for (int p = phase; p < results; p += side * step) first.push_back(p);
    }
    int count() const { return static_cast<int>(first.size()); }
};

struct Tiles {
    TileAxis down, across;
    int per_image;
    long all;

    Tiles(int side, int N, int rows, int columns, int dilation_h, int dilation_w)
        : down(rows, side, dilation_h), across(columns, side, dilation_w),
          per_image(down.count() * across.count()), all(static_cast<long>(N) * per_image) {}

    struct Place {
        int row, column;
    };
    // where tile t's first result lies in its image
    Place at(long t) const {
        const int place = static_cast<int>(t % per_image), columns = across.count();
        return {down.first[place / columns], across.first[place % columns]};
    }
};

// Where a tile's pixels lie in `image`, and `zeros` for those outside of it.
template <int Side>
INLINE void tile_at(const float* image, const float* zeros, const Tiles& tiles, int h0, int w0, int height,
                    int width, int channels, const float** at) {
    for (int i = 0; i < Side; i++)
        for (int j = 0; j < Side; j++) {
            const int h = h0 + i * tiles.down.dilation, w = w0 + j * tiles.across.dilation;
            at[i * Side + j] = h < 0 || h >= height || w < 0 || w >= width
                                   ? zeros
                                   : image + (static_cast<long>(h) * width + w) * channels;
        }
}

// Call with whole vectors of channels, then with what is left: call(c, read, write) for vectors from channel
// c on.
template <class Call>
INLINE void over_channel_vectors(int channels, Call call) {
    int c = 0;
    for (; c + W <= channels; c += W)
        call(c, [](const float* p) { return load(p); }, [](float* p, Floats v) { store(p, v); });
    if (const int left = channels - c; left)
        call(
            c, [=](const float* p) { return load_part(p, left); },
            [=](float* p, Floats v) { store_part(p, v, left); });
}

// The images' tiles, transformed: [element][tile][channel], elements `apart`.
template <int M>
NOINLINE void transform_image(const float* x, const float* zeros, const Tiles& tiles, long first, long end,
                              int top, int left, int height, int width, int channels, int row, long apart,
                              float* to) {
    constexpr int A = M + 2;
    const float* at[A * A];
    for (long t = first; t < end; t++, to += row) {
        const Tiles::Place place = tiles.at(t);
        tile_at<A>(x + t / tiles.per_image * height * width * channels, zeros, tiles, place.row - top,
                   place.column - left, height, width, channels, at);
        over_channel_vectors(channels, [&](int c, auto read, auto) {
            Floats half[A * A];
            for (int j = 0; j < A; j++) {
                Floats column[A];
                for (int i = 0; i < A; i++) column[i] = read(at[i * A + j] + c);
                Axes<M>::image(column, 1, half + j, A);
            }
            for (int i = 0; i < A; i++) {
                Floats o[A];
                Axes<M>::image(half + i * A, 1, o, 1);
                for (int j = 0; j < A; j++) store(to + (i * A + j) * apart + c, o[j]);
            }
        });
    }
}

// The same of the results' gradient.
template <int M>
NOINLINE void transform_result_back(const float* dy, const float* zeros, const Tiles& tiles, long first,
                                    long end, int height, int width, int channels, int row, long apart,
                                    float* to) {
    constexpr int A = M + 2;
    const float* at[M * M];
    for (long t = first; t < end; t++, to += row) {
        const Tiles::Place place = tiles.at(t);
        tile_at<M>(dy + t / tiles.per_image * height * width * channels, zeros, tiles, place.row,
                   place.column, height, width, channels, at);
        over_channel_vectors(channels, [&](int c, auto read, auto) {
            Floats half[A * M];
            for (int j = 0; j < M; j++) {
                Floats column[M];
                for (int i = 0; i < M; i++) column[i] = read(at[i * M + j] + c);
                Axes<M>::result_back(column, 1, half + j, M);
            }
            for (int i = 0; i < A; i++) {
                Floats o[A];
                Axes<M>::result_back(half + i * M, 1, o, 1);
                for (int j = 0; j < A; j++) store(to + (i * A + j) * apart + c, o[j]);
            }
        });
    }
}

// Filters of a panel, packed as [depth][tap][column], transformed: [element][depth][column], elements
// `apart`.
template <int M>
NOINLINE void transform_filters(const float* packed, int depth, int width, long apart, float* to) {
    constexpr int A = M + 2;
    for (int d = 0; d < depth; d++)
        for (int v = 0; v < width; v += W) {
            Floats half[A * 3];
            for (int j = 0; j < 3; j++) {
                Floats column[3];
                for (int i = 0; i < 3; i++)
                    column[i] = load(packed + (static_cast<long>(d) * 9 + i * 3 + j) * width + v);
                Axes<M>::filter(column, 1, half + j, 3);
            }
            for (int i = 0; i < A; i++) {
                Floats o[A];
                Axes<M>::filter(half + i * 3, 1, o, 1);
                for (int j = 0; j < A; j++)
                    store(to + (i * A + j) * apart + static_cast<long>(d) * width + v, o[j]);
            }
        }
}

// Results of a panel's filters from their products [element][tile][filter], tiles `row` floats apart.
template <int M>
NOINLINE void transform_result(const float* products, int row, const Tiles& tiles, long first, long end,
                               int height, int width, int filters, int k0, int columns, long apart,
                               const float* bias, const Finish& finish, float* y, Floats& finite) {
    constexpr int A = M + 2;
    const int dh = tiles.down.dilation, dw = tiles.across.dilation;
    Floats seen = finite;
    const Bounds bounds = finish.bounds;
    for (long t = first; t < end; t++, products += row) {
        const auto [p0, q0] = tiles.at(t);
        const int down = (height - p0 + dh - 1) / dh, right = (width - q0 + dw - 1) / dw;
        const long first_result = t / tiles.per_image * height * width * filters +
                                  (static_cast<long>(p0) * width + q0) * filters + k0;
        float* image = y + first_result;
        const float* addend = finish.addend ? finish.addend + first_result : nullptr;
        over_channel_vectors(columns, [&](int k, auto read, auto write) {
            Floats half[M * A];
            for (int j = 0; j < A; j++) {
                Floats column[A];
                for (int i = 0; i < A; i++) column[i] = load(products + (i * A + j) * apart + k);
                Axes<M>::result(column, 1, half + j, A);
            }
            const Floats add = bias ? read(bias + k0 + k) : Floats{};
            for (int i = 0; i < M; i++) {
                if (i >= down) break;
                Floats o[M];
                Axes<M>::result(half + i * A, 1, o, 1);
                for (int j = 0; j < M; j++) {
                    Floats v = o[j] + add;
                    if (j >= right) break;
                    seen += v * splat(0.0f);
                    const long at = (static_cast<long>(i) * dh * width + j * dw) * filters + k;
                    write(image + at, addend ? bounds.of(v + read(addend + at)) : bounds.of_number(v));
                }
            }
        });
        if (finish.function == NO_FUNCTION) continue;
        for (int i = 0; i < M && i < down; i++)
            for (int j = 0; j < M && j < right; j++)
                finish.complete(image + (static_cast<long>(i) * dh * width + j * dw) * filters, columns);
    }
    finite = seen;
}
