// Winograd's minimal filtering for 3x3 filters at stride 1 (Lavin and Gray 2016): F(4x4, 3x3) and F(2x2, 3x3).
//
// A tile of M x M results needs (M + 2)^2 products for each pair of channel and filter, in place of 9 M^2. Channels lie last in
// memory, so that all transforms work on vectors of channels; between them stand (M + 2)^2 matrix products, [tile][channel]
// times [channel][filter], by product.h. The filters' gradient is the adjoint of the same algorithm.
#pragma once

#include "wide.h"

// One axis: A tile's M + 2 numbers to and from the M results and the 3 weights; steps count vectors.
template <int M>
struct Axes;

template <>
struct Axes<4> {
    INLINE void image(const Floats* d, int n, Floats* o, int m) {
        const Floats d0 = d[0], d1 = d[n], d2 = d[2 * n], d3 = d[3 * n], d4 = d[4 * n], d5 = d[5 * n];
        const Floats even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1, rest = d4 - d2, twice = 2.0f * (d3 - d1);
        o[0] = 4.0f * d0 - 5.0f * d2 + d4;
        o[m] = even + odd;
        o[2 * m] = even - odd;
        o[3 * m] = rest + twice;
        o[4 * m] = rest - twice;
        o[5 * m] = 4.0f * d1 - 5.0f * d3 + d5;
    }
    INLINE void filter(const Floats* g, int n, Floats* o, int m) {
        const Floats g0 = g[0], g1 = g[n], g2 = g[2 * n];
        const Floats ends = g0 * (-1.0f / 6) + g2 * (-1.0f / 6), middle = g1 * (1.0f / 6);
        const Floats far = g0 * (1.0f / 24) + g2 * (1.0f / 6), half = g1 * (1.0f / 12);
        o[0] = g0 * 0.25f;
        o[m] = ends - middle;
        o[2 * m] = ends + middle;
        o[3 * m] = far + half;
        o[4 * m] = far - half;
        o[5 * m] = g2;
    }
    INLINE void result(const Floats* t, int n, Floats* o, int m) {
        const Floats s1 = t[n] + t[2 * n], d1 = t[n] - t[2 * n], s2 = t[3 * n] + t[4 * n], d2 = t[3 * n] - t[4 * n];
        o[0] = t[0] + s1 + s2;
        o[m] = d1 + 2.0f * d2;
        o[2 * m] = s1 + 4.0f * s2;
        o[3 * m] = d1 + 8.0f * d2 + t[5 * n];
    }
    INLINE void result_back(const Floats* y, int n, Floats* o, int m) {
        const Floats y0 = y[0], y1 = y[n], y2 = y[2 * n], y3 = y[3 * n];
        const Floats even = y0 + y2, odd = y1 + y3, evens = y0 + 4.0f * y2, odds = 2.0f * y1 + 8.0f * y3;
        o[0] = y0;
        o[m] = even + odd;
        o[2 * m] = even - odd;
        o[3 * m] = evens + odds;
        o[4 * m] = evens - odds;
        o[5 * m] = y3;
    }
    INLINE void filter_back(const Floats* u, int n, Floats* o, int m) {
        const Floats s1 = (u[n] + u[2 * n]) * (1.0f / 6), d1 = (u[2 * n] - u[n]) * (1.0f / 6);
        const Floats s2 = u[3 * n] + u[4 * n], d2 = (u[3 * n] - u[4 * n]) * (1.0f / 12);
        o[0] = u[0] * 0.25f - s1 + s2 * (1.0f / 24);
        o[m] = d1 + d2;
        o[2 * m] = s2 * (1.0f / 6) - s1 + u[5 * n];
    }
};

