// The input's gradient of the flat loop, by `correlate` of correlate.h: each phase of the image's gradient is
// a correlation of the output's spread gradient with the filters that reach it.
#pragma once

#include "conv/flat/spread.h"

// The weights in the order in which the input's gradient reads them: [group][phase][block of FILTERS
// channels][tap][c].
static void pack_back(const Geometry& g, const float* weight, float* to) {
    const int area = g.h.kernel * g.w.kernel;
    for (int group = 0; group < g.groups; group++)
        for (const Geometry::Back& back : g.back)
            for (int c0 = 0; c0 < g.Cg; c0 += FILTERS) {
                const int n = g.Cg - c0 < FILTERS ? g.Cg - c0 : FILTERS;
                for (int at : back.weight)
                    for (int c = c0; c < c0 + n; c++)
                        *to++ = weight[static_cast<long>(group) * g.Kg * g.taps + at + c * area];
            }
}

// One image's gradient, from its spread dy.
static void input_gradient(const Geometry& g, const float* spread, const float* packed, float* tile,
                           float* dx) {
    for (int group = 0; group < g.groups; group++) {
        const float* in = spread + static_cast<long>(group) * g.Kg * g.spread;
        for (int c0 = 0; c0 < g.Cg; c0 += FILTERS) {
            const int n = g.Cg - c0 < FILTERS ? g.Cg - c0 : FILTERS;
            const float* weights = packed + static_cast<long>(group) * g.Kg * g.windows * g.taps;
            for (int phase = 0; phase < g.phases; phase++) {
                const Geometry::Back& back = g.back[phase];
                const int taps = static_cast<int>(back.offset.size());
                const float* of_channels = weights + static_cast<long>(c0) * taps;
                constant<FILTERS>(n, [&](auto channels) {
                    constexpr int CB = decltype(channels)::value;
                    for (int place = back.first; place < back.end;) {
                        const int take = share_without_single((back.end - place + W - 1) / W, VECTORS);
                        constant<VECTORS>(take, [&](auto vectors) {
                            constexpr int V = decltype(vectors)::value;
                            Floats sum[CB][V]{};
                            correlate<CB, V>(in + place, back.offset.data(), of_channels, taps, sum);
                            for (int c = 0; c < CB; c++)
                                for (int v = 0; v < V; v++) {
                                    float* at = tile + static_cast<long>(c) * (g.channel + SLACK) +
                                                phase * g.plane + place + v * W;
                                    store(at, sum[c][v]);
                                }
                        });
                        place += take * W;
                    }
                });
                weights += static_cast<long>(g.Cg) * taps;
            }
            for (int c = 0; c < n; c++)
                join(g, tile + static_cast<long>(c) * (g.channel + SLACK),
                     dx + static_cast<long>(group * g.Cg + c0 + c) * g.h.length * g.w.length);
        }
    }
}

// The same one number after the other, where weights are NaN, infinite or very large.
static void input_gradient_carefully(const Geometry& g, const float* spread, const float* weight, float* tile,
                                     float* dx) {
    const int area = g.h.kernel * g.w.kernel;
    for (int channel = 0; channel < g.C; channel++) {
        const int group = channel / g.Cg;
        std::memset(tile, 0, g.channel * sizeof(float));
        for (int k = group * g.Kg; k < (group + 1) * g.Kg; k++)
            for (int window = 0; window < g.windows; window++)
                for (int t = 0; t < area; t++) {
                    float by = weight[static_cast<long>(k) * g.taps + (channel % g.Cg) * area + t];
                    float* at = tile + g.offsets[static_cast<long>(window) * g.taps + t];
                    const float* d = spread + (static_cast<long>(window) * g.K + k) * g.spread + g.margin;
                    for (int p = 0; p < g.P(); p++)
                        for (int q = 0; q < g.Q(); q++) at[p * g.pitch + q] += by * d[p * g.pitch + q];
                }
        join(g, tile, dx + static_cast<long>(channel) * g.h.length * g.w.length);
    }
}
