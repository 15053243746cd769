// Convolution, ReLU and pooling as one flat loop: the full-size activation stays in registers. It serves few
// channels, or any kernel, stride, dilation, padding and groups that no other file takes; channels_first.h
// chooses it.
//
// Each window leaves one *mark*, a byte that the backward pass reads: for max pooling which element was the
// largest, or STOPPED; for average pooling a bit for each element that is positive.
#pragma once

#include "conv/flat/correlate.h"
#include "conv/flat/phases.h"
#include "core/parallel.h"
#include "core/tame.h"

// A window's mark where ReLU stopped the maximum; otherwise it is the largest element's number.
constexpr int STOPPED = 255;

// With many taps it pays to keep the best so far in memory, and the registers for sums.
static bool many_taps(const Geometry& g) { return !g.pool || g.taps >= 64; }

// Filters at a time.
static int block_of(const Geometry& g) { return many_taps(g) ? FILTERS : POOLED_FILTERS; }

// The weights in the order in which `correlate` reads them: [group][block of filters][tap][k].
static void pack_filters(const Geometry& g, const float* weight, float* to) {
    const int block = block_of(g);
    for (int group = 0; group < g.groups; group++)
        for (int k0 = 0; k0 < g.Kg; k0 += block) {
            int n = g.Kg - k0 < block ? g.Kg - k0 : block;
            const float* from = weight + static_cast<long>(group * g.Kg + k0) * g.taps;
            for (int t = 0; t < g.taps; t++)
                for (int k = 0; k < n; k++) *to++ = from[static_cast<long>(k) * g.taps + t];
        }
}

// KB filters at V vectors of places, and at element `window` of the pooling window.
template <int KB, int V>
INLINE void conv_sums(const Geometry& g, int window, const float* in, const float* weights, const float* bias,
                      Floats (&sum)[KB][V]) {
    for (int k = 0; k < KB; k++)
        for (int v = 0; v < V; v++) sum[k][v] = splat(bias ? bias[k] : 0.0f);
    correlate<KB, V>(in, g.offsets.data() + static_cast<long>(window) * g.taps, weights, g.taps, sum);
}

struct Out {
    float* y;        // results, rows of `apart` floats
    uint8_t* marks;  // for each place the window's mark; may be null
    long apart;
};

struct Plain {
    static constexpr int block = FILTERS, vectors = VECTORS;

    template <int KB, int V>
    INLINE void compute(const Geometry& g, const float* in, const float* weights, const float* bias,
                        Out out) {
        Floats sum[KB][V];
        conv_sums<KB, V>(g, 0, in, weights, bias, sum);
        for (int k = 0; k < KB; k++)
            for (int v = 0; v < V; v++)
                store(out.y + k * out.apart + v * W, g.relu ? positive(sum[k][v]) : sum[k][v]);
    }
};

template <bool ManyTaps, bool Careful>  // Careful: the first NaN is the largest; rare, so of few instances
struct Largest {
    static constexpr int block = ManyTaps ? FILTERS : POOLED_FILTERS,
                         vectors = Careful    ? 1
                                   : ManyTaps ? VECTORS
                                              : POOLED_VECTORS;

    template <int KB, int V>
    INLINE void compute(const Geometry& g, const float* in, const float* weights, const float* bias,
                        Out out) {
        Floats best[KB][V]{};
        Ints which[KB][V]{};
        // of many taps the loop is compiled once, of few the first element costs no comparison
        if constexpr (!ManyTaps) conv_sums<KB, V>(g, 0, in, weights, bias, best);
        for (int window = ManyTaps ? 0 : 1; window < g.windows; window++) {
            const Ints first = splat_int(window ? 0 : -1);
            Floats sum[KB][V];
            conv_sums<KB, V>(g, window, in, weights, bias, sum);
            for (int k = 0; k < KB; k++)
                for (int v = 0; v < V; v++) {
                    Ints larger = sum[k][v] > best[k][v];
                    if constexpr (ManyTaps) larger |= first;
                    if (Careful) larger |= (sum[k][v] != sum[k][v]) & (best[k][v] == best[k][v]);
                    best[k][v] = larger ? sum[k][v] : best[k][v];
                    which[k][v] = larger ? splat_int(window) : which[k][v];
                }
        }
        for (int k = 0; k < KB; k++)
            for (int v = 0; v < V; v++) {
                Ints stopped = g.relu ? best[k][v] <= Floats{} : Ints{};
                store(out.y + k * out.apart + v * W, choose(stopped, Floats{}, best[k][v]));
                if (out.marks)
                    store_bytes(out.marks + k * out.apart + v * W,
                                stopped ? splat_int(STOPPED) : which[k][v]);
            }
    }
};

template <bool ManyTaps>
struct Average {
    static constexpr int block = ManyTaps ? FILTERS : POOLED_FILTERS, vectors = POOLED_VECTORS;

