// The gradients of conv_forward.h: of filters and bias by `dots`, of the input by `correlate`.
//
// Both read the output's gradient *spread* over the pooling windows: for each element of the window the gradient where that
// element won (or is positive), and 0 elsewhere, with zeros between and around the rows.
#pragma once

#include "activation.h"
#include "conv.h"
#include "winners.h"

// Images are added up in so many chunks at most, one after the other within a chunk: sums do not depend on the threads.
constexpr int CHUNKS = 16;
constexpr long MOST_PARTIAL = 1 << 23;  // floats of all chunks' sums together
static long partial_floats(const Geometry& g) { return filter_floats(g) + static_cast<long>(g.K) * W; }

static int chunks(const Geometry& g, int N) {
    long most = MOST_PARTIAL / partial_floats(g);
    most = most < 2 ? 2 : most > CHUNKS ? CHUNKS : most;
    const long some = (N + 3) / 4 < 2 ? N : (N + 3) / 4;  // a chunk of few images costs more to add up than it saves
    return static_cast<int>(some < most ? some : most);
}

// Where the input's gradient is wanted, all filters' spread gradients are kept, else those of one block.
static long spread_floats(const Geometry& g, bool all) {
    return static_cast<long>(g.windows) * (all ? g.K : DOT_FILTERS) * g.spread + SLACK;
}

// The same without pooling: row by row, 0 where y is not above 0; between the rows are zeros, and stay.
static void spread_rows(const Geometry& g, const float* dy, const float* y, float* to, float* bias) {
    const int Q = g.Q();
    for (int p = 0; p < g.P(); p++, dy += Q) {
        float* row = to + p * g.pitch;
        if (!y) {
            copy_row(dy, row, Q);
            continue;
        }
        for (int q = 0; q < Q; q++) row[q] = y[q] <= 0 ? 0 : dy[q];
        y += Q;
    }
    Floats sum = load(bias);
    for (int i = 0; i < g.padded; i += W) sum += load(to + i);
    store(bias, sum);
}

// dy of filter k of one image, spread over the windows: element `window` goes to `to + window * apart`. Adds up the bias.
static void spread(const Geometry& g, int k, const float* dy, const float* y, const uint8_t* bytes, float* to, long apart,
                   float* row, float* bias) {
    const int P = g.P(), Q = g.Q();
    dy += static_cast<long>(k) * P * Q;
    if (!g.pool) return spread_rows(g, dy, g.relu ? y + static_cast<long>(k) * P * Q : nullptr, to + g.margin, bias + static_cast<long>(k) * W);
    for (int p = 0; p < P; p++) copy_row(dy + p * Q, row + p * g.pitch, Q);  // `row` has zeros between the rows
    Floats sum{};
    to += g.margin;
    bytes += static_cast<long>(k) * g.padded;
    for (int i = 0; i < g.padded; i += W) {
        Floats d = load(row + i);
        if (g.pool == MAX_POOL) {
            Ints byte = load_bytes(bytes + i);
            for (int window = 0; window < g.windows; window++)
                store(to + window * apart + i, choose(byte == splat_int(window), d, Floats{}));
            sum += choose(byte == splat_int(STOPPED), Floats{}, d);
        } else {
            Ints byte = load_bytes(bytes + i);
            d *= splat(1.0f / g.windows);
            for (int window = 0; window < g.windows; window++) {
                Floats part = choose((byte & splat_int(1 << window)) != Ints{}, d, Floats{});
                store(to + window * apart + i, part);
                sum += part;
            }
        }
    }
    store(bias + static_cast<long>(k) * W, load(bias + static_cast<long>(k) * W) + sum);
}

// Whether a chunk's sums stay vectors until its end: adding up lanes for each image costs as much as small maps themselves.
static bool few_weights(const Geometry& g) { return static_cast<long>(g.K) * g.taps <= 1 << 14; }

