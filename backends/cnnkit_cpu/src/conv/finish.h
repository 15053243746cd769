// What a convolution does to its sums before they are results: it adds the branch that a residual block ends
// with, and applies an activation. Bounds (ReLU, ReLU6) are taken in registers; another function is applied
// to what has just been written, which is still in the cache.
#pragma once

#include <cmath>

#include "elementwise/activation.h"

struct Bounds {
    Floats low = splat(-INFINITY), high = splat(INFINITY);

    Floats of(Floats v) const { return choose(v <= low, low, choose(v >= high, high, v)); }  // NaN stays
    Floats of_number(Floats v) const { return larger(smaller(v, high), low); }
};

struct Finish {
    const float* addend;         // in the order of the results; or null
    int function = NO_FUNCTION;  // what is left to apply after the bounds
    float a, b;
    bool bounded = false;
    Bounds bounds;

    Finish(const float* addend, int function, float a, float b) : addend(addend), a(a), b(b) {
        if (function == RELU)
            bounds.low = Floats{};
        else if (function == HARDTANH)
            bounds = {splat(a), splat(b)};
        else
            this->function = function;
        bounded = function == RELU || function == HARDTANH;
    }
    // Apply what is left to `count` results.
    void complete(float* y, long count) const {
        if (function != NO_FUNCTION) activate(function, a, b, count, y, y);
    }
};