template <>
struct Axes<2> {
    INLINE void image(const Floats* d, int n, Floats* o, int m) {
        const Floats d0 = d[0], d1 = d[n], d2 = d[2 * n], d3 = d[3 * n];
        o[0] = d0 - d2;
        o[m] = d1 + d2;
        o[2 * m] = d2 - d1;
        o[3 * m] = d1 - d3;
    }
    INLINE void filter(const Floats* g, int n, Floats* o, int m) {
        const Floats ends = (g[0] + g[2 * n]) * 0.5f, middle = g[n] * 0.5f, g0 = g[0], g2 = g[2 * n];
        o[0] = g0;
        o[m] = ends + middle;
        o[2 * m] = ends - middle;
        o[3 * m] = g2;
    }
    INLINE void result(const Floats* t, int n, Floats* o, int m) {
        const Floats t1 = t[n], t2 = t[2 * n], t3 = t[3 * n];
        o[0] = t[0] + t1 + t2;
        o[m] = t1 - t2 - t3;
    }
    INLINE void result_back(const Floats* y, int n, Floats* o, int m) {
        const Floats y0 = y[0], y1 = y[n];
        o[0] = y0;
        o[m] = y0 + y1;
        o[2 * m] = y0 - y1;
        o[3 * m] = Floats{} - y1;
    }
    INLINE void filter_back(const Floats* u, int n, Floats* o, int m) {
        const Floats sum = (u[n] + u[2 * n]) * 0.5f, difference = (u[n] - u[2 * n]) * 0.5f, u0 = u[0], u3 = u[3 * n];
        o[0] = u0 + sum;
        o[m] = difference;
        o[2 * m] = sum + u3;
    }
};

struct Tiles {
    int down, across, each;  // of an image, and of all of it
    long all;
};

template <int M>
static Tiles tiles_of(int N, int rows, int columns) {
    const int down = (rows + M - 1) / M, across = (columns + M - 1) / M;
    return {down, across, down * across, static_cast<long>(N) * down * across};
}

// The tile's numbers in `image` at channels c ...: where there is none, `zeros`.
template <int Side>
INLINE void tile_at(const float* image, const float* zeros, int h0, int w0, int height, int width, int channels, const float** at) {
    for (int i = 0; i < Side; i++)
        for (int j = 0; j < Side; j++) {
            const int h = h0 + i, w = w0 + j;
            at[i * Side + j] = h < 0 || h >= height || w < 0 || w >= width ? zeros : image + (static_cast<long>(h) * width + w) * channels;
        }
}

// Call with whole vectors of channels, then with what is left: run(c, read, write) for vectors from channel c on.
template <class Run>
INLINE void over_channel_vectors(int channels, Run run) {
    int c = 0;
    for (; c + W <= channels; c += W) run(c, [](const float* p) { return load(p); }, [](float* p, Floats v) { store(p, v); });
    if (const int left = channels - c; left)
        run(c, [=](const float* p) { return load_part(p, left); }, [=](float* p, Floats v) { store_part(p, v, left); });
}