// Add one image's sums for `filters` filters, whose spread gradients lie `g.spread` apart, and those of a window `apart`:
// to vectors of sums with `Vectors`, else to sums.
template <bool Vectors>
static void filter_gradients(const Geometry& g, const float* in, const float* spread, long apart, int filters, float* sums) {
    for (int t = 0; t < g.taps; t += DOT_TAPS) {
        const int taps = g.taps - t < DOT_TAPS ? g.taps - t : DOT_TAPS;
        constant<DOT_FILTERS>(filters, [&](auto f) {
            constant<DOT_TAPS>(taps, [&](auto n) {
                constexpr int KB = decltype(f)::value, TB = decltype(n)::value;
                Floats sum[KB][TB]{};
                if constexpr (Vectors)
                    for (int k = 0; k < KB; k++)
                        for (int i = 0; i < TB; i++) sum[k][i] = load(sums + (static_cast<long>(k) * g.taps + t + i) * W);
                for (int window = 0; window < g.windows; window++)
                    dots<KB, TB>(in, g.offsets.data() + static_cast<long>(window) * g.taps + t, spread + window * apart + g.margin,
                                 g.spread, g.padded / W, sum);
                if constexpr (Vectors) {
                    for (int k = 0; k < KB; k++)
                        for (int i = 0; i < TB; i++) store(sums + (static_cast<long>(k) * g.taps + t + i) * W, sum[k][i]);
                    return;
                }
                for (int k = 0; k < KB; k++)
                    for (int i = 0; i < TB; i += W) {
                        constexpr int last = TB % W ? TB % W : W;
                        float* to = sums + static_cast<long>(k) * g.taps + t + i;
                        const bool whole = TB - i >= W;
                        const Floats one = whole ? totals<W>(sum[k] + i) : totals<last>(sum[k] + i);
                        const int lanes = whole ? W : last;
                        for (int l = 0; l < lanes; l++) to[l] += one[l];
                    }
            });
        });
    }
}

// The same one number after the other, where the image holds NaN, infinity or very large numbers: between the rows `dots`
// multiplies them by 0, which would make NaN of what no filter sees.
template <bool Vectors>
static void filter_gradients_carefully(const Geometry& g, const float* in, const float* spread, long apart, int filters,
                                       float* sums) {
    for (int k = 0; k < filters; k++)
        for (int t = 0; t < g.taps; t++)
            for (int window = 0; window < g.windows; window++) {
                const float* x = in + g.offsets[static_cast<long>(window) * g.taps + t];
                const float* d = spread + window * apart + static_cast<long>(k) * g.spread + g.margin;
                for (int p = 0; p < g.P(); p++)
                    for (int q = 0; q < g.Q(); q++)
                        sums[(static_cast<long>(k) * g.taps + t) * (Vectors ? W : 1)] += x[p * g.pitch + q] * d[p * g.pitch + q];
            }
}

// The weights in the order in which the input's gradient reads them: [group][phase][block of FILTERS channels][tap][c].
static void pack_back(const Geometry& g, const float* weight, float* to) {
    const int area = g.h.kernel * g.w.kernel;
    for (int group = 0; group < g.groups; group++)
        for (const Geometry::Back& back : g.back)
            for (int c0 = 0; c0 < g.Cg; c0 += FILTERS) {
                const int n = g.Cg - c0 < FILTERS ? g.Cg - c0 : FILTERS;
                for (int at : back.weight)
                    for (int c = c0; c < c0 + n; c++) *to++ = weight[static_cast<long>(group) * g.Kg * g.taps + at + c * area];
            }
}

