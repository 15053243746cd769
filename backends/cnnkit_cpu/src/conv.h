// Convolution forward as Python calls it: by patches, or in general.
#pragma once

#include "conv_forward.h"
#include "patch.h"

// Floats that conv_forward needs: packed filters, and for each thread an image's phases and a block of results.
EXPORT long conv_forward_room(const Geometry* g, int threads) {
    if (patched(*g)) return filter_floats(*g) + threads * patch_forward_own(patches_of(*g));
    return filter_floats(*g) + threads * (g->image + static_cast<long>(FILTERS) * g->padded + SLACK);
}

// Bytes for each image that conv_backward wants to know: what it is that won each window.
EXPORT long conv_bytes(const Geometry* g) {
    return g->pool ? static_cast<long>(g->K) * (patched(*g) ? round_up(g->P() * g->Q(), W) : g->padded) : 0;
}

// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or null -> y (N, K, P, Q) and `bytes`, which may be null.
EXPORT void conv_forward(int threads, const Geometry* plan, int N, const float* x, const float* weight, const float* bias, float* y,
                         uint8_t* bytes, float* room) {
    const Geometry& g = *plan;
    if (patched(g)) return patch_forward(threads, g, N, x, weight, bias, y, bytes, room);
    float* filters = room;
    pack_filters(g, weight, filters);
    room += filter_floats(g);
    const long own = g.image + static_cast<long>(FILTERS) * g.padded + SLACK, pixels = static_cast<long>(g.h.length) * g.w.length;
    for (int t = 0; t < threads; t++) std::memset(room + t * own, 0, g.image * sizeof(float));
    const bool tame_filters = tame(weight, static_cast<long>(g.K) * g.taps) && (!bias || tame(bias, g.K));
    const bool many = wide(g);
    const auto run = g.pool == NO_POOL    ? conv_filters<Plain>
                     : g.pool == AVG_POOL ? many ? conv_filters<Average<true>> : conv_filters<Average<false>>
                     : many               ? conv_filters<Largest<true, false>>
                                          : conv_filters<Largest<false, false>>;
    const auto careful_run = g.pool != MAX_POOL ? run : many ? conv_filters<Largest<true, true>> : conv_filters<Largest<false, true>>;
    // an image to a task; where there are few images, some filters of one
    const int each = block_of(g), per = (g.Kg + each - 1) / each, blocks = per * g.groups, parts = N >= 16 ? 1 : blocks < 16 / N ? blocks : 16 / N;
    parallel(threads, static_cast<long>(N) * parts, [&](long task, int thread) {
        const long n = task / parts, part = task % parts;
        float *phases = room + thread * own, *tile = phases + g.image;
        const float* image = x + n * g.C * pixels;
        split(g, image, phases);
        const bool careful = !tame_filters || !tame(image, g.C * pixels);
        for (long block = blocks * part / parts; block < blocks * (part + 1) / parts; block++) {
            const int group = block / per, k0 = block % per * each, k = group * g.Kg + k0;
            (careful ? careful_run : run)(
                g, phases + static_cast<long>(group) * g.Cg * g.channel, filters + static_cast<long>(k) * g.taps,
                bias ? bias + k : nullptr, g.Kg - k0 < each ? g.Kg - k0 : each, tile, y + (n * g.K + k) * g.P() * g.Q(),
                bytes ? bytes + (n * g.K + k) * g.padded : nullptr);
        }
    });
}
