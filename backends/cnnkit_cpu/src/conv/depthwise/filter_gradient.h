// The filters' gradient of a depthwise convolution with the channels last in memory: for each vector of
// channels the sums of a filter's taps stay in registers along a row. Rows are added up in at most 16 chunks,
// which meet in double precision.
#pragma once

#include <cmath>

#include "conv/depthwise/axis.h"
#include "core/parallel.h"
#include "interface.h"

constexpr long MOST_ROWS = 16;  // chunks of rows

INLINE long row_chunks(long rows) { return rows < MOST_ROWS ? rows : MOST_ROWS; }
INLINE int channel_vectors(int C) { return (C + W - 1) / W; }

// Add to sums[r][s], of vectors of channels from c on, what R rows of pixels give with a row of gradients.
// Pixels of tap (r, s) for gradient q: rows[r] + (q * stride + s * dilation - left) * C.
template <int R, int S>
INLINE void add_row(const ConvShape& g, const float* const* rows, int tap, const float* dy, int c,
                    float* sums) {
    const int shift = tap * g.dilation_w - g.left;
    const auto at = [&](int q, int s) {
        return static_cast<long>(q) * g.stride_w + s * g.dilation_w + shift;
    };
    Floats sum[R][S];
    for (int r = 0; r < R; r++)
        for (int s = 0; s < S; s++) sum[r][s] = load(sums + (r * S + s) * W);
    int q = 0;
    const auto some = [&](int end) {
        for (; q < end; q++) {
            const Floats d = load(dy + static_cast<long>(q) * g.C + c);
            for (int s = 0; s < S; s++)
                if (const long w = at(q, s); w >= 0 && w < g.W)
                    for (int r = 0; r < R; r++) sum[r][s] += d * load(rows[r] + w * g.C + c);
        }
    };
    int first = 0, last = g.Q;
    while (first < g.Q && at(first, 0) < 0) first++;
    while (last > first && at(last - 1, S - 1) >= g.W) last--;
    some(first);
    for (; q < last; q++) {
        const Floats d = load(dy + static_cast<long>(q) * g.C + c);
        const long from = at(q, 0) * g.C + c, step = static_cast<long>(g.dilation_w) * g.C;
        for (int s = 0; s < S; s++)
            for (int r = 0; r < R; r++) sum[r][s] += d * load(rows[r] + from + s * step);
    }
    some(g.Q);
    for (int r = 0; r < R; r++)
        for (int s = 0; s < S; s++) store(sums + (r * S + s) * W, sum[r][s]);
}

// Floats that depthwise_filter_gradient needs: sums of each chunk, and a row of zeros.
EXPORT long depthwise_filter_gradient_room(const ConvShape* g, int N) {
    return row_chunks(static_cast<long>(N) * g->P) * channel_vectors(g->C) * g->R * g->S * W +
           static_cast<long>(g->W) * g->C + 2 * LINE;
}

EXPORT int depthwise_filter_gradient(int threads, const ConvShape* shape, int N, const float* x,
                                     const float* dy, float* dweight, float* room) {
    const ConvShape& g = *shape;
    const long rows = static_cast<long>(N) * g.P, chunks = row_chunks(rows);
    const int taps = g.R * g.S, vectors = channel_vectors(g.C);
    float* zeros = room + chunks * vectors * taps * W;
    std::memset(zeros, 0, sizeof(float) * g.W * g.C);
    parallel(threads_for(threads, rows * g.Q * g.C), chunks, [&](long chunk, int) {
        float* sums = room + chunk * vectors * taps * W;
        std::memset(sums, 0, sizeof(float) * vectors * taps * W);
        for (long row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; row++) {
            const float* above = dy + row * g.Q * g.C;
            const float* image = x + row / g.P * g.pixels() * g.C;
            const auto pixels = [&](int r) {
                const long h = row % g.P * g.stride_h + static_cast<long>(r) * g.dilation_h - g.top;
                return h < 0 || h >= g.H ? zeros : image + h * g.W * g.C;
            };
            for (int v = 0; v < vectors; v++) {
                const int c = v * W + W <= g.C ? v * W : g.C - W;
                float* of_channels = sums + v * taps * W;
                if (g.R == 3 && g.S == 3) {
                    const float* three[] = {pixels(0), pixels(1), pixels(2)};
                    add_row<3, 3>(g, three, 0, above, c, of_channels);
                    continue;
                }
                for (int r = 0; r < g.R; r++) {
                    const float* one[] = {pixels(r)};
                    float* of_row = of_channels + r * g.S * W;
                    if (one[0] == zeros) continue;
                    if (g.S == 5)
                        add_row<1, 5>(g, one, 0, above, c, of_row);
                    else if (g.S == 7)
                        add_row<1, 7>(g, one, 0, above, c, of_row);
                    else
                        for (int s = 0; s < g.S; s++) add_row<1, 1>(g, one, s, above, c, of_row + s * W);
                }
            }
        }
    });
    bool finite = true;
    for (int v = 0; v < vectors; v++) {
        const int c = v * W + W <= g.C ? v * W : g.C - W;
        for (int t = 0; t < taps; t++)
            for (int l = 0; l < W; l++) {
                double all = 0;
                for (long chunk = 0; chunk < chunks; chunk++)
                    all += room[((chunk * vectors + v) * taps + t) * W + l];
                const float result = static_cast<float>(all);
                dweight[static_cast<long>(c + l) * taps + t] = result;
                finite &= std::isfinite(result);
            }
    }
    return finite;
}
