// Winograd's transforms along one axis, F(4, 3) and F(2, 3): a tile's M + 2 numbers to and from the M results
// and the 3 weights.
#pragma once

#include "core/vector.h"

// `n` and `m` are how many vectors the numbers lie apart, where they are read and where they are written.
template <int M>
struct Axes;

template <>
struct Axes<4> {
    INLINE void image(const Floats* d, int n, Floats* o, int m) {
        const Floats d0 = d[0], d1 = d[n], d2 = d[2 * n], d3 = d[3 * n], d4 = d[4 * n], d5 = d[5 * n];
        const Floats even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1, rest = d4 - d2, twice = 2.0f * (d3 - d1);
        o[0] = 4.0f * d0 - 5.0f * d2 + d4;
        o[m] = even + odd;
        o[2 * m] = even - odd;
        o[3 * m] = rest + twice;
        o[4 * m] = rest - twice;
        o[5 * m] = 4.0f * d1 - 5.0f * d3 + d5;
    }
    INLINE void filter(const Floats* g, int n, Floats* o, int m) {
        const Floats g0 = g[0], g1 = g[n], g2 = g[2 * n];
        const Floats ends = g0 * (-1.0f / 6) + g2 * (-1.0f / 6), middle = g1 * (1.0f / 6);
        const Floats far = g0 * (1.0f / 24) + g2 * (1.0f / 6), half = g1 * (1.0f / 12);
        o[0] = g0 * 0.25f;
        o[m] = ends - middle;
        o[2 * m] = ends + middle;
        o[3 * m] = far + half;
        o[4 * m] = far - half;
        o[5 * m] = g2;
    }
    INLINE void result(const Floats* t, int n, Floats* o, int m) {
        const Floats s1 = t[n] + t[2 * n], d1 = t[n] - t[2 * n], s2 = t[3 * n] + t[4 * n],
                     d2 = t[3 * n] - t[4 * n];
        o[0] = t[0] + s1 + s2;
        o[m] = d1 + 2.0f * d2;
        o[2 * m] = s1 + 4.0f * s2;
        o[3 * m] = d1 + 8.0f * d2 + t[5 * n];
    }
    INLINE void result_back(const Floats* y, int n, Floats* o, int m) {
        const Floats y0 = y[0], y1 = y[n], y2 = y[2 * n], y3 = y[3 * n];
        const Floats even = y0 + y2, odd = y1 + y3, evens = y0 + 4.0f * y2, odds = 2.0f * y1 + 8.0f * y3;
        o[0] = y0;
        o[m] = even + odd;
        o[2 * m] = even - odd;
        o[3 * m] = evens + odds;
        o[4 * m] = evens - odds;
        o[5 * m] = y3;
    }
    INLINE void filter_back(const Floats* u, int n, Floats* o, int m) {
        const Floats s1 = (u[n] + u[2 * n]) * (1.0f / 6), d1 = (u[2 * n] - u[n]) * (1.0f / 6);
        const Floats s2 = u[3 * n] + u[4 * n], d2 = (u[3 * n] - u[4 * n]) * (1.0f / 12);
        o[0] = u[0] * 0.25f - s1 + s2 * (1.0f / 24);
        o[m] = d1 + d2;
        o[2 * m] = s2 * (1.0f / 6) - s1 + u[5 * n];
    }
};

template <>
struct Axes<2> {
    INLINE void image(const Floats* d, int n, Floats* o, int m) {
        const Floats d0 = d[0], d1 = d[n], d2 = d[2 * n], d3 = d[3 * n];
        o[0] = d0 - d2;
        o[m] = d1 + d2;
        o[2 * m] = d2 - d1;
        o[3 * m] = d1 - d3;
    }
    INLINE void filter(const Floats* g, int n, Floats* o, int m) {
        const Floats ends = (g[0] + g[2 * n]) * 0.5f, middle = g[n] * 0.5f, g0 = g[0], g2 = g[2 * n];
        o[0] = g0;
        o[m] = ends + middle;
        o[2 * m] = ends - middle;
        o[3 * m] = g2;
    }
    INLINE void result(const Floats* t, int n, Floats* o, int m) {
        const Floats t1 = t[n], t2 = t[2 * n], t3 = t[3 * n];
        o[0] = t[0] + t1 + t2;
        o[m] = t1 - t2 - t3;
    }
    INLINE void result_back(const Floats* y, int n, Floats* o, int m) {
        const Floats y0 = y[0], y1 = y[n];
        o[0] = y0;
        o[m] = y0 + y1;
        o[2 * m] = y0 - y1;
        o[3 * m] = Floats{} - y1;
    }
    INLINE void filter_back(const Floats* u, int n, Floats* o, int m) {
        const Floats sum = (u[n] + u[2 * n]) * 0.5f, difference = (u[n] - u[2 * n]) * 0.5f, u0 = u[0],
                     u3 = u[3 * n];
        o[0] = u0 + sum;
        o[m] = difference;
        o[2 * m] = sum + u3;
    }
};
