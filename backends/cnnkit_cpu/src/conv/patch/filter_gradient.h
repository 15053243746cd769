// The filters' gradient of a convolution by patches: vectors of places select, for each window, the pixels
// that its largest element was made of. Three quarters of the products would be by zero, and are not made.
// Measured, 8 -> 16 channels on 16x16: both gradients in 12 us an image, where all 36 products took 22. For
// images of up to three channels; sparse_gradients.h serves more.
#pragma once

#include "conv/patch/forward.h"
#include "conv/patch/output_gradient.h"

// Filters and rows of a filter at a time: KB * RB * S sums, a row of a patch or two, and the gradients fit
// the registers.
template <bool Max, int S>
struct PatchBlock {
    static constexpr int filters = REGISTERS == 32 && Max ? 2 : 1, rows = REGISTERS == 32 && S == 3 ? S : 1;
};

// sums[k][row][column], vectors, S * S * W * channels floats from one filter to the next, for rows r to r +
// RB.
template <bool Max, int S, int KB, int RB>
INLINE void patch_dots(const Patches& p, const float* in, const float* d, const int32_t* which, int r,
                       float* sums, long apart) {
    Floats sum[KB][RB][S];
    for (int k = 0; k < KB; k++)
        for (int t = 0; t < RB * S; t++) sum[k][t / S][t % S] = load(sums + k * apart + t * W);
    for (int place = 0; place < p.padded; place += W) {
        const auto row = [&](int i, Floats(&x)[S + 1]) {
            const float* at = in + i % 2 * (S + 1) * p.plane + i / 2 * p.Q + place;
            for (int j = 0; j <= S; j++) x[j] = load(at + j * p.plane);
        };
        if constexpr (Max) {
            Floats gradient[KB][2];  // where the largest is in the window's upper row, and in its lower one
            Ints right[KB];
            for (int k = 0; k < KB; k++) {
                const Ints element = load_ints(which + k * p.padded + place),
                           down = (element & splat_int(2)) != Ints{};
                const Floats one = load(d + k * p.padded + place);
                gradient[k][0] = choose(down, Floats{}, one), gradient[k][1] = choose(down, one, Floats{});
                right[k] = (element & splat_int(1)) != Ints{};
            }
            // Selecting columns by blends and rows by zeros: a row of the patch is in registers once (5x5: a
            // fifth less time).
#pragma GCC unroll 4
            for (int i = 0; i <= RB; i++) {
                Floats x[S + 1];
                row(r + i, x);
                for (int k = 0; k < KB; k++)
                    for (int s = 0; s < S; s++) {
                        const Floats pixel = choose(right[k], x[s + 1], x[s]);
                        if (i < RB) sum[k][i < RB ? i : 0][s] += pixel * gradient[k][0];
                        if (i > 0) sum[k][i > 0 ? i - 1 : 0][s] += pixel * gradient[k][1];
                    }
            }
        } else {
            Floats upper[S + 1], lower[S + 1];
            row(r, upper);
            Floats gradient[KB][4];
            for (int k = 0; k < KB; k++) {
                const Ints bits = load_ints(which + k * p.padded + place);
                const Floats one = load(d + k * p.padded + place);
                for (int w = 0; w < 4; w++)
                    gradient[k][w] = choose((bits & splat_int(1 << w)) != Ints{}, one, Floats{});
            }
#pragma GCC unroll 4
            for (int i = 0; i < RB; i++) {
                row(r + i + 1, lower);
                for (int k = 0; k < KB; k++)
                    for (int s = 0; s < S; s++) {
                        sum[k][i][s] += upper[s] * gradient[k][0];
                        sum[k][i][s] += upper[s + 1] * gradient[k][1];
                        sum[k][i][s] += lower[s] * gradient[k][2];
                        sum[k][i][s] += lower[s + 1] * gradient[k][3];
                    }
                for (int j = 0; j <= S; j++) upper[j] = lower[j];
            }
        }
    }
    for (int k = 0; k < KB; k++)
        for (int t = 0; t < RB * S; t++) store(sums + k * apart + t * W, sum[k][t / S][t % S]);
}

// Add one image's to `sums`, a vector for each weight: its lanes are added up once for a chunk of images.
template <bool Max, int S>
static void patch_filter_gradients(const Geometry& g, const Patches& p, const float* planes, const float* d,
                                   const int32_t* which, float* sums, const float* next) {
    using Block = PatchBlock<Max, S>;
    const long apart = static_cast<long>(g.taps) * W;
    const int steps = g.C * ((g.Kg + Block::filters - 1) / Block::filters);
    Ahead ahead{next, round_up((g.C * g.h.length * g.w.length + steps - 1) / steps, 16)};
    for (int channel = 0; channel < g.C; channel++) {
        const int group = channel / g.Cg;
        for (int k = group * g.Kg; k < (group + 1) * g.Kg;) {
            const int left = (group + 1) * g.Kg - k, take = left < Block::filters ? left : Block::filters;
            ahead.fetch();
            float* to = sums + k * apart + static_cast<long>(channel % g.Cg) * S * S * W;
            constant<Block::filters>(take, [&](auto filters) {
                for (int r = 0; r < S; r += Block::rows)
                    patch_dots<Max, S, decltype(filters)::value, Block::rows>(
                        p, planes + static_cast<long>(channel) * p.channel,
                        d + static_cast<long>(k) * p.padded, which + static_cast<long>(k) * p.padded, r,
                        to + r * S * W, apart);
            });
            k += take;
        }
    }
}

// The same one number after the other, where the image holds NaN, infinity or very large numbers: products by
// 0 count.
static void patch_filter_gradients_carefully(const Geometry& g, const Patches& p, const float* planes,
                                             const float* d, const int32_t* which, float* sums,
                                             const float*) {
    for (int k = 0; k < g.K; k++)
        for (int t = 0; t < g.taps; t++) {
            const int c = k / g.Kg * g.Cg + t / (p.R * p.S), r = t / p.S % p.R, s = t % p.S;
            float sum = 0;
            for (int w = 0; w < 4; w++) {
                const int i = r + w / 2, j = s + w % 2;
                const float* x = planes + static_cast<long>(c) * p.channel +
                                 (i % 2 * (p.S + 1) + j) * p.plane + i / 2 * p.Q;
                for (int place = 0; place < p.places; place++)
                    sum += x[place] * patch_part(g.pool == MAX_POOL, d[k * p.padded + place],
                                                 which[k * p.padded + place], w);
            }
            sums[(static_cast<long>(k) * g.taps + t) * W] += sum;
        }
}
