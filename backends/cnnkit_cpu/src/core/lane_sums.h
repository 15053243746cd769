// Sums over the lanes of vectors, in a tree of fixed form: the same order, hence the same bits, wherever they
// are asked for.
#pragma once

#include "core/vector.h"

// The sum of all lanes, in a tree.
INLINE float total(Floats v) {
    float a[W];
    std::memcpy(a, &v, BYTES);
    for (int n = W / 2; n; n /= 2)
        for (int i = 0; i < n; i++) a[i] += a[i + n];
    return a[0];
}

// Two vectors as one: lane i is half i / Half % 2 of 2 * Half neighbouring lanes, added to the other, from a
// or from b by turns.
template <int Half, size_t... I>
INLINE Floats halved(Floats a, Floats b, std::index_sequence<I...>) {
    return lanes_of<(int(I) / Half % 2 * W + int(I) / (2 * Half) * 2 * Half + int(I) % Half)...>(a, b) +
           lanes_of<(int(I) / Half % 2 * W + int(I) / (2 * Half) * 2 * Half + int(I) % Half + Half)...>(a, b);
}

// The sums of all lanes of up to W vectors at once, in the same tree as `total`; lane i is the sum of vector
// i.
template <int N, int Half = W / 2>
INLINE Floats totals(const Floats* v) {
    if constexpr (Half == 0) {
        return N > 0 ? v[0] : Floats{};
    } else {
        Floats level[Half];
        for (int i = 0; i < Half; i++)
            level[i] = i < N ? halved<Half>(v[i], i + Half < N ? v[i + Half] : Floats{},
                                            std::make_index_sequence<W>{})
                             : Floats{};
        return totals<(N < Half ? N : Half), Half / 2>(level);
    }
}

// Add to numbers the sums of up to W vectors' lanes.
NOINLINE void add_totals(int count, const Floats* vectors, float* numbers) {
    Floats all[W]{};
    for (int i = 0; i < count; i++) all[i] = vectors[i];
    const Floats sums = totals<W>(all);
    for (int i = 0; i < count; i++) numbers[i] += sums[i];
}

// One number for each vector: the sum of its lanes.
static void add_lanes(long count, const float* vectors, float* sums) {
    for (long i = 0; i < count; i += W) {
        Floats part[W]{};
        const int some = count - i < W ? static_cast<int>(count - i) : W;
        for (int l = 0; l < some; l++) part[l] = load(vectors + (i + l) * W);
        const Floats all = totals<W>(part);
        std::memcpy(sums + i, &all, some * sizeof(float));
    }
}
