// exp and exp - 1 of vectors, to about two units in the last place: the same operations, hence the same bits,
// in every lane and on every part of an array.
#pragma once

#include <limits>

#include "core/vector.h"

INLINE Floats at_most(Floats x, float limit) {
    return choose(x > splat(limit), splat(limit), x);
}  // NaN stays
INLINE Floats at_least(Floats x, float limit) { return choose(x < splat(limit), splat(limit), x); }

// x = n ln 2 + rest: the whole number n, and exp(rest) - 1 by its series, for |x| below 2^21.
struct Exponent {
    Ints n;
    Floats rest;
};

INLINE Exponent exponent_of(Floats x) {
    constexpr float SHIFT = 12582912.0f;  // 1.5 * 2^23: a float of this size has no fraction
    const Floats shifted = x * splat(1.44269504f) + splat(SHIFT), n = shifted - splat(SHIFT);
    const Floats r = x - n * splat(0.693359375f) - n * splat(-2.12194440e-4f);  // ln 2 in two parts
    Floats p = r * splat(1 / 5040.0f) + splat(1 / 720.0f);
    p = p * r + splat(1 / 120.0f);
    p = p * r + splat(1 / 24.0f);
    p = p * r + splat(1 / 6.0f);
    p = p * r + splat(0.5f);
    return {reinterpret_cast<Ints>(shifted) - reinterpret_cast<Ints>(splat(SHIFT)), p * (r * r) + r};
}

INLINE Floats power_of_two(Ints n) { return reinterpret_cast<Floats>((n + splat_int(127)) << 23); }

INLINE Floats exp(Floats x) {
    const Exponent e = exponent_of(at_least(at_most(x, 90), -105));
    const Ints half = e.n >> 1;  // two factors: one alone would be beyond the largest float, or denormal
    return (splat(1) + e.rest) * power_of_two(half) * power_of_two(e.n - half);
}

// exp(x) - 1 without cancellation, for x up to 80.
INLINE Floats expm1(Floats x) {
    const Exponent e = exponent_of(at_least(at_most(x, 80), -30));
    const Floats scale = power_of_two(e.n);
    return e.rest * scale + (scale - splat(1));
}

INLINE Floats tanh(Floats x) {
    const Floats e = expm1(at_least(at_most(x, 10), -10) * splat(2));
    return e / (e + splat(2));
}

INLINE Floats sigmoid(Floats x) { return splat(1) / (splat(1) + exp(-x)); }