// One image's gradient, from its spread dy.
static void input_gradient(const Geometry& g, const float* spread, const float* packed, float* tile, float* dx) {
    for (int group = 0; group < g.groups; group++) {
        const float* in = spread + static_cast<long>(group) * g.Kg * g.spread;
        for (int c0 = 0; c0 < g.Cg; c0 += FILTERS) {
            const int n = g.Cg - c0 < FILTERS ? g.Cg - c0 : FILTERS;
            const float* weights = packed + static_cast<long>(group) * g.Kg * g.windows * g.taps;
            for (int phase = 0; phase < g.phases; phase++) {
                const Geometry::Back& back = g.back[phase];
                const int taps = static_cast<int>(back.offset.size());
                const float* own = weights + static_cast<long>(c0) * taps;
                constant<FILTERS>(n, [&](auto channels) {
                    constexpr int CB = decltype(channels)::value;
                    for (int place = back.first; place < back.last;) {
                        const int take = share((back.last - place + W - 1) / W, VECTORS);
                        constant<VECTORS>(take, [&](auto vectors) {
                            constexpr int V = decltype(vectors)::value;
                            Floats sum[CB][V]{};
                            correlate<CB, V>(in + place, back.offset.data(), own, taps, sum);
                            for (int c = 0; c < CB; c++)
                                for (int v = 0; v < V; v++) {
                                    float* at = tile + static_cast<long>(c) * (g.channel + SLACK) + phase * g.plane + place + v * W;
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
static void input_gradient_carefully(const Geometry& g, const float* spread, const float* weight, float* tile, float* dx) {
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

static long backward_own(const Geometry& g, bool all) {  // of each thread: phases, spread dy, a row, a block of results
    return g.image + spread_floats(g, all) + g.padded + SLACK + (all ? static_cast<long>(FILTERS) * (g.channel + SLACK) : 0) +
           (few_weights(g) ? static_cast<long>(g.K) * g.taps * W : 0);
}

// Floats that conv_backward needs; `dx`: with the input's gradient.
EXPORT long conv_backward_room(const Geometry* g, int threads, int N, int dx) {
    if (patched(*g)) {
        const Patches p = patches_of(*g);
        if (by_winners(*g)) {
            const Winners w = winners_of(*g, p, dx);
            return winners_table(*g, p, w) + chunks(*g, N) * partial_floats(*g) + threads * winners_own(*g, p, w);
        }
        return (dx ? table_floats(*g, p) : 0) + chunks(*g, N) * partial_floats(*g) + threads * patch_backward_own(*g, p, dx);
    }
    return (dx ? filter_floats(*g) * g->windows : 0) + chunks(*g, N) * partial_floats(*g) +
           threads * backward_own(*g, dx);
}

// Add up the chunks' sums, in order.
static void add_chunks(int threads, const Geometry& g, int parts, const float* sums, float* dweight, float* dbias) {
    const long weights = static_cast<long>(g.K) * g.taps, partial = partial_floats(g);
    if (dbias)
        for (int k = 0; k < g.K; k++) {
            Floats sum{};
            for (int part = 0; part < parts; part++) sum += load(sums + part * partial + weights + static_cast<long>(k) * W);
            dbias[k] = total(sum);
        }
    if (dweight)
        parallel(weights * parts < BLOCK ? 1 : threads, (weights + 1023) / 1024, [&](long block, int) {
            const long end = (block + 1) * 1024 < weights ? (block + 1) * 1024 : weights;
            for (long i = block * 1024; i < end; i++) dweight[i] = sums[i];
            for (int part = 1; part < parts; part++)
                for (long i = block * 1024; i < end; i++) dweight[i] += sums[part * partial + i];
        });}

static void winners_backward(int threads, const Geometry& g, int N, const float* x, const float* weight, const uint8_t* bytes,
                             const float* dy, float* dx, float* dweight, float* dbias, float* room) {
    const Patches p = patches_of(g);
    const Winners w = winners_of(g, p, dx);
    const long partial = partial_floats(g), own = winners_own(g, p, w);
    const int parts = chunks(g, N);
    float *table = room, *sums = table + winners_table(g, p, w), *rest = sums + parts * partial;
    winners_tables(g, p, w, dx ? weight : nullptr, table);
    const bool tame_weight = dx && tame(weight, static_cast<long>(g.K) * g.taps);
    std::memset(sums, 0, parts * partial * sizeof(float));
    const bool max = g.pool == MAX_POOL;
    const auto chunk = p.S == 3 ? max ? winners_chunk<3, true> : winners_chunk<3, false>
                                : max ? winners_chunk<5, true> : winners_chunk<5, false>;
    Ready ready;
    parallel(threads, parts, [&](long part, int thread) {
        float* mine = rest + thread * own;
        if (ready.first(thread)) std::memset(mine, 0, w.frame * sizeof(float));
        chunk(g, p, w, N * part / parts, N * (part + 1) / parts, x, weight, bytes, dy, dy + static_cast<long>(N) * g.K * p.places,
              table, tame_weight, dx, dweight, mine, sums + part * partial);
    });
    add_chunks(threads, g, parts, sums, dweight, dbias);
}

static void patch_backward(int threads, const Geometry& g, int N, const float* x, const float* weight, const uint8_t* bytes,
                           const float* dy, float* dx, float* dweight, float* dbias, float* room) {
    const Patches p = patches_of(g);
    const long partial = partial_floats(g), own = patch_backward_own(g, p, dx), zeros = patch_backward_zeros(g, p, dx);
    const int parts = chunks(g, N);
    float *tables = room, *sums = tables + (dx ? table_floats(g, p) : 0), *rest = sums + parts * partial;
    bool tame_weight = true;
    if (dx) {
        tame_weight = tame(weight, static_cast<long>(g.K) * g.taps);
        pack_tables(g, p, weight, tables);
    }
    std::memset(sums, 0, parts * partial * sizeof(float));
    const auto chunk = p.S == 3 ? patch_chunk<3> : patch_chunk<5>;
    Ready ready;
    parallel(threads, parts, [&](long part, int thread) {
        float* mine = rest + thread * own;
        if (ready.first(thread)) std::memset(mine, 0, zeros * sizeof(float));
        chunk(g, p, N * part / parts, N * (part + 1) / parts, x, weight, bytes, dy, dy + static_cast<long>(N) * g.K * p.places,
              tables, tame_weight, dx, dweight, mine, sums + part * partial);
    });
    add_chunks(threads, g, parts, sums, dweight, dbias);
}

// x, weight, y and bytes of conv_forward, dy (N, K, P, Q) -> dx, dweight and dbias, each of which may be null.
EXPORT void conv_backward(int threads, const Geometry* plan, int N, const float* x, const float* weight, const float* y,
                          const uint8_t* bytes, const float* dy, float* dx, float* dweight, float* dbias, float* room) {
    const Geometry& g = *plan;
    if (patched(g) && by_winners(g)) return winners_backward(threads, g, N, x, weight, bytes, dy, dx, dweight, dbias, room);
    if (patched(g)) return patch_backward(threads, g, N, x, weight, bytes, dy, dx, dweight, dbias, room);
    const long pixels = static_cast<long>(g.h.length) * g.w.length, results = static_cast<long>(g.P()) * g.Q();
    const long weights = static_cast<long>(g.K) * g.taps, partial = partial_floats(g), own = backward_own(g, dx);
    const long spreads = spread_floats(g, dx), apart = (dx ? g.K : DOT_FILTERS) * static_cast<long>(g.spread);
    const int parts = chunks(g, N);
    float *packed = room, *sums = packed + (dx ? filter_floats(g) * g.windows : 0), *rest = sums + parts * partial;
    bool tame_weight = true;
    if (dx) {
        tame_weight = tame(weight, weights);
        pack_back(g, weight, packed);
    }
    std::memset(sums, 0, parts * partial * sizeof(float));
    for (int t = 0; t < threads; t++) std::memset(rest + t * own, 0, own * sizeof(float));
    parallel(threads, parts, [&](long part, int thread) {
        float *phases = rest + thread * own, *dz = phases + g.image, *row = dz + spreads, *tile = row + g.padded + SLACK;
        float *sum = sums + part * partial, *bias = sum + weights, *vectors = rest + (thread + 1) * own - weights * W;
        const bool few = few_weights(g);
        if (few) std::memset(vectors, 0, weights * W * sizeof(float));
        for (long n = N * part / parts; n < N * (part + 1) / parts; n++) {
            const float* image = dweight ? x + n * g.C * pixels : nullptr;
            if (dweight) split(g, image, phases);
            const bool careful = !dweight || !tame(image, g.C * pixels);
            const auto add = few ? careful ? filter_gradients_carefully<true> : filter_gradients<true>
                                 : careful ? filter_gradients_carefully<false> : filter_gradients<false>;
            for (int k = 0; k < g.K;) {
                const int left = g.Kg - k % g.Kg, filters = left < DOT_FILTERS ? left : DOT_FILTERS;
                float* own_dz = dz + (dx ? static_cast<long>(k) * g.spread : 0);
                for (int i = 0; i < filters; i++)
                    spread(g, k + i, dy + n * g.K * results, y ? y + n * g.K * results : nullptr,
                           bytes ? bytes + n * g.K * g.padded : nullptr, own_dz + static_cast<long>(i) * g.spread, apart, row, bias);
                if (dweight)
                    add(g, phases + static_cast<long>(k / g.Kg) * g.Cg * g.channel, own_dz, apart, filters,
                        few ? vectors + static_cast<long>(k) * g.taps * W : sum + static_cast<long>(k) * g.taps);
                k += filters;
            }
            if (!dx) continue;
            float* out = dx + n * g.C * pixels;
            if (tame_weight)
                input_gradient(g, dz, packed, tile, out);
            else
                input_gradient_carefully(g, dz, weight, tile, out);
        }
        if (few) add_lanes(weights, vectors, sum);
    });
    add_chunks(threads, g, parts, sums, dweight, dbias);
}
