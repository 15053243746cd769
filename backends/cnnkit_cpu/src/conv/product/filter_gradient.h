// The filters' gradient with the channels last in memory, as a matrix product: for each tap and channel a sum
// over pixels of dy, in blocks of pixels that stay in the cache, by `outer` of multiply.h.
//
// Where the weights are few, a task takes some of the pixels and all weights, and what the tasks have found
// is added up; else a task takes some weights and all pixels.
#pragma once

#include "conv/filters_first.h"
#include "conv/product/correlations.h"
#include "interface.h"

constexpr int GRADIENT_CHANNELS = 32;  // of a task, where there are many weights
constexpr long FEW_WEIGHTS = 1 << 18;  // sums of one task that stay in the cache
constexpr int GRADIENT_PARTS = 8;      // tasks, where there are few weights
constexpr int GRADIENT_PIXELS = 512;   // in a block

struct Range {  // places of one axis whose tap lies in the image
    int first, end;
};
// 0 <= p * stride + offset < length
static Range places_in_image(int outputs, int stride, int offset, int length) {
    const int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride, past = length - offset;
    const int end = past <= 0 ? 0 : (past + stride - 1) / stride;
    return {first, end < outputs ? end : outputs};
}

struct FilterGradient {
    const ConvShape& g;
    // the taps of a row are read together, as in forward_passes; zeros are put around images
    bool joined, framed;
    Frame frame;
    int Kp, taps, depth, together, rows, downs, units, parts;
    long weights, image, result;

    FilterGradient(const ConvShape& shape, int N) : g(shape) {
        forward_passes(g, frame);
        joined = g.C < W && g.dilation_w == 1 && g.S > 1;
        framed = joined && frame.needed(g.H, g.W);
        Kp = round_up(g.K, W), taps = joined ? g.R : g.R * g.S, depth = joined ? g.S * g.C : g.C;
        weights = static_cast<long>(taps) * depth * Kp;
        image = framed ? frame.floats(g.C) : static_cast<long>(g.pixels()) * g.C,
        result = static_cast<long>(g.places()) * Kp;
        // small images are added up together, and large ones in parts
        together = g.places() >= 256 ? 1 : 256 / g.places();
        rows = g.places() <= GRADIENT_PIXELS ? g.P : (GRADIENT_PIXELS / g.Q > 1 ? GRADIENT_PIXELS / g.Q : 1);
        downs = (g.P + rows - 1) / rows, units = (N + together - 1) / together * downs;
        parts = weights > FEW_WEIGHTS ? 1 : units < GRADIENT_PARTS ? units : GRADIENT_PARTS;
    }

    long room(int N) const {
        return parts * weights + (Kp != g.K ? whole_lines(N * result) : 0) +
               (framed ? whole_lines(N * image) : 0) + 2 * LINE;
    }

    // Add to the sums of MR channels and NV vectors of filters. It is a function by itself for its registers,
    // as in multiply.h.
    template <int MR, int NV>
    __attribute__((noinline)) void add_block(const float* x, const float* dy, int n0, int n1, int p0, int p1,
                                             int count, int pitch, float* to) const {
        Floats sum[MR][NV];
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < NV; v++) sum[i][v] = load(to + static_cast<long>(i) * Kp + v * W);
        // rows that follow each other evenly, as those of a 1x1 convolution do, are one
        const int together = count == g.Q && g.stride_h * pitch == g.stride_w * g.Q ? p1 - p0 : 1;
        for (int n = n0; n < n1; n++)
            for (int p = p0; p < p1; p += together)
                outer<MR, NV>(x + n * image + static_cast<long>(p) * g.stride_h * pitch * g.C,
                              static_cast<long>(g.stride_w) * g.C,
                              dy + n * result + static_cast<long>(p) * g.Q * Kp, Kp, count * together, sum);
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < NV; v++) store(to + static_cast<long>(i) * Kp + v * W, sum[i][v]);
    }

    // Add to sums [channel][filter], from channel c0 to c1 of a tap, what the pixels of units u0 to u1 give.
    void add(int N, const float* x, const float* dy, int tap, int c0, int c1, long u0, long u1,
             float* sums) const {
        const int r = joined ? tap : tap / g.S, s = joined ? 0 : tap % g.S,
                  pitch = framed ? frame.columns : g.W;
        const int down = r * g.dilation_h - (framed ? 0 : g.top),
                  right = s * g.dilation_w - (framed ? 0 : g.left);
        const Range rows_seen = places_in_image(g.P, g.stride_h, down, framed ? frame.rows : g.H);
        const Range columns_seen = joined ? Range{0, g.Q} : places_in_image(g.Q, g.stride_w, right, g.W);
        for (long u = u0; u < u1; u++) {
            const int n0 = static_cast<int>(u / downs) * together, n1 = n0 + together < N ? n0 + together : N;
            const int row = static_cast<int>(u % downs) * rows,
                      p0 = row < rows_seen.first ? rows_seen.first : row;
            const int p1 = row + rows < rows_seen.end ? row + rows : rows_seen.end;
            const float* first_pixel = x + (static_cast<long>(columns_seen.first * g.stride_w + right) +
                                            static_cast<long>(down) * pitch) *
                                               g.C;
            for (int k0 = 0; k0 < Kp; k0 += PANEL)
                constant<COLUMNS>(vectors_of(Kp - k0), [&](auto vectors) {
                    // one vector leaves registers for twice as many channels
                    constexpr int MOST = decltype(vectors)::value == 1 ? 2 * ROWS : ROWS;
                    for (int c = c0; c < c1;) {
                        const int take = even_share(c1 - c, MOST);
                        constant<MOST>(take, [&](auto some) {
                            add_block<decltype(some)::value, decltype(vectors)::value>(
                                first_pixel + c, dy + static_cast<long>(columns_seen.first) * Kp + k0, n0, n1,
                                p0, p1, columns_seen.end - columns_seen.first, pitch,
                                sums + static_cast<long>(c - c0) * Kp + k0);
                        });
                        c += take;
                    }
                });
        }
    }
};

