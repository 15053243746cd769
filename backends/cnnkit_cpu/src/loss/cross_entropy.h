// Softmax and cross-entropy over class indices, loss and gradient in one pass over the scores.
#pragma once

#include <cmath>

#include "core/parallel.h"
#include "core/transpose.h"
#include "interface.h"

// e^v to about one unit in the last place: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (the coefficients
// of Cephes' expf).
INLINE Floats exponential(Floats v) {
    const Floats low = splat(-87.3f), high = splat(88.7f);
    Floats x = choose(v < low, low, v);
    x = choose(x > high, high, x);
    Floats n = x * splat(1.44269504f);
    // to the nearest integer: 1.5 * 2^23 leaves no fraction
    n = (n + splat(12582912.0f)) - splat(12582912.0f);
    Floats r = x - n * splat(0.693359375f) - n * splat(-2.12194440e-4f);
    Floats p = splat(1.9875691500e-4f);
    for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = p * r + splat(c);
    p = p * r * r + r + splat(1.0f);
    Ints bits = (__builtin_convertvector(n, Ints) + splat_int(127)) << 23;
    Floats scale;
    std::memcpy(&scale, &bits, BYTES);
    p *= scale;
    p = choose(v < low, Floats{}, p);
    return choose(v == v, p, v);  // NaN stays
}

constexpr int FEW_CLASSES = 64;

// The same of up to W samples of few classes, a lane each, to the same bits.
NOINLINE void cross_entropy_lanes(int samples, int C, const float* logits, const int64_t* target,
                                  float* losses, float* gradient) {
    float lanes[FEW_CLASSES * W];
    if (samples < W) std::memset(lanes, 0, static_cast<size_t>(C) * BYTES);
    transpose_matrix(logits, C, samples, C, lanes, W);
    Floats most = load(lanes), sum{};
    for (int c = 1; c < C; c++) {
        const Floats score = load(lanes + c * W);
        most = choose((score > most) | (score != score), score, most);
    }
    for (int c = 0; c < C; c++) store(lanes + c * W, load(lanes + c * W) - most);
    for (int l = 0; l < samples; l++) losses[l] = -lanes[target[l] * W + l];
    for (int c = 0; c < C; c++) {
        const Floats e = exponential(load(lanes + c * W));
        sum += e;
        store(lanes + c * W, e);
    }
    const Floats inverse = splat(1.0f) / sum;
    for (int c = 0; c < C; c++) store(lanes + c * W, load(lanes + c * W) * inverse);
    for (int l = 0; l < samples; l++) {
        losses[l] += std::log(sum[l]);
        lanes[target[l] * W + l] -= 1;
    }
    transpose_matrix(lanes, W, C, samples, gradient, C);
}

// logits (N, C), targets -> each sample's loss, and softmax minus one-hot. Returns the position of the first
// label that is outside 0 ... C - 1 or is `ignored`, else -1; nothing is computed then.
EXPORT long cross_entropy(int threads, long N, long C, const float* logits, const int64_t* target,
                          int64_t ignored, float* losses, float* gradient) {
    for (long n = 0; n < N; n++)
        if (target[n] < 0 || target[n] >= C || target[n] == ignored) return n;
    const long rows = C < 1024 ? (4096 + C - 1) / C : 4;
    parallel(N * C < 8192 ? 1 : threads, (N + rows - 1) / rows, [&](long block, int) {
        const long n0 = block * rows, n1 = n0 + rows < N ? n0 + rows : N;
        if (C <= FEW_CLASSES) {
            for (long n = n0; n < n1; n += W)
                cross_entropy_lanes(static_cast<int>(n1 - n < W ? n1 - n : W), static_cast<int>(C),
                                    logits + n * C, target + n, losses + n, gradient + n * C);
            return;
        }
        for (long n = n0; n < n1; n++) {  // less the row's maximum
            const float* in = logits + n * C;
            float* out = gradient + n * C;
            float most = in[0];
            for (long c = 1; c < C; c++) most = in[c] > most || in[c] != in[c] ? in[c] : most;
            for (long c = 0; c < C; c++) out[c] = in[c] - most;
            losses[n] = -out[target[n]];
        }
        float* flat = gradient + n0 * C;
        const long count = (n1 - n0) * C;
        long i = 0;
        for (; i + W <= count; i += W) store(flat + i, exponential(load(flat + i)));
        if (i < count) {
            const int rest = static_cast<int>(count - i);
            store_part(flat + i, exponential(load_part(flat + i, rest)), rest);
        }
        for (long n = n0; n < n1; n++) {
            float* out = gradient + n * C;
            float sum = 0;
            for (long c = 0; c < C; c++) sum += out[c];
            losses[n] += std::log(sum);
            const float inverse = 1 / sum;
            for (long c = 0; c < C; c++) out[c] *= inverse;
            out[target[n]] -= 1;
        }
    });
    return -1;
}

// The sum of the losses, in double precision and in order, divided.
EXPORT void mean_of(long N, const float* losses, long divisor, float* mean) {
    double sum = 0;
    for (long n = 0; n < N; n++) sum += losses[n];
    *mean = static_cast<float>(sum / static_cast<double>(divisor));
}

// One number divided, in double precision.
EXPORT void divided(const float* number, long divisor, float* result) {
    *result = static_cast<float>(static_cast<double>(*number) / static_cast<double>(divisor));
}

// dx = gradient * by, and the same with one factor for each sample.
EXPORT void scale_rows(int threads, long N, long C, const float* gradient, const float* by, int per_sample,
                       float* dx) {
    parallel(N * C < 65536 ? 1 : threads, (N + 63) / 64, [&](long block, int) {
        for (long n = block * 64; n < N && n < (block + 1) * 64; n++)
            for (long c = 0; c < C; c++) dx[n * C + c] = gradient[n * C + c] * by[per_sample ? n : 0];
    });
}
