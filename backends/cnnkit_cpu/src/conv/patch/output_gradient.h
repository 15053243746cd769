// The output's gradient of a convolution by patches, taken back through pooling and ReLU: a number and an
// element's number (or bits) for each window, which both gradients read.
#pragma once

#include "conv/patch/geometry.h"

// dy of one image as `d`, 0 where ReLU stopped the window, and `which`: the number of its largest element, or
// the bits of those that are positive; both [k][padded]. Adds up the bias. Nothing is read from `end` on.
template <bool Max>
static void patch_gradient(const Geometry& g, const Patches& p, const float* dy, const float* end,
                           const uint8_t* marks, float* d, int32_t* which, float* bias) {
    Ints lanes;
    for (int l = 0; l < W; l++) lanes[l] = l;
    for (int k = 0; k < g.K; k++, dy += p.places, marks += p.padded, d += p.padded, which += p.padded) {
        Floats sum = load(bias + k * W);
        for (int i = 0; i < p.places; i += W) {
            Floats v = dy + i + W <= end ? load(dy + i) : load_part(dy + i, p.places - i);
            if (i + W > p.places) v = choose(lanes < splat_int(p.places - i), v, Floats{});
            const Ints byte = load_bytes(marks + i);
            if constexpr (Max) {
                v = choose(byte == splat_int(STOPPED), Floats{}, v);
                sum += v;
            } else {
                v *= splat(0.25f);
                for (int w = 0; w < 4; w++) sum += choose((byte & splat_int(1 << w)) != Ints{}, v, Floats{});
            }
            store(d + i, v);
            *reinterpret_cast<AnyInts*>(which + i) = byte;
        }
        store(bias + k * W, sum);
    }
}

// Element w of window `place`: its gradient.
INLINE float patch_part(bool max, float d, int32_t which, int w) {
    return max ? which == w ? d : 0.0f : which >> w & 1 ? d : 0.0f;
}