// The images' tiles, transformed: [element][tile][channel], elements `apart`.
template <int M>
static void transform_image(const float* x, const float* zeros, const Tiles& tiles, long first, long last, int top, int left, int height,
                            int width, int channels, int row, long apart, float* to) {
    constexpr int A = M + 2;
    const float* at[A * A];
    for (long t = first; t < last; t++, to += row) {
        const int place = static_cast<int>(t % tiles.each);
        tile_at<A>(x + t / tiles.each * height * width * channels, zeros, place / tiles.across * M - top, place % tiles.across * M - left,
                   height, width, channels, at);
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
static void transform_result_back(const float* dy, const float* zeros, const Tiles& tiles, long first, long last, int height, int width,
                                  int channels, int row, long apart, float* to) {
    constexpr int A = M + 2;
    const float* at[M * M];
    for (long t = first; t < last; t++, to += row) {
        const int place = static_cast<int>(t % tiles.each);
        tile_at<M>(dy + t / tiles.each * height * width * channels, zeros, place / tiles.across * M, place % tiles.across * M, height, width,
                   channels, at);
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

// Filters of a panel, packed as [depth][tap][column], transformed: [element][depth][column], elements `apart`.
template <int M>
static void transform_filters(const float* packed, int depth, int width, long apart, float* to) {
    constexpr int A = M + 2;
    for (int d = 0; d < depth; d++)
        for (int v = 0; v < width; v += W) {
            Floats half[A * 3];
            for (int j = 0; j < 3; j++) {
                Floats column[3];
                for (int i = 0; i < 3; i++) column[i] = load(packed + (static_cast<long>(d) * 9 + i * 3 + j) * width + v);
                Axes<M>::filter(column, 1, half + j, 3);
            }
            for (int i = 0; i < A; i++) {
                Floats o[A];
                Axes<M>::filter(half + i * 3, 1, o, 1);
                for (int j = 0; j < A; j++) store(to + (i * A + j) * apart + static_cast<long>(d) * width + v, o[j]);
            }
        }
}

// Results of a panel's filters from their products [element][tile][filter].
template <int M>
static void transform_result(const float* products, const Tiles& tiles, long first, long last, int height, int width, int filters, int k0,
                             int columns, long apart, const float* bias, bool relu, float* y, Floats& finite) {
    constexpr int A = M + 2;
    Floats seen = finite;
    for (long t = first; t < last; t++, products += PANEL) {
        const int place = static_cast<int>(t % tiles.each), p0 = place / tiles.across * M, q0 = place % tiles.across * M;
        const int down = height - p0 < M ? height - p0 : M, right = width - q0 < M ? width - q0 : M;
        float* image = y + t / tiles.each * height * width * filters + (static_cast<long>(p0) * width + q0) * filters + k0;
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
                    if (relu) v = choose(v <= Floats{}, Floats{}, v);
                    write(image + (static_cast<long>(i) * width + j) * filters + k, v);
                }
            }
        });
    }
    finite = seen;
}

// What a correlation of channels-last images with 3x3 filters needs to know; forward, or the input's gradient.
struct Filtering {
    int depth, columns, height, width, rows, across, top, left;  // of the image; of the results
    Packing packing;
};

static Filtering filtering(const Wide& g, bool back) {
    Filtering f;
    for (int t = 0; t < 9; t++) f.packing.taps.push_back(back ? 8 - t : t);
    f.packing.used = 9;
    if (!back) {
        f.depth = g.C, f.columns = g.K, f.height = g.H, f.width = g.W, f.rows = g.P, f.across = g.Q, f.top = g.top, f.left = g.left;
        f.packing.apart = 9L * g.C, f.packing.depth_apart = 9;
    } else {
        f.depth = g.K, f.columns = g.C, f.height = g.P, f.width = g.Q, f.rows = g.H, f.across = g.W, f.top = 2 - g.top, f.left = 2 - g.left;
        f.packing.apart = 9, f.packing.depth_apart = 9L * g.C;
    }
    f.packing.columns = f.columns;
    f.packing.depth = f.depth;
    return f;
}

// Two ways through the work. Where all transformed filters stay in the cache, a task takes a block of tiles through everything.
// Else all tiles of a group are transformed first, and a task takes a panel of filters, whose transforms are then read while they
// are in its cache and never written to memory.
constexpr long FILTERS_SHARED = 6L << 20, GROUP_BYTES = 16L << 20, BLOCK_BYTES = 640L << 10;
constexpr long FILTER_PART = 9L * Packing::SOME * PANEL;  // floats of filters that are packed at a time

template <int M>
struct Blocks {
    static constexpr int A = M + 2;
    int tiles, depth_row, group;  // of a block, a row's floats; tiles of a group, or 0 if filters come first
    long image_apart, product_apart, panel, own;

    Blocks(const Filtering& f, long all) {
        depth_row = (f.depth + W - 1) / W * W;
        panel = static_cast<long>(f.depth) * PANEL;
        const long bytes = 4L * A * A * depth_row;
        const long some = BLOCK_BYTES / bytes < 2 * ROWS ? 2 * ROWS : BLOCK_BYTES / bytes;
        tiles = static_cast<int>((some < all ? some : all + ROWS - 1) / ROWS * ROWS);
        group = 0;
        if (4L * A * A * f.depth * f.columns > FILTERS_SHARED) {
            const long most = GROUP_BYTES / bytes < 64 ? 64 : GROUP_BYTES / bytes, groups = (all + most - 1) / most;
            group = static_cast<int>((all + groups - 1) / groups);
        }
        image_apart = whole(static_cast<long>(group ? group : tiles) * depth_row);  // no multiple of the cache's size
        product_apart = whole(static_cast<long>(tiles) * PANEL);
        own = whole(FILTER_PART) + A * A * (product_apart + (group ? panel : image_apart));
    }
    long shared(int count) const { return A * A * (group ? image_apart : count * panel); }
};

