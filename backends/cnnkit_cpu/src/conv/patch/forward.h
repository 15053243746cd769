// Convolution by patches (geometry.h), with ReLU or without, and max or average pooling: the four sums of a
// window in registers.
#pragma once

#include "conv/patch/geometry.h"

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
INLINE void patch_sums(const Patches& p, const float* in, const float* weights, const float* bias,
                       int channels, Floats (&sum)[KB][2][2]) {
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

template <bool Max, bool Careful>  // Careful: the first NaN is the largest
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

// Floats that are needed later: `step` of them are fetched beside each vector of places.
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
static void patch_filters(const Geometry& g, const Patches& p, const float* in, const float* weights,
                          const float* bias, int n, float* y, uint8_t* marks, Ahead ahead) {
    constant<PATCH_FILTERS>(n, [&](auto filters) {
        constexpr int KB = decltype(filters)::value;
        for (int i = 0; i < p.places; i += W) {
            ahead.fetch();
            // the last vector may overlap the one before
            const int place = i + W <= p.places || p.places < W ? i : p.places - W;
            Floats sum[KB][2][2];
            patch_sums<S, KB>(p, in + place, weights, bias, g.Cg, sum);
            for (int k = 0; k < KB; k++) {
                Ints byte;
                const Floats pooled = patch_pool<Max, Careful>(sum[k], g.relu, byte);
                if (p.places < W)
                    std::memcpy(y + k * p.places, &pooled, p.places * sizeof(float));
                else
                    store(y + k * p.places + place, pooled);
                if (marks) store_bytes(marks + k * p.padded + place, byte);
            }
        }
    });
}

static long patch_forward_thread_floats(const Patches& p) { return p.frame + p.image + SLACK; }

static void patch_forward(int threads, const Geometry& g, int N, const float* x, const float* weight,
                          const float* bias, float* y, uint8_t* marks, float* room) {
    const Patches p = patches_of(g);
    const long pixels = static_cast<long>(g.h.length) * g.w.length,
               thread_floats = patch_forward_thread_floats(p);
    float *packed = room, *rest = room + filter_floats(g);
    pack_patch_filters(g, weight, packed);
    const bool tame_filters = tame(weight, static_cast<long>(g.K) * g.taps) && (!bias || tame(bias, g.K));
    const bool max = g.pool == MAX_POOL;
    const auto pick = [&](auto s) {
        constexpr int S = decltype(s)::value;
        return max ? std::make_pair(patch_filters<S, true, false>, patch_filters<S, true, true>)
                   : std::make_pair(patch_filters<S, false, false>, patch_filters<S, false, false>);
    };
    const auto filters_of = p.S == 3 ? pick(std::integral_constant<int, 3>{})
                                     : pick(std::integral_constant<int, 5>{});
    // Some images to a task; where there are few images, some filters of one, if they are worth a task.
    const long work = static_cast<long>(g.K) * g.taps * 4 * p.padded / W;
    const int per = (g.Kg + PATCH_FILTERS - 1) / PATCH_FILTERS, blocks = per * g.groups;
    const int images_per_task = N >= 64 ? 4 : 1,
              few = static_cast<int>(work / 30000 < 16 / N ? work / 30000 : 16 / N);
    const int parts = N >= 16 || few < 1 ? 1 : blocks < few ? blocks : few;
    FirstVisits visits;
    parallel(
        N * work < 30000 ? 1 : threads,
        (static_cast<long>(N) + images_per_task - 1) / images_per_task * parts, [&](long task, int thread) {
            float *frame = rest + thread * thread_floats, *planes = frame + p.frame;
            if (visits.first(thread)) std::memset(frame, 0, thread_floats * sizeof(float));
            const long part = task % parts;
            for (long n = task / parts * images_per_task; n < N && n < (task / parts + 1) * images_per_task;
                 n++) {
                const float* image = x + n * g.C * pixels;
                split_patches(g, p, image, frame, planes);
                const auto filter = tame_filters && (!max || tame(image, g.C * pixels)) ? filters_of.first
                                                                                        : filters_of.second;
                const long vectors = (p.places + W - 1) / W,
                           step = round_up((g.C * pixels + vectors * blocks - 1) / (vectors * blocks), 16);
                for (long block = blocks * part / parts; block < blocks * (part + 1) / parts; block++) {
                    const int group = block / per, k0 = block % per * PATCH_FILTERS, k = group * g.Kg + k0;
                    filter(g, p, planes + static_cast<long>(group) * g.Cg * p.channel,
                           packed + static_cast<long>(k) * g.taps, bias ? bias + k : nullptr,
                           g.Kg - k0 < PATCH_FILTERS ? g.Kg - k0 : PATCH_FILTERS,
                           y + (n * g.K + k) * p.places, marks ? marks + (n * g.K + k) * p.padded : nullptr,
                           Ahead{parts == 1 && n + 1 < N ? image + g.C * pixels + block * vectors * step
                                                         : nullptr,
                                 step});
                }
            }
        });
}
