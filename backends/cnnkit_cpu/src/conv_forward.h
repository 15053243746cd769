// Convolution, ReLU and pooling in one go: the full-size activation stays in registers.
#pragma once

#include "correlate.h"
#include "geometry.h"

constexpr int STOPPED = 255;  // a window's byte where ReLU stopped the maximum; otherwise the element that won

// With many taps it pays to keep the best so far in memory, and the registers for sums.
static bool wide(const Geometry& g) { return !g.pool || g.taps >= 64; }

// Filters at a time.
static int block_of(const Geometry& g) { return wide(g) ? FILTERS : POOLED_FILTERS; }

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

INLINE Floats positive(Floats v) { return choose(v <= Floats{}, Floats{}, v); }  // NaN stays

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
    uint8_t* bytes;  // for each place which element of the window won, or which are positive; may be null
    long apart;
};

struct Plain {
    static constexpr int block = FILTERS, vectors = VECTORS;

    template <int KB, int V>
    INLINE void run(const Geometry& g, const float* in, const float* weights, const float* bias, Out out) {
        Floats sum[KB][V];
        conv_sums<KB, V>(g, 0, in, weights, bias, sum);
        for (int k = 0; k < KB; k++)
            for (int v = 0; v < V; v++) store(out.y + k * out.apart + v * W, g.relu ? positive(sum[k][v]) : sum[k][v]);
    }
};

template <bool Wide, bool Careful>  // of NaN: the first one wins
struct Largest {
    static constexpr int block = Wide ? FILTERS : POOLED_FILTERS, vectors = Wide ? VECTORS : POOLED_VECTORS;

    template <int KB, int V>
    INLINE void run(const Geometry& g, const float* in, const float* weights, const float* bias, Out out) {
        Floats best[KB][V];
        Ints which[KB][V]{};
        conv_sums<KB, V>(g, 0, in, weights, bias, best);
        for (int window = 1; window < g.windows; window++) {
            Floats sum[KB][V];
            conv_sums<KB, V>(g, window, in, weights, bias, sum);
            for (int k = 0; k < KB; k++)
                for (int v = 0; v < V; v++) {
                    Ints larger = sum[k][v] > best[k][v];
                    if (Careful) larger |= (sum[k][v] != sum[k][v]) & (best[k][v] == best[k][v]);
                    best[k][v] = larger ? sum[k][v] : best[k][v];
                    which[k][v] = larger ? splat_int(window) : which[k][v];
                }
        }
        for (int k = 0; k < KB; k++)
            for (int v = 0; v < V; v++) {
                Ints stopped = g.relu ? best[k][v] <= Floats{} : Ints{};
                store(out.y + k * out.apart + v * W, choose(stopped, Floats{}, best[k][v]));
                if (out.bytes) store_bytes(out.bytes + k * out.apart + v * W, stopped ? splat_int(STOPPED) : which[k][v]);
            }
    }
};

template <bool Wide>
struct Average {
    static constexpr int block = Wide ? FILTERS : POOLED_FILTERS, vectors = Wide ? VECTORS : POOLED_VECTORS;

    template <int KB, int V>
    INLINE void run(const Geometry& g, const float* in, const float* weights, const float* bias, Out out) {
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
                if (out.bytes) store_bytes(out.bytes + k * out.apart + v * W, positives[k][v]);
            }
    }
};

// At most `most` vectors at a time, and no single one after them if that can be helped.
INLINE int share(int left, int most) { return left <= most ? left : left == most + 1 && most > 2 ? most - 1 : most; }

// One image and n filters of a group.
template <class Kind>
static void conv_filters(const Geometry& g, const float* in, const float* weights, const float* bias, int n, float* tile,
                         float* y, uint8_t* bytes) {
    constant<Kind::block>(n, [&](auto filters) {
        for (int place = 0; place < g.padded;) {
            const int take = share((g.padded - place) / W, Kind::vectors);
            constant<Kind::vectors>(take, [&](auto vectors) {
                Kind::template run<decltype(filters)::value, decltype(vectors)::value>(
                    g, in + place, weights, bias, Out{tile + place, bytes ? bytes + place : nullptr, g.padded});
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
static long filter_floats(const Geometry& g) { return (static_cast<long>(g.K) * g.taps + W - 1) / W * W + SLACK; }

// One number for each vector: the sum of its lanes.
static void add_lanes(long count, const float* vectors, float* sums) {
    for (long i = 0; i < count; i += W) {
        Floats part[W]{};
        const int some = count - i < W ? static_cast<int>(count - i) : W;
        for (int l = 0; l < some; l++) part[l] = load(vectors + (i + l) * W);
        const Floats all = totals<W>(part);
        std::memcpy(sums + i, &all, some * sizeof(float));
    }
}
