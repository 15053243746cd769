// The gradients of patch.h.
#pragma once

#include "patch.h"

// dy of one image as `d`, 0 where nothing won, and `which`: the window's element that won, or the bits of those that are
// positive; both [k][padded]. Adds up the bias. Nothing is read from `end` on.
template <bool Max>
static void patch_gradient(const Geometry& g, const Patches& p, const float* dy, const float* end, const uint8_t* bytes, float* d,
                           int32_t* which, float* bias) {
    Ints lanes;
    for (int l = 0; l < W; l++) lanes[l] = l;
    for (int k = 0; k < g.K; k++, dy += p.places, bytes += p.padded, d += p.padded, which += p.padded) {
        Floats sum = load(bias + k * W);
        for (int i = 0; i < p.places; i += W) {
            Floats v = dy + i + W <= end ? load(dy + i) : load_part(dy + i, p.places - i);
            if (i + W > p.places) v = choose(lanes < splat_int(p.places - i), v, Floats{});
            const Ints byte = load_bytes(bytes + i);
            if constexpr (Max) {
                v = choose(byte == splat_int(STOPPED), Floats{}, v);
                sum += v;
            } else {
                v *= splat(0.25f);
                for (int w = 0; w < 4; w++) sum += choose((byte & splat_int(1 << w)) != Ints{}, v, Floats{});
            }
            store(d + i, v);
            *reinterpret_cast<AnyInts*>(which + i) = byte;
        }
        store(bias + k * W, sum);
    }
}

INLINE Ints load_ints(const int32_t* p) { return *reinterpret_cast<const AnyInts*>(p); }

// Filters and rows of a filter at a time: KB * RB * S sums, a row of a patch or two, and the gradients fit the registers.
template <bool Max, int S>
struct PatchBlock {
    static constexpr int filters = REGISTERS == 32 && Max ? 2 : 1, rows = REGISTERS == 32 && S == 3 ? S : 1;
};

// sums[k][row][column], vectors, S * S * W * channels floats from one filter to the next, for rows r to r + RB.
template <bool Max, int S, int KB, int RB>
INLINE void patch_dots(const Patches& p, const float* in, const float* d, const int32_t* which, int r, float* sums, long apart) {
    Floats sum[KB][RB][S];
    for (int k = 0; k < KB; k++)
        for (int t = 0; t < RB * S; t++) sum[k][t / S][t % S] = load(sums + k * apart + t * W);
    for (int place = 0; place < p.padded; place += W) {
        const auto row = [&](int i, Floats(&x)[S + 1]) {
            const float* at = in + i % 2 * (S + 1) * p.plane + i / 2 * p.Q + place;
            for (int j = 0; j <= S; j++) x[j] = load(at + j * p.plane);
        };
        if constexpr (Max) {
            Floats gradient[KB][2];  // where the window's upper row won, and where its lower one
            Ints right[KB];
            for (int k = 0; k < KB; k++) {
                const Ints won = load_ints(which + k * p.padded + place), down = (won & splat_int(2)) != Ints{};
                const Floats one = load(d + k * p.padded + place);
                gradient[k][0] = choose(down, Floats{}, one), gradient[k][1] = choose(down, one, Floats{});
                right[k] = (won & splat_int(1)) != Ints{};
            }
            // Selecting columns by blends and rows by zeros: a row of the patch is in registers once (5x5: a fifth less time).
#pragma GCC unroll 4
            for (int i = 0; i <= RB; i++) {
                Floats x[S + 1];
                row(r + i, x);
                for (int k = 0; k < KB; k++)
                    for (int s = 0; s < S; s++) {
                        const Floats won = choose(right[k], x[s + 1], x[s]);
                        if (i < RB) sum[k][i < RB ? i : 0][s] += won * gradient[k][0];
                        if (i > 0) sum[k][i > 0 ? i - 1 : 0][s] += won * gradient[k][1];
                    }
            }
        } else {
            Floats upper[S + 1], lower[S + 1];
            row(r, upper);
            Floats gradient[KB][4];
            for (int k = 0; k < KB; k++) {
                const Ints bits = load_ints(which + k * p.padded + place);
                const Floats one = load(d + k * p.padded + place);
                for (int w = 0; w < 4; w++) gradient[k][w] = choose((bits & splat_int(1 << w)) != Ints{}, one, Floats{});
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
static void patch_filter_gradients(const Geometry& g, const Patches& p, const float* planes, const float* d, const int32_t* which,
                                   float* sums, const float* next) {
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
                        p, planes + static_cast<long>(channel) * p.channel, d + static_cast<long>(k) * p.padded,
                        which + static_cast<long>(k) * p.padded, r, to + r * S * W, apart);
            });
            k += take;
        }
    }
}

