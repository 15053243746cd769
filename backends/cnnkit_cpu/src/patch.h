// Convolution of stride 1, 3x3 or 5x5, and pooling by two by two: what small networks begin with.
//
// An output of the pooled map reads a *patch* of its channel, R + 1 rows and S + 1 columns. An image's channel is copied into
// planes, one for each column of the patch and each parity of its row, each of Q numbers a row: then the places of the
// pooled map lie without gaps, and row i and column j of all patches begin at one offset. A patch is loaded once for all four
// elements of the window (geometry.h's loop loads 36 numbers instead of 16).
//
// Back through max pooling, one element of each window has a gradient. So most products by zero are left out: the filters'
// gradient selects that element's pixels, the image's gradient looks up that element's weight in a table of four. Measured,
// 8 -> 16 channels on 16x16: both gradients in 12 us an image, where all 36 products took 22.
#pragma once

#include "conv_forward.h"

struct Patches {
    int R, S, P, Q, places, padded;  // the filter; the pooled map; its places, and those rounded up to whole vectors
    int width, frame;                // of a channel with zeros around it: floats of a row, and of all rows
    int plane, channel;              // floats
    long image;
    int down[2], right[2];           // the image's gradient: first padded row / 2 and column / 2 of each parity in the image
    int high, wide;                  // pixels of each parity
    int low, shifts, top, spread;    // columns that windows are shifted by; rows of zeros above; floats of one shift
};

// Whether the gradients go by winners.h: where a row of a patch is longer than a vector.
static bool by_winners(const Geometry& g) { return g.groups == 1 && g.C * g.w.kernel >= 12; }

// Whether a plan goes this way. Above 2^14 weights the sums that patch_backward.h keeps as vectors are too large for the cache.
static bool patched(const Geometry& g) {
    for (const Axis* axis : {&g.h, &g.w})
        if (axis->stride != 1 || axis->dilation != 1 || axis->window != 2 || axis->every != 2 || axis->apart != 1) return false;
    return g.h.kernel == g.w.kernel && (g.h.kernel == 3 || g.h.kernel == 5) &&
           static_cast<long>(g.K) * g.taps <= 1 << (by_winners(g) ? 17 : 14);
}

static Patches patches_of(const Geometry& g) {
    Patches p{};
    p.R = g.h.kernel, p.S = g.w.kernel, p.P = g.P(), p.Q = g.Q(), p.places = p.P * p.Q, p.padded = round_up(p.places, W);
    p.width = 2 * round_up(p.Q, W) + p.S + 1;
    if (p.width < g.w.before + g.w.length + W) p.width = g.w.before + g.w.length + W;
    p.width = round_up(p.width, W), p.frame = (2 * p.P + p.R - 1) * p.width;
    p.plane = round_up((p.P + p.R / 2) * p.Q, W) + W, p.channel = 2 * (p.S + 1) * p.plane;
    p.image = static_cast<long>(g.C) * p.channel + SLACK;
    for (int t = 0; t < 2; t++) {
        p.down[t] = g.h.before > t ? (g.h.before - t + 1) / 2 : 0;
        p.right[t] = g.w.before > t ? (g.w.before - t + 1) / 2 : 0;
    }
    p.high = (g.h.length + 1) / 2, p.wide = (g.w.length + 1) / 2;
    p.low = p.right[0], p.shifts = 0;
    int most = p.low;
    for (int j = 0; j <= p.S; j++) {
        const int shift = p.right[j % 2] - j / 2;
        p.low = shift < p.low ? shift : p.low, most = shift > most ? shift : most;
    }
    p.shifts = most - p.low + 1, p.top = p.R / 2 + 1;
    const int below = (p.down[0] > p.down[1] ? p.down[0] : p.down[1]) + p.high;
    p.spread = round_up((p.top + (below > p.P ? below : p.P)) * p.wide, W) + SLACK;
    return p;
}

template <size_t... I>
INLINE Floats every_other(Floats a, Floats b, std::index_sequence<I...>, int odd) {
    return odd ? __builtin_shufflevector(a, b, (2 * int(I) + 1)...) : __builtin_shufflevector(a, b, (2 * int(I))...);
}

template <size_t... I>
INLINE Floats by_turns(Floats a, Floats b, std::index_sequence<I...>, int second) {
    return second ? __builtin_shufflevector(a, b, (int(I) % 2 * W + W / 2 + int(I) / 2)...)
                  : __builtin_shufflevector(a, b, (int(I) % 2 * W + int(I) / 2)...);
}