template <int M>
static long winograd_room(const Filtering& f, int threads, int N) {
    const Blocks<M> blocks(f, tiles_of<M>(N, f.rows, f.across).all);
    return 4 * LINE_FLOATS + whole(f.depth) + W + whole(blocks.shared(panels(f.columns))) + threads * blocks.own;
}

template <int M>
static bool winograd(int threads, const Filtering& f, int N, const float* x, const float* weight, const float* bias, bool relu, float* y,
                     float* room) {
    constexpr int A = M + 2;
    const Tiles tiles = tiles_of<M>(N, f.rows, f.across);
    const Blocks<M> blocks(f, tiles.all);
    const int count = panels(f.columns), row = blocks.depth_row;
    float *zeros = room, *shared = zeros + whole(f.depth) + W, *rest = shared + whole(blocks.shared(count));
    std::memset(zeros, 0, (whole(f.depth) + W) * sizeof(float));
    std::vector<int> in(blocks.tiles);
    for (int t = 0; t < blocks.tiles; t++) in[t] = t * row;
    std::atomic<bool> bad{false};
    const auto images = [&](long first, long last, float* to) {
        transform_image<M>(x, zeros, tiles, first, last, f.top, f.left, f.height, f.width, f.depth, row, blocks.image_apart, to);
    };
    const auto filters = [&](int number, float* packed, long apart, float* to) {
        const int width = vectors_of(f.columns - number * PANEL) * W;
        for (int d = 0; d < f.depth; d += Packing::SOME) {
            const int end = d + Packing::SOME < f.depth ? d + Packing::SOME : f.depth;
            f.packing.part(number, weight, d, end, width, 9 * width, packed);
            transform_filters<M>(packed, end - d, width, apart, to + static_cast<long>(d) * width);
        }
    };
    // a panel's results for tiles from `first` on, whose transforms begin at `image`
    const auto results = [&](int number, const float* filter, long apart, const float* image, long first, long last, float* products) {
        const int k0 = number * PANEL, columns = f.columns - k0 < PANEL ? f.columns - k0 : PANEL;
        for (int element = 0; element < A * A; element++)
            rows_times_panel(image + element * blocks.image_apart, in.data(), static_cast<int>(last - first), f.depth, filter + element * apart,
                             vectors_of(columns), products + element * blocks.product_apart);
        Floats finite{};
        transform_result<M>(products, tiles, first, last, f.rows, f.across, f.columns, k0, columns, blocks.product_apart, bias, relu, y, finite);
        if (!all_zero(finite)) bad = true;
    };
    if (!blocks.group) {
        parallel(threads, count, [&](long number, int thread) {
            filters(static_cast<int>(number), rest + thread * blocks.own, count * blocks.panel, shared + number * blocks.panel);
        });
        const long parts = (tiles.all + blocks.tiles - 1) / blocks.tiles;
        parallel(threads, parts, [&](long part, int thread) {
            float *image = rest + thread * blocks.own + whole(FILTER_PART), *products = image + A * A * blocks.image_apart;
            const long first = tiles.all * part / parts, last = tiles.all * (part + 1) / parts;
            images(first, last, image);
            for (int number = 0; number < count; number++)
                results(number, shared + number * blocks.panel, count * blocks.panel, image, first, last, products);
        });
        return !bad;
    }
    for (long start = 0; start < tiles.all; start += blocks.group) {
        const long end = start + blocks.group < tiles.all ? start + blocks.group : tiles.all;
        constexpr long SOME = 4;
        parallel(threads, (end - start + SOME - 1) / SOME, [&](long part, int) {
            const long first = start + part * SOME, last = first + SOME < end ? first + SOME : end;
            images(first, last, shared + (first - start) * row);
        });
        parallel(threads, count, [&](long number, int thread) {
            float *packed = rest + thread * blocks.own, *filter = packed + whole(FILTER_PART), *products = filter + A * A * blocks.panel;
            filters(static_cast<int>(number), packed, blocks.panel, filter);
            for (long first = start; first < end;) {
                const long last = first + even_share(static_cast<int>(end - first), blocks.tiles);
                results(static_cast<int>(number), filter, blocks.panel, shared + (first - start) * row, first, last, products);
                first = last;
            }
        });
    }
    return !bad;
}