// Element w of window `place`: its gradient.
INLINE float patch_part(bool max, float d, int32_t which, int w) { return max ? which == w ? d : 0.0f : which >> w & 1 ? d : 0.0f; }

// The same one number after the other, where the image holds NaN, infinity or very large numbers: products by 0 count.
static void patch_filter_gradients_carefully(const Geometry& g, const Patches& p, const float* planes, const float* d,
                                             const int32_t* which, float* sums, const float*) {
    for (int k = 0; k < g.K; k++)
        for (int t = 0; t < g.taps; t++) {
            const int c = k / g.Kg * g.Cg + t / (p.R * p.S), r = t / p.S % p.R, s = t % p.S;
            float sum = 0;
            for (int w = 0; w < 4; w++) {
                const int i = r + w / 2, j = s + w % 2;
                const float* x = planes + static_cast<long>(c) * p.channel + (i % 2 * (p.S + 1) + j) * p.plane + i / 2 * p.Q;
                for (int place = 0; place < p.places; place++)
                    sum += x[place] * patch_part(g.pool == MAX_POOL, d[k * p.padded + place], which[k * p.padded + place], w);
            }
            sums[(static_cast<long>(k) * g.taps + t) * W] += sum;
        }
}

// -- the image's gradient ---------------------------------------------------------------------------------------------

// Channels at a time: four sums each, one for each parity of row and column; and a table of four weights each in one vector.
constexpr int PATCH_CHANNELS = W >= 8 ? W / 4 : 2;
constexpr int TABLE = 4 * PATCH_CHANNELS;

// Rows of tables: for maxima those of the patch, in which the window's element chooses one of four weights; for averages
// those of the filter, in which two bits choose a sum of two weights.
static int table_rows(const Geometry& g, const Patches& p) { return g.pool == MAX_POOL ? p.R + 1 : p.R; }
static int table_blocks(const Geometry& g) { return (g.Cg + PATCH_CHANNELS - 1) / PATCH_CHANNELS; }
static long table_floats(const Geometry& g, const Patches& p) {
    return static_cast<long>(g.K) * table_blocks(g) * table_rows(g, p) * (p.S + 1) * TABLE;
}

// The weights as patch_input_gradient reads them: [group][block of PATCH_CHANNELS][k][row][column of the patch][c][4].
static void pack_tables(const Geometry& g, const Patches& p, const float* weight, float* to) {
    std::memset(to, 0, table_floats(g, p) * sizeof(float));
    for (int group = 0; group < g.groups; group++)
        for (int c0 = 0; c0 < g.Cg; c0 += PATCH_CHANNELS)
            for (int k = group * g.Kg; k < (group + 1) * g.Kg; k++)
                for (int i = 0; i < table_rows(g, p); i++)
                    for (int j = 0; j <= p.S; j++, to += TABLE)
                        for (int c = c0; c < g.Cg && c < c0 + PATCH_CHANNELS; c++) {
                            const float* from = weight + static_cast<long>(k) * g.taps + c * p.R * p.S;
                            const auto at = [&](int r, int s) {
                                return r < 0 || r >= p.R || s < 0 || s >= p.S ? 0.0f : from[r * p.S + s];
                            };
                            float* four = to + (c - c0) * 4;
                            if (g.pool == MAX_POOL)
                                for (int w = 0; w < 4; w++) four[w] = at(i - w / 2, j - w % 2);
                            else
                                four[1] = at(i, j), four[2] = at(i, j - 1), four[3] = at(i, j) + at(i, j - 1);
                        }
}

// For each lane one of the four numbers of channel c, by the lane's two lowest bits.
INLINE Floats pick(const float* table, int c, Ints which) {
#if defined(__AVX2__)
    return __builtin_shuffle(load(table), which + splat_int(4 * c));
#else
    const float* four = table + 4 * c;
    const Ints odd = (which & splat_int(1)) != Ints{}, upper = (which & splat_int(2)) != Ints{};
    return choose(upper, choose(odd, splat(four[3]), splat(four[2])), choose(odd, splat(four[1]), splat(four[0])));
#endif
}