// An image into planes [c][row's parity][column of the patch]; `frame` is zero around the channel and stays so.
static void split_patches(const Geometry& g, const Patches& p, const float* x, float* frame, float* to) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int last = 2 * p.P + p.R - 1 - g.h.before, rows = g.h.length < last ? g.h.length : last;
    for (int c = 0; c < g.C; c++, x += static_cast<long>(g.h.length) * g.w.length, to += p.channel) {
        for (int h = 0; h < rows; h++)
            copy_row(x + static_cast<long>(h) * g.w.length, frame + (h + g.h.before) * p.width + g.w.before, g.w.length);
        for (int h = 0; h < 2 * p.P + p.R - 1; h++)
            for (int j = 0; j <= p.S; j += 2) {
                const float* from = frame + h * p.width + j;
                float* at = to + (h % 2 * (p.S + 1) + j) * p.plane + h / 2 * p.Q;
                for (int q = 0; q < p.Q; q += W) {  // what is written beyond a row, the next one overwrites
                    const Floats a = load(from + 2 * q), b = load(from + 2 * q + W);
                    store(at + q, every_other(a, b, lanes, 0));
                    store(at + p.plane + q, every_other(a, b, lanes, 1));
                }
            }
    }
}

// -- forward ----------------------------------------------------------------------------------------------------------

// Two by two windows and their sum or maximum in registers: four sums a filter.
constexpr int PATCH_FILTERS = REGISTERS == 32 ? 4 : 2;

// The weights as patch_forward reads them: [group][block of PATCH_FILTERS][tap][k].
static void pack_patch_filters(const Geometry& g, const float* weight, float* to) {
    for (int group = 0; group < g.groups; group++)
        for (int k0 = 0; k0 < g.Kg; k0 += PATCH_FILTERS) {
            const int n = g.Kg - k0 < PATCH_FILTERS ? g.Kg - k0 : PATCH_FILTERS;
            const float* from = weight + static_cast<long>(group * g.Kg + k0) * g.taps;
            for (int t = 0; t < g.taps; t++)
                for (int k = 0; k < n; k++) *to++ = from[static_cast<long>(k) * g.taps + t];
        }
}

// KB filters at one vector of places: sum[k][row of the window][its column].
template <int S, int KB>
INLINE void patch_sums(const Patches& p, const float* in, const float* weights, const float* bias, int channels,
                       Floats (&sum)[KB][2][2]) {
    for (int k = 0; k < KB; k++)
        for (int w = 0; w < 4; w++) sum[k][w / 2][w % 2] = splat(bias ? bias[k] : 0.0f);
    for (int c = 0; c < channels; c++, in += p.channel, weights += S * S * KB)
#pragma GCC unroll 1  // unrolled, g++ keeps the weights of one row for the next one, on the stack
        for (int i = 0; i <= S; i++) {
            const float* at = in + i % 2 * (S + 1) * p.plane + i / 2 * p.Q;
            Floats x[S + 1];
            for (int j = 0; j <= S; j++) x[j] = load(at + j * p.plane);
            if (i < S)
                for (int s = 0; s < S; s++)
                    for (int k = 0; k < KB; k++) {
                        const Floats weight = splat(weights[(i * S + s) * KB + k]);
                        sum[k][0][0] += x[s] * weight, sum[k][0][1] += x[s + 1] * weight;
                    }
            if (i > 0)
                for (int s = 0; s < S; s++)
                    for (int k = 0; k < KB; k++) {
                        const Floats weight = splat(weights[((i - 1) * S + s) * KB + k]);
                        sum[k][1][0] += x[s] * weight, sum[k][1][1] += x[s + 1] * weight;
                    }
        }
}

template <bool Max, bool Careful>  // of NaN: the first one wins
INLINE Floats patch_pool(const Floats (&sum)[2][2], bool relu, Ints& byte) {
    if constexpr (Max) {
        Floats best = sum[0][0];
        Ints which{};
        for (int w = 1; w < 4; w++) {
            const Floats next = sum[w / 2][w % 2];
            Ints larger = next > best;
            if (Careful) larger |= (next != next) & (best == best);
            best = larger ? next : best;
            which = larger ? splat_int(w) : which;
        }
        const Ints stopped = relu ? best <= Floats{} : Ints{};
        byte = stopped ? splat_int(STOPPED) : which;
        return choose(stopped, Floats{}, best);
    }
    Floats total{};
    byte = Ints{};
    for (int w = 0; w < 4; w++) {
        const Floats next = sum[w / 2][w % 2];
        const Ints stopped = relu ? next <= Floats{} : Ints{};
        total += choose(stopped, Floats{}, next);
        byte |= ~stopped & splat_int(1 << w);
    }
    return total * splat(0.25f);
}

