// The filters' gradient from sums in which filters lie together: blocks of vectors, turned over.
#pragma once

#include "core/transpose.h"
#include "core/vector.h"

// Weights from 0 to `count` of some filters: of weight f the filters' numbers begin at row(f), one beside the
// other and filled up to whole vectors; filter k's go to `to + k * apart`. `finite` stays 0 as long as all
// numbers are finite.
template <class Row>
INLINE void filters_first(int filters, long count, const Row& row, float* to, long apart,
                          Floats& finite) {
    for (long f = 0; f < count; f += W) {
        const int some = count - f < W ? static_cast<int>(count - f) : W;
        const float* rows[W];
        for (int i = 0; i < some; i++) rows[i] = row(f + i);
        for (int k = 0; k < filters; k += W) {
            Floats v[W];
            for (int i = 0; i < W; i++) {
                v[i] = i < some ? load(rows[i] + k) : Floats{};
                finite += v[i] * splat(0.0f);
            }
            transpose(v);
            const int filled = filters - k < W ? filters - k : W;
            for (int j = 0; j < filled; j++) store_up_to(to + (k + j) * apart + f, v[j], some);
        }
    }
}