    template <int KB, int V>
    INLINE void compute(const Geometry& g, const float* in, const float* weights, const float* bias,
                        Out out) {
        Floats total[KB][V]{};
        Ints positives[KB][V]{};
        for (int window = 0; window < g.windows; window++) {
            Floats sum[KB][V];
            conv_sums<KB, V>(g, window, in, weights, bias, sum);
            for (int k = 0; k < KB; k++)
                for (int v = 0; v < V; v++) {
                    Ints stopped = g.relu ? sum[k][v] <= Floats{} : Ints{};
                    total[k][v] += choose(stopped, Floats{}, sum[k][v]);
                    positives[k][v] |= ~stopped & splat_int(1 << window);
                }
        }
        for (int k = 0; k < KB; k++)
            for (int v = 0; v < V; v++) {
                store(out.y + k * out.apart + v * W, total[k][v] * splat(1.0f / g.windows));
                if (out.marks) store_bytes(out.marks + k * out.apart + v * W, positives[k][v]);
            }
    }
};

// One image and n filters of a group.
template <class Kind>
static void conv_filters(const Geometry& g, const float* in, const float* weights, const float* bias, int n,
                         float* tile, float* y, uint8_t* marks) {
    constant<Kind::block>(n, [&](auto filters) {
        for (int place = 0; place < g.padded;) {
            const int take = share_without_single((g.padded - place) / W, Kind::vectors);
            constant<Kind::vectors>(take, [&](auto vectors) {
                Kind::template compute<decltype(filters)::value, decltype(vectors)::value>(
                    g, in + place, weights, bias,
                    Out{tile + place, marks ? marks + place : nullptr, g.padded});
            });
            place += take * W;
        }
    });
    const int P = g.P(), Q = g.Q();
    for (int k = 0; k < n; k++)
        for (int p = 0; p < P; p++) {
            const float* from = tile + static_cast<long>(k) * g.padded + p * g.pitch;
            float* to = y + (static_cast<long>(k) * P + p) * Q;
            copy_row(from, to, Q);
        }
}

// Room for packed filters, in whole vectors.
static long filter_floats(const Geometry& g) {
    return (static_cast<long>(g.K) * g.taps + W - 1) / W * W + SLACK;
}

// Floats that flat_forward needs: packed filters, and for each thread an image's phases and a block of
// results.
static long flat_forward_room(const Geometry& g, int threads) {
    return filter_floats(g) + threads * (g.image + static_cast<long>(FILTERS) * g.padded + SLACK);
}

static void flat_forward(int threads, const Geometry& g, int N, const float* x, const float* weight,
                         const float* bias, float* y, uint8_t* marks, float* room) {
    float* filters = room;
    pack_filters(g, weight, filters);
    room += filter_floats(g);
    const long thread_floats = g.image + static_cast<long>(FILTERS) * g.padded + SLACK,
               pixels = static_cast<long>(g.h.length) * g.w.length;
    for (int t = 0; t < threads; t++) std::memset(room + t * thread_floats, 0, g.image * sizeof(float));
    const bool tame_filters = tame(weight, static_cast<long>(g.K) * g.taps) && (!bias || tame(bias, g.K));
    const bool taps = many_taps(g);
    const auto fast = g.pool == NO_POOL    ? conv_filters<Plain>
                      : g.pool == AVG_POOL ? taps ? conv_filters<Average<true>> : conv_filters<Average<false>>
                      : taps               ? conv_filters<Largest<true, false>>
                                           : conv_filters<Largest<false, false>>;
    const auto safe = g.pool != MAX_POOL ? fast
                      : taps             ? conv_filters<Largest<true, true>>
                                         : conv_filters<Largest<false, true>>;
    // an image to a task; where there are few images, some filters of one
    const int at_once = block_of(g), group_blocks = (g.Kg + at_once - 1) / at_once,
              blocks = group_blocks * g.groups,
              parts = N >= 16           ? 1
                      : blocks < 16 / N ? blocks
                                        : 16 / N;
    parallel(threads, static_cast<long>(N) * parts, [&](long task, int thread) {
        const long n = task / parts, part = task % parts;
        float *phases = room + thread * thread_floats, *tile = phases + g.image;
        const float* image = x + n * g.C * pixels;
        split(g, image, phases);
        const bool careful = !tame_filters || !tame(image, g.C * pixels);
        for (long block = blocks * part / parts; block < blocks * (part + 1) / parts; block++) {
            const int group = block / group_blocks, k0 = block % group_blocks * at_once,
                      k = group * g.Kg + k0;
            (careful ? safe : fast)(g, phases + static_cast<long>(group) * g.Cg * g.channel,
                                    filters + static_cast<long>(k) * g.taps, bias ? bias + k : nullptr,
                                    g.Kg - k0 < at_once ? g.Kg - k0 : at_once, tile,
                                    y + (n * g.K + k) * g.P() * g.Q(),
                                    marks ? marks + (n * g.K + k) * g.padded : nullptr);
        }
    });
}
