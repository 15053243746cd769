// The two inner loops of convolution as a flat loop, in registers.
//
// `correlate`: results at V vectors of places for KB filters; each tap loads V vectors and broadcasts KB
// weights, and makes KB * V multiply-adds. It serves the result and the input's gradient. `dots`: sums over
// places, of TB taps times KB gradients: the filters' gradient.
#pragma once

#include "core/vector.h"

// KB and V at most: KB * V accumulators, V inputs and a weight must fit the registers; with pooling each
// accumulator has the best so far and its number beside it.
constexpr int FILTERS = REGISTERS == 32 ? 8 : 4, VECTORS = 3;
constexpr int POOLED_FILTERS = 4, POOLED_VECTORS = REGISTERS == 32 ? 2 : 1;

template <int KB, int V>
INLINE void correlate(const float* __restrict in, const int* __restrict offsets,
                      const float* __restrict weights, int taps, Floats (&sum)[KB][V]) {
    for (int t = 0; t < taps; t++) {
        const float* at = in + offsets[t];
        Floats x[V];
        for (int v = 0; v < V; v++) x[v] = load(at + v * W);
        for (int k = 0; k < KB; k++) {
            Floats weight = splat(weights[t * KB + k]);
            for (int v = 0; v < V; v++) sum[k][v] += x[v] * weight;
        }
    }
}

constexpr int DOT_FILTERS = 4;
constexpr int DOT_TAPS = REGISTERS == 32 ? 6 : 3;

// sum[k][t] += the vectors of gradient k times what tap t reads, over `vectors` vectors of places.
template <int KB, int TB>
INLINE void dots(const float* __restrict in, const int* __restrict offsets, const float* __restrict gradients,
                 long apart, int vectors, Floats (&sum)[KB][TB]) {
    const float* at[TB];
    for (int t = 0; t < TB; t++) at[t] = in + offsets[t];
    for (long i = 0; i < static_cast<long>(vectors) * W; i += W) {
        Floats d[KB];
        for (int k = 0; k < KB; k++) d[k] = load(gradients + k * apart + i);
        for (int t = 0; t < TB; t++) {
            Floats x = load(at[t] + i);
            for (int k = 0; k < KB; k++) sum[k][t] += d[k] * x;
        }
    }
}