// Floats that will be asked for later: `step` of them are fetched beside each vector of places.
struct Ahead {
    const float* at;  // or null
    long step;

    void fetch() {
        if (!at) return;
        for (long i = 0; i < step; i += 16) __builtin_prefetch(at + i);
        at += step;
    }
};

// n filters of a group at one image.
template <int S, bool Max, bool Careful>
static void patch_filters(const Geometry& g, const Patches& p, const float* in, const float* weights, const float* bias, int n,
                          float* y, uint8_t* bytes, Ahead ahead) {
    constant<PATCH_FILTERS>(n, [&](auto filters) {
        constexpr int KB = decltype(filters)::value;
        for (int i = 0; i < p.places; i += W) {
            ahead.fetch();
            const int place = i + W <= p.places || p.places < W ? i : p.places - W;  // the last vector may overlap the one before
            Floats sum[KB][2][2];
            patch_sums<S, KB>(p, in + place, weights, bias, g.Cg, sum);
            for (int k = 0; k < KB; k++) {
                Ints byte;
                const Floats pooled = patch_pool<Max, Careful>(sum[k], g.relu, byte);
                if (p.places < W)
                    std::memcpy(y + k * p.places, &pooled, p.places * sizeof(float));
                else
                    store(y + k * p.places + place, pooled);
                if (bytes) store_bytes(bytes + k * p.padded + place, byte);
            }
        }
    });
}

static long patch_forward_own(const Patches& p) { return p.frame + p.image + SLACK; }

static void patch_forward(int threads, const Geometry& g, int N, const float* x, const float* weight, const float* bias, float* y,
                          uint8_t* bytes, float* room) {
    const Patches p = patches_of(g);
    const long pixels = static_cast<long>(g.h.length) * g.w.length, own = patch_forward_own(p);
    float *filters = room, *rest = room + filter_floats(g);
    pack_patch_filters(g, weight, filters);
    const bool tame_filters = tame(weight, static_cast<long>(g.K) * g.taps) && (!bias || tame(bias, g.K));
    const bool max = g.pool == MAX_POOL;
    const auto pick = [&](auto s) {
        constexpr int S = decltype(s)::value;
        return max ? std::make_pair(patch_filters<S, true, false>, patch_filters<S, true, true>)
                   : std::make_pair(patch_filters<S, false, false>, patch_filters<S, false, false>);
    };
    const auto run = p.S == 3 ? pick(std::integral_constant<int, 3>{}) : pick(std::integral_constant<int, 5>{});
    // Some images to a task; where there are few images, some filters of one, if they are worth a task.
    const long work = static_cast<long>(g.K) * g.taps * 4 * p.padded / W;
    const int per = (g.Kg + PATCH_FILTERS - 1) / PATCH_FILTERS, blocks = per * g.groups;
    const int each = N >= 64 ? 4 : 1, few = static_cast<int>(work / 30000 < 16 / N ? work / 30000 : 16 / N);
    const int parts = N >= 16 || few < 1 ? 1 : blocks < few ? blocks : few;
    Ready ready;
    parallel(N * work < 30000 ? 1 : threads, (static_cast<long>(N) + each - 1) / each * parts, [&](long task, int thread) {
        float *frame = rest + thread * own, *planes = frame + p.frame;
        if (ready.first(thread)) std::memset(frame, 0, own * sizeof(float));
        const long part = task % parts;
        for (long n = task / parts * each; n < N && n < (task / parts + 1) * each; n++) {
            const float* image = x + n * g.C * pixels;
            split_patches(g, p, image, frame, planes);
            const auto filter = tame_filters && (!max || tame(image, g.C * pixels)) ? run.first : run.second;
            const long vectors = (p.places + W - 1) / W, step = round_up((g.C * pixels + vectors * blocks - 1) / (vectors * blocks), 16);
            for (long block = blocks * part / parts; block < blocks * (part + 1) / parts; block++) {
                const int group = block / per, k0 = block % per * PATCH_FILTERS, k = group * g.Kg + k0;
                filter(g, p, planes + static_cast<long>(group) * g.Cg * p.channel, filters + static_cast<long>(k) * g.taps,
                       bias ? bias + k : nullptr, g.Kg - k0 < PATCH_FILTERS ? g.Kg - k0 : PATCH_FILTERS,
                       y + (n * g.K + k) * p.places, bytes ? bytes + (n * g.K + k) * p.padded : nullptr,
                       Ahead{parts == 1 && n + 1 < N ? image + g.C * pixels + block * vectors * step : nullptr, step});
            }
        }
    });
}
