// What normalisation computes of numbers that each channel has one of.
#pragma once

#include <cmath>

#include "core/parallel.h"
#include "interface.h"

// A mean as two numbers, as `norm_statistics` gives it, of one.
EXPORT void norm_center(long C, const float* running_mean, float* mean) {
    for (long c = 0; c < C; c++) mean[c] = running_mean[c], mean[C + c] = 0;
}

// rstd = 1 / sqrt(var + eps), and scale = rstd * weight; without a weight `scale` is null.
EXPORT void norm_scale(long C, const float* var, const float* weight, float eps, float* rstd, float* scale) {
    for (long c = 0; c < C; c++) rstd[c] = 1 / std::sqrt(var[c] + eps);
    if (weight)
        for (long c = 0; c < C; c++) scale[c] = rstd[c] * weight[c];
}

// Running statistics: this part of the old ones is kept, and these parts of the batch's are taken.
EXPORT void norm_running(long C, const float* mean, const float* var, const float* running_mean,
                         const float* running_var, float keep, float take, float take_var, float* new_mean,
                         float* new_var) {
    for (long c = 0; c < C; c++) {
        new_mean[c] = running_mean[c] * keep + (mean[c] + mean[C + c]) * take;
        new_var[c] = running_var[c] * keep + var[c] * take_var;
    }
}

// Group norm in C order: `rows` groups of `parts` channels each, of all images; channels have one number of
// `weight` and of `bias`, of which there are `period`, or none where those are null. For each channel of each
// image its mean (two numbers, as above) and rstd, those of its group, what it is multiplied by, and what is
// added.
EXPORT void norm_parts(long rows, long parts, long period, const float* mean, const float* rstd,
                       const float* weight, const float* bias, float* part_mean, float* part_rstd,
                       float* scale, float* shift) {
    const long all = rows * parts;
    for (long k = 0; k < all; k++) {
        const long row = k / parts;
        part_mean[k] = mean[row], part_mean[all + k] = mean[rows + row], part_rstd[k] = rstd[row];
        if (scale) scale[k] = rstd[row] * weight[k % period];
        if (shift) shift[k] = bias[k % period];
    }
}

// to[k] = the sum over all images of the numbers k of `period`.
EXPORT void norm_sums(long images, long period, const float* from, float* to) {
    for (long k = 0; k < period; k++) {
        double sum = 0;
        for (long n = 0; n < images; n++) sum += from[n * period + k];
        to[k] = static_cast<float>(sum);
    }
}

// y = x * by, one number of `period` for each plane of `size` numbers.
EXPORT void norm_times(int threads, long planes, long size, long period, const float* x, const float* by,
                       float* y) {
    parallel(threads_for(threads, planes * size), planes, [&](long plane, int) {
        const float factor = by[plane % period];
        for (long i = plane * size; i < (plane + 1) * size; i++) y[i] = x[i] * factor;
    });
}

// Running statistics in the K filters of `size` numbers before them, and in their bias. `bias`, `scale` and
// `shift` may be null. Returns whether all is finite, so that the folded filters make what the ops make
// one by one.
EXPORT int norm_fold(int threads, long K, long size, const float* weight, const float* bias,
                     const float* mean, const float* var, const float* scale, const float* shift, float eps,
                     float* filters, float* new_bias) {
    const auto factor_of = [=](long k) { return 1 / std::sqrt(var[k] + eps) * (scale ? scale[k] : 1.0f); };
    bool finite = true;
    for (long k = 0; k < K; k++) {
        const float factor = factor_of(k);
        new_bias[k] = ((bias ? bias[k] : 0.0f) - mean[k]) * factor + (shift ? shift[k] : 0.0f);
        finite = finite && std::isfinite(factor * new_bias[k]);
    }
    parallel(threads_for(threads, K * size), K, [&](long k, int) {
        const float factor = factor_of(k);
        for (long i = k * size; i < (k + 1) * size; i++) filters[i] = weight[i] * factor;
    });
    return finite;
}