EXPORT long product_filter_gradient_room(const ConvShape* g, int N) { return FilterGradient(*g, N).room(N); }

EXPORT int product_filter_gradient(int threads, const ConvShape* shape, int N, const float* x,
                                   const float* dy, float* dweight, float* room) {
    const ConvShape& g = *shape;
    const FilterGradient work(g, N);
    const int Kp = work.Kp, area = g.R * g.S;
    float* sums = room;  // [part][tap][c][k]
    room += work.parts * work.weights;
    if (Kp != g.K) {  // whole vectors for each pixel
        parallel(threads, N, [&](long n, int) {
            for (int i = 0; i < g.places(); i++) {
                float* to = room + n * work.result + static_cast<long>(i) * Kp;
                const float* from = dy + (n * g.places() + i) * g.K;
                for (int k = 0; k < Kp; k += W) store(to + k, load_up_to(from + k, g.K - k));
            }
        });
        dy = room;
        room += whole_lines(N * work.result);
    }
    if (work.framed) {
        parallel(threads, N, [&](long n, int) {
            std::memset(room + n * work.image, 0, work.image * sizeof(float));
            work.frame.fill(x + n * g.pixels() * g.C, g.H, g.W, g.C, room + n * work.image);
        });
        x = room;
    }
    if (work.parts > 1) {
        parallel(threads, work.parts, [&](long part, int) {
            float* to = sums + part * work.weights;
            std::memset(to, 0, work.weights * sizeof(float));
            const long end = static_cast<long>(work.units) * (part + 1) / work.parts;
            for (long u = static_cast<long>(work.units) * part / work.parts; u < end; u++)
                for (int tap = 0; tap < work.taps; tap++)
                    work.add(N, x, dy, tap, 0, work.depth, u, u + 1,
                             to + static_cast<long>(tap) * work.depth * Kp);
        });
    } else {
        const int blocks = (work.depth + GRADIENT_CHANNELS - 1) / GRADIENT_CHANNELS;
        parallel(threads, static_cast<long>(work.taps) * blocks, [&](long task, int) {
            const int tap = static_cast<int>(task / blocks),
                      c0 = static_cast<int>(task % blocks) * GRADIENT_CHANNELS;
            const int c1 = c0 + GRADIENT_CHANNELS < work.depth ? c0 + GRADIENT_CHANNELS : work.depth;
            float* to = sums + (static_cast<long>(tap) * work.depth + c0) * Kp;
            std::memset(to, 0, static_cast<size_t>(c1 - c0) * Kp * sizeof(float));
            work.add(N, x, dy, tap, c0, c1, 0, work.units, to);
        });
    }
    std::atomic<bool> bad{false};
    parallel(threads, static_cast<long>(area) * g.C, [&](long row, int) {  // [tap][c]
        float* to = sums + row * Kp;
        Floats finite{};
        for (int k = 0; k < Kp; k += W) {
            Floats sum = load(to + k);
            for (int part = 1; part < work.parts; part++) sum += load(to + part * work.weights + k);
            store(to + k, sum);
            finite += sum * splat(0.0f);
        }
        if (!all_zero(finite)) bad = true;
    });
    const long weights = static_cast<long>(g.C) * area;
    parallel(threads, (g.K + PANEL - 1) / PANEL, [&](long number, int) {
        const int k0 = static_cast<int>(number) * PANEL, filters = g.K - k0 < PANEL ? g.K - k0 : PANEL;
        const auto row = [&](long f) { return sums + (f % area * g.C + f / area) * Kp + k0; };
        Floats finite{};
        filters_first(filters, weights, row, dweight + k0 * weights, weights, finite);
    });
    return !bad;
}
