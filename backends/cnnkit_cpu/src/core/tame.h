// Whether numbers are finite, and so small that no sum of their products overflows: what decides whether a
// fast loop, which multiplies by zeros that no result sees, may stand for a careful one.
#pragma once

#include "core/vector.h"

constexpr float TAME = 1e15f;  // of numbers no larger than this, no sum of products overflows or is NaN

// Whether all numbers are at most TAME in size: then the fast code, which ignores NaN and infinity, is right.
INLINE bool tame(const float* p, long n) {
    const Ints sign = splat_int(0x7fffffff), most = splat_int(0x58635fa9);  // 1e15's bits; NaN's are larger
    Ints wild{};
    long i = 0;
    for (; i + W <= n; i += W) {
        Ints bits = *reinterpret_cast<const AnyInts*>(p + i);
        wild |= (bits & sign) > most;
    }
    int32_t any = 0;
    for (int l = 0; l < W; l++) any |= wild[l];
    for (; i < n; i++) {
        int32_t bits;
        std::memcpy(&bits, p + i, 4);
        any |= (bits & 0x7fffffff) > 0x58635fa9 ? -1 : 0;
    }
    return any == 0;
}

INLINE bool all_zero(Floats v) {
    for (int l = 0; l < W; l++)
        if (!(v[l] == 0)) return false;
    return true;
}