// d and which of all filters, [k][shift][rows with zeros above and below]: what column j of the patch reads begins at one
// place for all pixels of a parity. `to` and `numbers` are zero at first.
static void shift_gradient(const Geometry& g, const Patches& p, const float* d, const int32_t* which, float* to, int32_t* numbers) {
    Ints lanes;
    for (int l = 0; l < W; l++) lanes[l] = l;
    for (long k = 0; k < g.K; k++)
        for (int n = 0; n < p.shifts; n++) {
            const int shift = p.low + n;
            float* at = to + (k * p.shifts + n) * p.spread + p.top * p.wide;
            int32_t* number = numbers + (k * p.shifts + n) * p.spread + p.top * p.wide;
            for (int b = (p.wide - 1) / W * W; b >= 0; b -= W) {  // what is written beyond a row is 0, or overwritten after it
                if (b + shift >= p.Q) continue;
                const Ints column = lanes + splat_int(b), source = column + splat_int(shift);
                const Ints inside = (source >= Ints{}) & (source < splat_int(p.Q)) & (column < splat_int(p.wide));
                const long from = k * p.padded + b + shift;
                for (int row = 0; row < p.P; row++) {
                    store(at + row * p.wide + b, choose(inside, load(d + from + row * p.Q), Floats{}));
                    *reinterpret_cast<AnyInts*>(number + row * p.wide + b) = load_ints(which + from + row * p.Q);
                }
            }
        }
}

// One image's gradient, from what shift_gradient made.
template <bool Max, int S>
static void patch_input_gradient(const Geometry& g, const Patches& p, const float* d, const int32_t* which, const float* tables,
                                 float* tile, float* dx) {
    constexpr int R = S, ROWS = Max ? R + 1 : R;
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int cells = p.high * p.wide, length = round_up(2 * cells, 2 * W), H = g.h.length, width = g.w.length;
    for (int group = 0; group < g.groups; group++)
        for (int c0 = 0; c0 < g.Cg; c0 += PATCH_CHANNELS) {
            const int n = g.Cg - c0 < PATCH_CHANNELS ? g.Cg - c0 : PATCH_CHANNELS;
            const float* own = tables + (static_cast<long>(group) * table_blocks(g) + c0 / PATCH_CHANNELS) * g.Kg * ROWS * (S + 1) * TABLE;
            constant<PATCH_CHANNELS>(n, [&](auto channels) {
                constexpr int CB = decltype(channels)::value;
                for (int cell = 0; cell < cells; cell += W) {
                    Floats sum[CB][2][2]{};
                    const float* table = own;
                    for (int k = group * g.Kg; k < (group + 1) * g.Kg; k++) {
                        const long start = static_cast<long>(k) * p.shifts * p.spread + cell;
                        // row i of the patch, its tables, and by what bits they are read
                        const auto add = [&](int i, const float* from, int bit) {
#pragma GCC unroll 6
                            for (int j = 0; j <= S; j++) {
                                const long at = start + (p.right[j % 2] - j / 2 - p.low) * p.spread +
                                                (p.top + p.down[i % 2] - i / 2) * p.wide;
                                const Floats gradient = load(d + at);
                                Ints number = load_ints(which + at);
                                if constexpr (!Max) number = (number >> bit) & splat_int(3);
                                for (int c = 0; c < CB; c++)
                                    sum[c][i % 2][j % 2] += pick(from + j * TABLE, c, number) * gradient;
                            }
                        };
#pragma GCC unroll 6
                        for (int i = 0; i < ROWS; i++, table += (S + 1) * TABLE) {
                            if constexpr (Max)
                                add(i, table, 0);
                            else
                                add(i, table, 0), add(i + 1, table, 2);
                        }
                    }
                    for (int c = 0; c < CB; c++)
                        for (int t = 0; t < 2; t++) {
                            float* at = tile + (2 * c + t) * length + 2 * cell;
                            const bool odd = g.w.before % 2;  // is the first pixel in an odd column of the frame?
                            const Floats a = odd ? sum[c][t][1] : sum[c][t][0], b = odd ? sum[c][t][0] : sum[c][t][1];
                            store(at, by_turns(a, b, lanes, 0));
                            store(at + W, by_turns(a, b, lanes, 1));
                        }
                }
            });
            for (int c = 0; c < n; c++)
                for (int y = 0; y < H; y++)
                    copy_row(tile + (2 * c + (y + g.h.before) % 2) * length + y / 2 * 2 * p.wide,
                             dx + (static_cast<long>(group * g.Cg + c0 + c) * H + y) * width, width);
        }
}