// The filters' gradient: tiles in spans, whose two transforms stay in the outer cache; then a task takes a panel of filters and some
// channels, and adds the span's part.
constexpr int SPAN_CHANNELS = 64;
constexpr long SPAN_BLOCK = static_cast<long>(SPAN_CHANNELS) * PANEL;

template <int M>
struct Span {
    static constexpr int A = M + 2;
    int tiles, image_row, result_row;
    long image_apart, result_apart, each;

    Span(const Wide& g, int N) {
        image_row = (g.C + W - 1) / W * W + LINE_FLOATS;
        result_row = padded_filters(g.K);
        const long most = (6L << 20) / (4L * A * A * (image_row + result_row)), all = tiles_of<M>(N, g.P, g.Q).all;
        tiles = static_cast<int>(most < 64 ? 64 : most);
        if (tiles > all) tiles = static_cast<int>(all);
        image_apart = whole(static_cast<long>(tiles) * image_row);
        result_apart = whole(static_cast<long>(tiles) * result_row);
        each = whole(A * A * SPAN_BLOCK);
    }
};

template <int M>
static long winograd_weight_room(const Wide& g, int threads, int N) {
    constexpr int A = M + 2;
    const Span<M> span(g, N);
    const long zeros = whole(g.C > g.K ? g.C : g.K) + W;
    const long blocks = static_cast<long>(panels(span.result_row)) * ((g.C + SPAN_CHANNELS - 1) / SPAN_CHANNELS);
    return zeros + A * A * (span.image_apart + span.result_apart) + blocks * 9 * SPAN_BLOCK + threads * span.each + 4 * LINE_FLOATS;
}

