// Gradients of filters and bias, added up over images in chunks: at most CHUNKS of them, each in order, then
// all in order. So the sums do not depend on the number of threads. Shared by the flat loop and by patches.
#pragma once

#include "conv/flat/forward.h"
#include "core/lane_sums.h"

// Images are added up in so many chunks at most, one after the other within a chunk: sums do not depend on
// the threads.
constexpr int CHUNKS = 16;
constexpr long MOST_PARTIAL = 1 << 23;  // floats of all chunks' sums together
static long partial_floats(const Geometry& g) { return filter_floats(g) + static_cast<long>(g.K) * W; }

static int chunks(const Geometry& g, int N) {
    long most = MOST_PARTIAL / partial_floats(g);
    most = most < 2 ? 2 : most > CHUNKS ? CHUNKS : most;
    // a chunk of few images costs more to add up than it saves
    const long some = (N + 3) / 4 < 2 ? N : (N + 3) / 4;
    return static_cast<int>(some < most ? some : most);
}

// Add up the chunks' sums, in order.
static void add_chunks(int threads, const Geometry& g, int parts, const float* sums, float* dweight,
                       float* dbias) {
    const long weights = static_cast<long>(g.K) * g.taps, partial = partial_floats(g);
    if (dbias)
        for (int k = 0; k < g.K; k++) {
            Floats sum{};
            for (int part = 0; part < parts; part++)
                sum += load(sums + part * partial + weights + static_cast<long>(k) * W);
            dbias[k] = total(sum);
        }
    if (dweight)
        parallel(weights * parts < BLOCK ? 1 : threads, (weights + 1023) / 1024, [&](long block, int) {
            const long end = (block + 1) * 1024 < weights ? (block + 1) * 1024 : weights;
            for (long i = block * 1024; i < end; i++) dweight[i] = sums[i];
            for (int part = 1; part < parts; part++)
                for (long i = block * 1024; i < end; i++) dweight[i] += sums[part * partial + i];
        });
}
