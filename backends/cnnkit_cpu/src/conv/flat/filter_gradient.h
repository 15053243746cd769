// The filters' gradient of the flat loop, by `dots` of correlate.h: sums over places of the image's phases
// times the output's spread gradient.
#pragma once

#include "conv/flat/spread.h"
#include "core/lane_sums.h"

// Whether a chunk's sums stay vectors until its end: adding up lanes for each image costs as much as small
// maps themselves.
static bool few_weights(const Geometry& g) { return static_cast<long>(g.K) * g.taps <= 1 << 14; }

// Add one image's sums for `filters` filters, whose spread gradients lie `g.spread` apart, and those of a
// window `apart`: to vectors of sums with `Vectors`, else to sums.
template <bool Vectors>
static void filter_gradients(const Geometry& g, const float* in, const float* spread, long apart, int filters,
                             float* sums) {
    for (int t = 0; t < g.taps; t += DOT_TAPS) {
        const int taps = g.taps - t < DOT_TAPS ? g.taps - t : DOT_TAPS;
        constant<DOT_FILTERS>(filters, [&](auto f) {
            constant<DOT_TAPS>(taps, [&](auto n) {
                constexpr int KB = decltype(f)::value, TB = decltype(n)::value;
                Floats sum[KB][TB]{};
                if constexpr (Vectors)
                    for (int k = 0; k < KB; k++)
                        for (int i = 0; i < TB; i++)
                            sum[k][i] = load(sums + (static_cast<long>(k) * g.taps + t + i) * W);
                for (int window = 0; window < g.windows; window++)
                    dots<KB, TB>(in, g.offsets.data() + static_cast<long>(window) * g.taps + t,
                                 spread + window * apart + g.margin, g.spread, g.padded / W, sum);
                if constexpr (Vectors) {
                    for (int k = 0; k < KB; k++)
                        for (int i = 0; i < TB; i++)
                            store(sums + (static_cast<long>(k) * g.taps + t + i) * W, sum[k][i]);
                    return;
                }
                for (int k = 0; k < KB; k++)
                    for (int i = 0; i < TB; i += W)
                        add_totals(TB - i < W ? TB - i : W, sum[k] + i,
                                   sums + static_cast<long>(k) * g.taps + t + i);
            });
        });
    }
}

// The same one number after the other, where the image holds NaN, infinity or very large numbers: between the
// rows `dots` multiplies them by 0, which would make NaN of what no filter sees.
template <bool Vectors>
static void filter_gradients_carefully(const Geometry& g, const float* in, const float* spread, long apart,
                                       int filters, float* sums) {
    for (int k = 0; k < filters; k++)
        for (int t = 0; t < g.taps; t++)
            for (int window = 0; window < g.windows; window++) {
                const float* x = in + g.offsets[static_cast<long>(window) * g.taps + t];
                const float* d = spread + window * apart + static_cast<long>(k) * g.spread + g.margin;
                for (int p = 0; p < g.P(); p++)
                    for (int q = 0; q < g.Q(); q++)
                        sums[(static_cast<long>(k) * g.taps + t) * (Vectors ? W : 1)] += x[p * g.pitch + q] *
                                                                                         d[p * g.pitch + q];
            }
}