template <int M>
static bool winograd_weight(int threads, const Wide& g, int N, const float* x, const float* dy, float* dweight, float* room) {
    constexpr int A = M + 2;
    const Tiles tiles = tiles_of<M>(N, g.P, g.Q);
    const Span<M> span(g, N);
    const int Kp = span.result_row, count = panels(Kp), blocks = (g.C + SPAN_CHANNELS - 1) / SPAN_CHANNELS;
    const long zero_floats = whole(g.C > g.K ? g.C : g.K) + W;
    float *zeros = room, *images = zeros + zero_floats, *results = images + A * A * span.image_apart, *sums = results + A * A * span.result_apart;
    float* rest = sums + static_cast<long>(count) * blocks * 9 * SPAN_BLOCK;  // sums: [block][tap][channel][filter]
    std::memset(zeros, 0, zero_floats * sizeof(float));
    std::atomic<bool> bad{false};
    for (long first = 0; first < tiles.all; first += span.tiles) {
        const long last = first + span.tiles < tiles.all ? first + span.tiles : tiles.all;
        constexpr int SOME = 8;
        parallel(threads, (last - first + SOME - 1) / SOME, [&](long block, int) {
            const long from = first + block * SOME, to = from + SOME < last ? from + SOME : last;
            transform_image<M>(x, zeros, tiles, from, to, g.top, g.left, g.H, g.W, g.C, span.image_row, span.image_apart,
                               images + (from - first) * span.image_row);
            transform_result_back<M>(dy, zeros, tiles, from, to, g.P, g.Q, g.K, Kp, span.result_apart, results + (from - first) * Kp);
        });
        parallel(threads, static_cast<long>(count) * blocks, [&](long task, int thread) {
            const int k0 = static_cast<int>(task / blocks) * PANEL, c0 = static_cast<int>(task % blocks) * SPAN_CHANNELS;
            const int channels = g.C - c0 < SPAN_CHANNELS ? g.C - c0 : SPAN_CHANNELS, width = vectors_of(Kp - k0) * W;
            float* own = rest + thread * span.each;
            float* sum_block = sums + task * 9 * SPAN_BLOCK;
            for (int element = 0; element < A * A; element++)
                constant<COLUMNS>(width / W, [&](auto vectors) {
                    for (int c = 0; c < channels;) {
                        const int take = even_share(channels - c, ROWS);
                        constant<ROWS>(take, [&](auto some) {
                            constexpr int MR = decltype(some)::value, NV = decltype(vectors)::value;
                            Floats sum[MR][NV]{};
                            outer<MR, NV>(images + element * span.image_apart + c0 + c, span.image_row, results + element * span.result_apart + k0,
                                          Kp, static_cast<int>(last - first), sum);
                            for (int i = 0; i < MR; i++)
                                for (int v = 0; v < NV; v++) store(own + element * SPAN_BLOCK + (c + i) * width + v * W, sum[i][v]);
                        });
                        c += take;
                    }
                });
            for (int c = 0; c < channels; c++)
                for (int v = 0; v < width; v += W) {
                    Floats u[A * A], half[3 * A], o[9];
                    for (int i = 0; i < A * A; i++) u[i] = load(own + i * SPAN_BLOCK + c * width + v);
                    for (int j = 0; j < A; j++) Axes<M>::filter_back(u + j, A, half + j, A);
                    for (int i = 0; i < 3; i++) Axes<M>::filter_back(half + i * A, 1, o + i * 3, 1);
                    for (int t = 0; t < 9; t++) {
                        float* at = sum_block + t * SPAN_BLOCK + c * width + v;
                        store(at, first ? load(at) + o[t] : o[t]);
                    }
                }
            if (last < tiles.all) return;
            float finite = 0;
            for (int k = k0; k < g.K && k < k0 + width; k++)
                for (int c = 0; c < channels; c++)
                    for (int t = 0; t < 9; t++) {
                        const float v = sum_block[t * SPAN_BLOCK + c * width + k - k0];
                        dweight[(static_cast<long>(k) * g.C + c0 + c) * 9 + t] = v;
                        finite += v * 0.0f;
                    }
            if (!(finite == 0)) bad = true;
        });
    }
    return !bad;
}

// `side` of the tiles of results: 4 or 2.
EXPORT long winograd_forward_room(const Wide* g, int threads, int side, int N) {
    return side == 4 ? winograd_room<4>(filtering(*g, false), threads, N) : winograd_room<2>(filtering(*g, false), threads, N);
}

EXPORT int winograd_forward(int threads, const Wide* g, int side, int N, const float* x, const float* weight, const float* bias, int relu,
                            float* y, float* room) {
    const auto run = side == 4 ? winograd<4> : winograd<2>;
    return run(threads, filtering(*g, false), N, x, weight, bias, relu, y, room);
}

EXPORT long winograd_input_room(const Wide* g, int threads, int side, int N) {
    return side == 4 ? winograd_room<4>(filtering(*g, true), threads, N) : winograd_room<2>(filtering(*g, true), threads, N);
}

EXPORT int winograd_input(int threads, const Wide* g, int side, int N, const float* dy, const float* weight, float* dx, float* room) {
    const auto run = side == 4 ? winograd<4> : winograd<2>;
    return run(threads, filtering(*g, true), N, dy, weight, nullptr, false, dx, room);
}

EXPORT long winograd_filter_room(const Wide* g, int threads, int side, int N) {
    return side == 4 ? winograd_weight_room<4>(*g, threads, N) : winograd_weight_room<2>(*g, threads, N);
}

EXPORT int winograd_filter(int threads, const Wide* g, int side, int N, const float* x, const float* dy, float* dweight, float* room) {
    const auto run = side == 4 ? winograd_weight<4> : winograd_weight<2>;
    return run(threads, *g, N, x, dy, dweight, room);
}
