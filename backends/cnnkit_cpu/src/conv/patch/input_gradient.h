// The input's gradient of a convolution by patches: vectors of places look up, in tables of four, the weight
// by which each pixel went into its window's largest element. For images of up to three channels;
// sparse_gradients.h serves more.
#pragma once

#include "conv/patch/output_gradient.h"

// Channels at a time: four sums each, one for each parity of row and column; and a table of four weights each
// in one vector.
constexpr int PATCH_CHANNELS = W >= 8 ? W / 4 : 2;
constexpr int TABLE = 4 * PATCH_CHANNELS;

// Rows of tables: for maxima those of the patch, in which the window's element chooses one of four weights;
// for averages those of the filter, in which two bits choose a sum of two weights.
static int table_rows(const Geometry& g, const Patches& p) { return g.pool == MAX_POOL ? p.R + 1 : p.R; }
static int table_blocks(const Geometry& g) { return (g.Cg + PATCH_CHANNELS - 1) / PATCH_CHANNELS; }
static long table_floats(const Geometry& g, const Patches& p) {
    return static_cast<long>(g.K) * table_blocks(g) * table_rows(g, p) * (p.S + 1) * TABLE;
}

// The weights as patch_input_gradient reads them: [group][block of PATCH_CHANNELS][k][row][column of the
// patch][c][4].
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
#if defined(__AVX512F__)
    return _mm512_permutexvar_ps(reinterpret_cast<__m512i>(which + splat_int(4 * c)), load(table));
#elif defined(__AVX2__)
    return _mm256_permutevar8x32_ps(load(table), reinterpret_cast<__m256i>(which + splat_int(4 * c)));
#else
    const float* four = table + 4 * c;
    const Ints odd = (which & splat_int(1)) != Ints{}, upper = (which & splat_int(2)) != Ints{};
    return choose(upper, choose(odd, splat(four[3]), splat(four[2])),
                  choose(odd, splat(four[1]), splat(four[0])));
#endif
}

// d and which of all filters, [k][shift][rows with zeros above and below]: what column j of the patch reads
// begins at one place for all pixels of a parity. `to` and `numbers` are zero at first.
static void shift_gradient(const Geometry& g, const Patches& p, const float* d, const int32_t* which,
                           float* to, int32_t* numbers) {
    Ints lanes;
    for (int l = 0; l < W; l++) lanes[l] = l;
    for (long k = 0; k < g.K; k++)
        for (int n = 0; n < p.shifts; n++) {
            const int shift = p.low + n;
            float* at = to + (k * p.shifts + n) * p.spread + p.top * p.half_columns;
            int32_t* number = numbers + (k * p.shifts + n) * p.spread + p.top * p.half_columns;
            // what is written beyond a row is 0, or overwritten after it
            for (int b = (p.half_columns - 1) / W * W; b >= 0; b -= W) {
                if (b + shift >= p.Q) continue;
                const Ints column = lanes + splat_int(b), source = column + splat_int(shift);
                const Ints inside = (source >= Ints{}) & (source < splat_int(p.Q)) &
                                    (column < splat_int(p.half_columns));
                const long from = k * p.padded + b + shift;
                for (int row = 0; row < p.P; row++) {
                    store(at + row * p.half_columns + b,
                          choose(inside, load(d + from + row * p.Q), Floats{}));
                    *reinterpret_cast<AnyInts*>(number + row * p.half_columns + b) =
                        load_ints(which + from + row * p.Q);
                }
            }
        }
}

// One image's gradient, from what shift_gradient made.
template <bool Max, int S>
static void patch_input_gradient(const Geometry& g, const Patches& p, const float* d, const int32_t* which,
                                 const float* tables, float* tile, float* dx) {
    constexpr int R = S, ROWS = Max ? R + 1 : R;
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int cells = p.half_rows * p.half_columns, length = round_up(2 * cells, 2 * W), H = g.h.length,
              width = g.w.length;
    for (int group = 0; group < g.groups; group++)
        for (int c0 = 0; c0 < g.Cg; c0 += PATCH_CHANNELS) {
            const int n = g.Cg - c0 < PATCH_CHANNELS ? g.Cg - c0 : PATCH_CHANNELS;
            const float* tables_of_block =
                tables + (static_cast<long>(group) * table_blocks(g) + c0 / PATCH_CHANNELS) * g.Kg * ROWS *
                             (S + 1) * TABLE;
            constant<PATCH_CHANNELS>(n, [&](auto channels) {
                constexpr int CB = decltype(channels)::value;
                for (int cell = 0; cell < cells; cell += W) {
                    Floats sum[CB][2][2]{};
                    const float* table = tables_of_block;
                    for (int k = group * g.Kg; k < (group + 1) * g.Kg; k++) {
                        const long start = static_cast<long>(k) * p.shifts * p.spread + cell;
                        // row i of the patch, whether it is odd, its tables, and by what bits they are read
                        const auto add = [&](int i, auto odd, const float* from, int bit) {
#pragma GCC unroll 6
                            for (int j = 0; j <= S; j++) {
                                const long at = start + (p.right[j % 2] - j / 2 - p.low) * p.spread +
                                                (p.top + p.down[odd] - i / 2) * p.half_columns;
                                const Floats gradient = load(d + at);
                                Ints number = load_ints(which + at);
                                if constexpr (!Max) number = (number >> bit) & splat_int(3);
                                for (int c = 0; c < CB; c++)
                                    sum[c][odd][j % 2] += pick(from + j * TABLE, c, number) * gradient;
                            }
                        };
                        constexpr std::false_type even;
                        constexpr std::true_type odd;
#pragma GCC unroll 1  // two rows are enough instructions
                        for (int i = 0; i < ROWS; i += 2) {
                            add(i, even, table, 0);
                            if constexpr (!Max) add(i + 1, odd, table, 2);
                            table += (S + 1) * TABLE;
                            if (i + 1 == ROWS) break;
                            add(i + 1, odd, table, 0);
                            if constexpr (!Max) add(i + 2, even, table, 2);
                            table += (S + 1) * TABLE;
                        }
                    }
                    for (int c = 0; c < CB; c++)
                        for (int t = 0; t < 2; t++) {
                            float* at = tile + (2 * c + t) * length + 2 * cell;
                            // is the first pixel in an odd column of the frame?
                            const bool odd = g.w.before % 2;
                            const Floats a = odd ? sum[c][t][1] : sum[c][t][0],
                                         b = odd ? sum[c][t][0] : sum[c][t][1];
                            store(at, by_turns(a, b, lanes, 0));
                            store(at + W, by_turns(a, b, lanes, 1));
                        }
                }
            });
            for (int c = 0; c < n; c++)
                for (int y = 0; y < H; y++)
                    copy_row(tile + (2 * c + (y + g.h.before) % 2) * length + y / 2 * 2 * p.half_columns,
                             dx + (static_cast<long>(group * g.Cg + c0 + c) * H + y) * width, width);
        }
}

// The same one number after the other, where weights or gradients are NaN, infinite or very large.
static void patch_input_gradient_carefully(const Geometry& g, const Patches& p, const float* d,
                                           const int32_t* which, const float* weight, float* dx) {
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
                    dx[(c * H + y) * width + x] += weight[static_cast<long>(k) * g.taps + t] *
                                                   patch_part(g.pool == MAX_POOL, d[k * p.padded + place],
                                                              which[k * p.padded + place], w);
                }
}
