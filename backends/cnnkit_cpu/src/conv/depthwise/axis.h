// What a depthwise convolution reads along one axis: for each result the places of the image and the taps
// that meet there. Places beside the image are left out, so nothing is padded.
#pragma once

#include <vector>

#include "conv/product/shape.h"

struct TapAxis {
    std::vector<int> begin{0}, place, tap;  // of result i: begin[i] to begin[i + 1]
    int first = 0, last = 0, step = 0;  // results from first to last read `kernel` neighbours, `step` apart

    int results() const { return static_cast<int>(begin.size()) - 1; }
    int count(int i) const { return begin[i + 1] - begin[i]; }

    void add(int at, int number) { place.push_back(at), tap.push_back(number); }
    void end_result() { begin.push_back(static_cast<int>(place.size())); }

    // Find the results that read alike.
    void find_regular(int kernel) {
        const auto regular = [&](int i) {
            for (int k = begin[i]; k + 1 < begin[i + 1]; k++)
                if (place[k + 1] != place[k] + 1) return false;
            return count(i) == kernel;
        };
        while (first < results() && !regular(first)) first++;
        last = first;
        while (last < results() && regular(last)) {
            const int from = last == first ? 0 : place[begin[last]] - place[begin[last - 1]];
            if (last == first + 1) step = from;
            if (last > first && from != step) break;
            last++;
        }
    }
};

// Of the convolution itself.
static TapAxis forward_axis(int results, int pixels, int kernel, int stride, int dilation, int before) {
    TapAxis axis;
    for (int i = 0; i < results; i++, axis.end_result())
        for (int k = 0; k < kernel; k++)
            if (const long at = static_cast<long>(i) * stride - before + static_cast<long>(k) * dilation;
                at >= 0 && at < pixels)
                axis.add(static_cast<int>(at), k);
    axis.find_regular(kernel);
    return axis;
}

// Of its input's gradient, which is read from the gradients of its results.
static TapAxis backward_axis(int pixels, int results, int kernel, int stride, int dilation, int before) {
    TapAxis axis;
    for (int i = 0; i < pixels; i++, axis.end_result())
        for (int k = kernel - 1; k >= 0; k--)
            if (const long at = static_cast<long>(i) + before - static_cast<long>(k) * dilation;
                at >= 0 && at % stride == 0 && at / stride < results)
                axis.add(static_cast<int>(at / stride), k);
    axis.find_regular(kernel);
    return axis;
}

// weight (C, R, S) -> (R, S, C)
static void filters_last(const float* weight, int C, int taps, float* to) {
    for (int c = 0; c < C; c++)
        for (int t = 0; t < taps; t++)
            to[static_cast<long>(t) * C + c] = weight[static_cast<long>(c) * taps + t];
}

// Call body(c) for the vectors of C >= W channels; the last one begins where it ends with the channels, so
// some channels may come twice.
template <class Body>
INLINE void over_vectors(int C, Body body) {
    int c = 0;
    for (; c + W <= C; c += W) body(c);
    if (c < C) body(C - W);
}
