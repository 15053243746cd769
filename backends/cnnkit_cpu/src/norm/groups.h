// Group and instance normalisation with the channels last in memory: an image is a task, and stays in the
// cache for the passes over it. Each channel's sums are added up to those of its group.
//
// A group's mean is two numbers, as in planes.h: mean[n * groups + g], and as many further on what it is
// beyond.
#pragma once

#include "core/blocking.h"
#include "interface.h"
#include "norm/channels_last.h"

// Sums over an image's pixels, of each channel, of the two numbers that read(at, c, &, &) sets, in spans that
// meet in double precision. The sums' memory is the caller's.
template <class Read>
INLINE void sums_of_channels(long pixels, long C, Read read, double* first, double* second) {
    for (long c = 0; c < C; c++) first[c] = second[c] = 0;
    for (long start = 0; start < pixels; start += SPAN_ROWS) {
        const long end = start + SPAN_ROWS < pixels ? start + SPAN_ROWS : pixels;
        over_channels<2>(C, [&](long c, auto vectors, auto how) {
            constexpr int V = decltype(vectors)::value;
            Floats a[V]{}, b[V]{};
            for (long i = start; i < end; i++)
                for (int v = 0; v < V; v++) {
                    Floats one, two;
                    read(i * C + c + v * W, c + v * W, how, one, two);
                    a[v] += one, b[v] += two;
                }
            for (int v = 0; v < V; v++)
                for (long l = 0; l < W && c + v * W + l < C; l++)
                    first[c + v * W + l] += a[v][l], second[c + v * W + l] += b[v][l];
        });
    }
}

// x (N, pixels, C), `groups` of neighbouring channels -> y; mean and rstd are for the gradient. Weight and
// bias may be null.
EXPORT void group_norm_forward(int threads, long N, long pixels, long C, long groups, float eps,
                               const float* x, const float* weight, const float* bias, float* mean,
                               float* rstd, float* y) {
    const long D = C / groups, all = N * groups;
    parallel(threads_for(threads, N * pixels * C), N, [&](long n, int) {
        const float* from = x + n * pixels * C;
        float* to = y + n * pixels * C;
        std::vector<double> sums(C), squares(C);
        std::vector<float> center(C + W), beyond(C + W), scale(C + W), shift(C + W);
        for (long c = 0; c < C; c++) center[c] = center_or_zero(from[c / D * D]);
        const auto about = [&](long at, long c, auto how, Floats& a, Floats& b) {
            a = how.read(from + at) - load(&center[c]) - load(&beyond[c]);
            b = a * a;
        };
        sums_of_channels(pixels, C, about, sums.data(), squares.data());
        for (long g = 0; g < groups; g++) {
            double sum = 0;
            for (long c = g * D; c < (g + 1) * D; c++) sum += sums[c];
            const float more = static_cast<float>(sum / (static_cast<double>(pixels) * D));
            for (long c = g * D; c < (g + 1) * D; c++) beyond[c] = more;
            mean[n * groups + g] = center[g * D], mean[all + n * groups + g] = more;
        }
        sums_of_channels(pixels, C, about, sums.data(), squares.data());
        for (long g = 0; g < groups; g++) {
            double square = 0;
            for (long c = g * D; c < (g + 1) * D; c++) square += squares[c];
            const float var = static_cast<float>(square / (static_cast<double>(pixels) * D));
            const float r = rstd[n * groups + g] = 1 / std::sqrt(var + eps);
            for (long c = g * D; c < (g + 1) * D; c++) {
                scale[c] = weight ? r * weight[c] : r;
                shift[c] = bias ? bias[c] : 0.0f;
            }
        }
        over_channels<1>(C, [&](long c, auto, auto how) {
            const Floats m = load(&center[c]), more = load(&beyond[c]), by = load(&scale[c]),
                         add = load(&shift[c]);
            for (long at = c; at < pixels * C; at += C)
                how.write(to + at, (how.read(from + at) - m - more) * by + add);
        });
    });
}

// Doubles that group_norm_backward needs.
EXPORT long group_norm_room(long N, long C) { return 2 * N * C + LINE; }

// dx, dweight and dbias; each may be null.
EXPORT void group_norm_backward(int threads, long N, long pixels, long C, long groups, const float* x,
                                const float* weight, const float* mean, const float* rstd, const float* dy,
                                float* dx, float* dweight, float* dbias, double* room) {
    const long D = C / groups, all = N * groups;
    parallel(threads_for(threads, N * pixels * C), N, [&](long n, int) {
        const float *from = x + n * pixels * C, *above = dy + n * pixels * C;
        double *plain = room + n * C, *along = room + (N + n) * C;
        std::vector<float> center(C + W), beyond(C + W), r(C + W), by(C + W), less(C + W), slope(C + W);
        for (long c = 0; c < C; c++) {
            const long g = n * groups + c / D;
            center[c] = mean[g], beyond[c] = mean[all + g], r[c] = rstd[g];
        }
        sums_of_channels(
            pixels, C,
            [&](long at, long c, auto how, Floats& a, Floats& b) {
                a = how.read(above + at);
                b = a * ((how.read(from + at) - load(&center[c]) - load(&beyond[c])) * load(&r[c]));
            },
            plain, along);
        if (!dx) return;
        for (long g = 0; g < groups; g++) {
            double total = 0, moment = 0;
            for (long c = g * D; c < (g + 1) * D; c++) {
                total += plain[c] * (weight ? weight[c] : 1.0f);
                moment += along[c] * (weight ? weight[c] : 1.0f);
            }
            const double count = static_cast<double>(pixels) * D;
            for (long c = g * D; c < (g + 1) * D; c++) {
                less[c] = static_cast<float>(total / count);
                slope[c] = static_cast<float>(moment / count) * r[c];
                by[c] = weight ? weight[c] : 1.0f;
            }
        }
        float* to = dx + n * pixels * C;
        over_channels<1>(C, [&](long c, auto, auto how) {
            const Floats m = load(&center[c]), more = load(&beyond[c]), w = load(&by[c]), l = load(&less[c]),
                         s = load(&slope[c]), scale = load(&r[c]);
            for (long at = c; at < pixels * C; at += C) {
                const Floats offset = how.read(from + at) - m - more;
                how.write(to + at, (how.read(above + at) * w - l - offset * s) * scale);
            }
        });
    });
    for (long c = 0; c < C; c++) {
        double total = 0, moment = 0;
        for (long n = 0; n < N; n++) total += room[n * C + c], moment += room[(N + n) * C + c];
        if (dbias) dbias[c] = static_cast<float>(total);
        if (dweight) dweight[c] = static_cast<float>(moment);
    }
}
