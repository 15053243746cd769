// The output's gradient *spread* over the pooling windows: for each element of the window the gradient where
// that element was the largest (or is positive), and 0 elsewhere, with zeros between and around the rows.
// Both gradients of the flat loop read it.
#pragma once

#include "conv/flat/forward.h"

// Where the input's gradient is wanted, all filters' spread gradients are kept, else those of one block.
static long spread_floats(const Geometry& g, bool all) {
    return static_cast<long>(g.windows) * (all ? g.K : DOT_FILTERS) * g.spread + SLACK;
}

// Without pooling: row by row, 0 where y is not above 0; between the rows are zeros, and stay.
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

// dy of filter k of one image, spread over the windows: element `window` goes to `to + window * apart`. Adds
// up the bias.
static void spread(const Geometry& g, int k, const float* dy, const float* y, const uint8_t* marks, float* to,
                   long apart, float* row, float* bias) {
    const int P = g.P(), Q = g.Q();
    dy += static_cast<long>(k) * P * Q;
    if (!g.pool)
        return spread_rows(g, dy, g.relu ? y + static_cast<long>(k) * P * Q : nullptr, to + g.margin,
                           bias + static_cast<long>(k) * W);
    // `row` has zeros between the rows
    for (int p = 0; p < P; p++) copy_row(dy + p * Q, row + p * g.pitch, Q);
    Floats sum{};
    to += g.margin;
    marks += static_cast<long>(k) * g.padded;
    for (int i = 0; i < g.padded; i += W) {
        Floats d = load(row + i);
        if (g.pool == MAX_POOL) {
            Ints byte = load_bytes(marks + i);
            for (int window = 0; window < g.windows; window++)
                store(to + window * apart + i, choose(byte == splat_int(window), d, Floats{}));
            sum += choose(byte == splat_int(STOPPED), Floats{}, d);
        } else {
            Ints byte = load_bytes(marks + i);
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