// The same one number after the other, where weights or gradients are NaN, infinite or very large.
static void patch_input_gradient_carefully(const Geometry& g, const Patches& p, const float* d, const int32_t* which,
                                           const float* weight, float* dx) {
    const int H = g.h.length, width = g.w.length;
    std::memset(dx, 0, static_cast<long>(g.C) * H * width * sizeof(float));
    for (int k = 0; k < g.K; k++)
        for (int t = 0; t < g.taps; t++)
            for (int w = 0; w < 4; w++)
                for (int place = 0; place < p.places; place++) {
                    const int y = 2 * (place / p.Q) + w / 2 + t / p.S % p.R - g.h.before;
                    const int x = 2 * (place % p.Q) + w % 2 + t % p.S - g.w.before;
                    if (y < 0 || y >= H || x < 0 || x >= width) continue;
                    const long c = k / g.Kg * g.Cg + t / (p.R * p.S);
                    dx[(c * H + y) * width + x] +=
                        weight[static_cast<long>(k) * g.taps + t] *
                        patch_part(g.pool == MAX_POOL, d[k * p.padded + place], which[k * p.padded + place], w);
                }
}

// Of each thread: planes, d and which, and for the image's gradient both shifted and a tile; then a vector for each weight.
static long patch_backward_zeros(const Geometry& g, const Patches& p, bool all) {
    return p.frame + p.image + 2L * g.K * p.padded + 2 * SLACK + (all ? 2L * g.K * p.shifts * p.spread + SLACK : 0);
}
static long patch_backward_own(const Geometry& g, const Patches& p, bool all) {
    return patch_backward_zeros(g, p, all) + (all ? 2L * PATCH_CHANNELS * (round_up(2 * p.high * p.wide, 2 * W)) : 0) +
           round_up(g.K * g.taps, W) * W;
}

// The sums of one chunk of images, from n0 to n1: for each weight one, then for each filter a vector.
template <int S>
static void patch_chunk(const Geometry& g, const Patches& p, long n0, long n1, const float* x, const float* weight,
                        const uint8_t* bytes, const float* dy, const float* end, const float* tables, bool tame_weight,
                        float* dx, bool filters, float* own, float* sums) {
    const long pixels = static_cast<long>(g.h.length) * g.w.length, weights = static_cast<long>(g.K) * g.taps;
    const bool max = g.pool == MAX_POOL;
    float *planes = own + p.frame, *d = planes + p.image + SLACK, *bias = sums + weights;
    int32_t* which = reinterpret_cast<int32_t*>(d + static_cast<long>(g.K) * p.padded + SLACK / 2);
    float* shifted = own + p.frame + p.image + 2L * g.K * p.padded + 2 * SLACK;
    int32_t* numbers = reinterpret_cast<int32_t*>(shifted + static_cast<long>(g.K) * p.shifts * p.spread);
    float* tile = own + patch_backward_zeros(g, p, dx);
    float* vectors = tile + (dx ? 2L * PATCH_CHANNELS * round_up(2 * p.high * p.wide, 2 * W) : 0);
    if (filters) std::memset(vectors, 0, weights * W * sizeof(float));
    for (long n = n0; n < n1; n++) {
        const float *image = filters ? x + n * g.C * pixels : nullptr, *gradient = dy + n * g.K * p.places;
        (max ? patch_gradient<true> : patch_gradient<false>)(g, p, gradient, end, bytes + n * g.K * p.padded, d, which, bias);
        if (filters) {
            split_patches(g, p, image, own, planes);
            (!tame(image, g.C * pixels) ? patch_filter_gradients_carefully
             : max                      ? patch_filter_gradients<true, S>
                                        : patch_filter_gradients<false, S>)(g, p, planes, d, which, vectors,
                                                                            n + 1 < n1 ? image + g.C * pixels : nullptr);
        }
        if (!dx) continue;
        float* out = dx + n * g.C * pixels;
        if (tame_weight && tame(gradient, static_cast<long>(g.K) * p.places)) {
            shift_gradient(g, p, d, which, shifted, numbers);
            (max ? patch_input_gradient<true, S> : patch_input_gradient<false, S>)(g, p, shifted, numbers, tables, tile, out);
        } else {
            patch_input_gradient_carefully(g, p, d, which, weight, out);
        }
    }
    if (filters) add_lanes(weights, vectors, sums);
}
