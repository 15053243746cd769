// Convolution of stride 1, 3x3 or 5x5, and pooling by two by two: what small networks begin with. Where
// everything lies in memory.
//
// An output of the pooled map reads a *patch* of its channel, R + 1 rows and S + 1 columns. An image's
// channel is copied into planes, one for each column of the patch and each parity of its row, each of Q
// numbers a row: then the places of the pooled map lie without gaps, and row i and column j of all patches
// begin at one offset. A patch is loaded once for all four elements of the window (the flat loop loads 36
// numbers instead of 16). channels_first.h asks `patched` whether to go this way.
#pragma once

#include "conv/flat/forward.h"
#include "core/shuffle.h"

struct Patches {
    // the filter; the pooled map; its places, and those rounded up to whole vectors
    int R, S, P, Q, places, padded;
    int width, frame;    // of a channel with zeros around it: floats of a row, and of all rows
    int plane, channel;  // floats
    long image;
    // the image's gradient: first padded row / 2 and column / 2 of each parity in the image
    int down[2], right[2];
    int half_rows, half_columns;  // pixels of each parity in a column and in a row
    // columns that windows are shifted by; rows of zeros above; floats of one shift
    int low, shifts, top, spread;
};

// Whether the gradients go by sparse_gradients.h: where a row of a patch is longer than a vector.
static bool by_sparse_gradients(const Geometry& g) { return g.groups == 1 && g.C * g.w.kernel >= 12; }

// Whether a convolution goes this way. Above 2^14 weights the sums that filter_gradient.h keeps as vectors
// are too large for the cache.
static bool patched(const Geometry& g) {
    for (const Axis* axis : {&g.h, &g.w})
        if (axis->stride != 1 || axis->dilation != 1 || axis->window != 2 || axis->every != 2 ||
            axis->apart != 1)
            return false;
    return g.h.kernel == g.w.kernel && (g.h.kernel == 3 || g.h.kernel == 5) &&
           static_cast<long>(g.K) * g.taps <= 1 << (by_sparse_gradients(g) ? 17 : 14);
}

static Patches patches_of(const Geometry& g) {
    Patches p{};
    p.R = g.h.kernel, p.S = g.w.kernel, p.P = g.P(), p.Q = g.Q(), p.places = p.P * p.Q,
    p.padded = round_up(p.places, W);
    p.width = 2 * round_up(p.Q, W) + p.S + 1;
    if (p.width < g.w.before + g.w.length + W) p.width = g.w.before + g.w.length + W;
    p.width = round_up(p.width, W), p.frame = (2 * p.P + p.R - 1) * p.width;
    p.plane = round_up((p.P + p.R / 2) * p.Q, W) + W, p.channel = 2 * (p.S + 1) * p.plane;
    p.image = static_cast<long>(g.C) * p.channel + SLACK;
    for (int t = 0; t < 2; t++) {
        p.down[t] = g.h.before > t ? (g.h.before - t + 1) / 2 : 0;
        p.right[t] = g.w.before > t ? (g.w.before - t + 1) / 2 : 0;
    }
    p.half_rows = (g.h.length + 1) / 2, p.half_columns = (g.w.length + 1) / 2;
    p.low = p.right[0], p.shifts = 0;
    int most = p.low;
    for (int j = 0; j <= p.S; j++) {
        const int shift = p.right[j % 2] - j / 2;
        p.low = shift < p.low ? shift : p.low, most = shift > most ? shift : most;
    }
    p.shifts = most - p.low + 1, p.top = p.R / 2 + 1;
    const int below = (p.down[0] > p.down[1] ? p.down[0] : p.down[1]) + p.half_rows;
    p.spread = round_up((p.top + (below > p.P ? below : p.P)) * p.half_columns, W) + SLACK;
    return p;
}

// An image into planes [c][row's parity][column of the patch]; `frame` is zero around the channel and stays
// so.
static void split_patches(const Geometry& g, const Patches& p, const float* x, float* frame, float* to) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    const int below = 2 * p.P + p.R - 1 - g.h.before, rows = g.h.length < below ? g.h.length : below;
    for (int c = 0; c < g.C; c++, x += static_cast<long>(g.h.length) * g.w.length, to += p.channel) {
        for (int h = 0; h < rows; h++)
            copy_row(x + static_cast<long>(h) * g.w.length, frame + (h + g.h.before) * p.width + g.w.before,
                     g.w.length);
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
