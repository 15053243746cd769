// Batch normalisation: one block for each channel. Mean, then variance about the mean (two passes: stable), then the result.

struct Norm {
    int N, C, H, W;
    int training;
    float momentum, eps;
};

// The elements of channel c, numbered in C order over (n, h, w).
__device__ inline long long offset_of(int i, int c, const Norm& norm, const Strides& by) {
    return i / norm.W / norm.H * by.n + c * by.c + i / norm.W % norm.H * by.h + i % norm.W * by.w;
}
__device__ inline Strides dense(const Norm& norm) {
    const long long plane = static_cast<long long>(norm.H) * norm.W;
    return {norm.C * plane, plane, norm.W, 1};
}

// `mean` and `rstd` are what the channel was normalised with; `new_mean` and `new_var` (may be null) the running statistics
// moved towards the batch's by `momentum`, the variance with divisor count - 1.
template <class T>
__global__ void __launch_bounds__(256) batch_norm(const T* x, const T* weight, const T* bias, const T* running_mean, const T* running_var,
                                                  T* y, float* mean, float* rstd, T* new_mean, T* new_var, Strides x_by, Norm norm) {
    SHARED(Sums, sums);
    const int c = blockIdx.x, count = norm.N * norm.H * norm.W;
    float center, variance;
    if (norm.training) {
        float sum = 0;
        for (int i = threadIdx.x; i < count; i += 256) sum += wide(x[offset_of(i, c, norm, x_by)]);
        center = block_sum(sum, sums) / count;
        sum = 0;
        for (int i = threadIdx.x; i < count; i += 256) {
            float off = wide(x[offset_of(i, c, norm, x_by)]) - center;
            sum += off * off;
        }
        variance = block_sum(sum, sums) / count;
    } else {
        center = wide(running_mean[c]);
        variance = wide(running_var[c]);
    }
    const float reciprocal = 1 / sqrtf(variance + norm.eps);
    const float scale = weight ? reciprocal * wide(weight[c]) : reciprocal, shift = bias ? wide(bias[c]) : 0.0f;
    const Strides y_by = dense(norm);
    for (int i = threadIdx.x; i < count; i += 256)
        y[offset_of(i, c, norm, y_by)] = narrow<T>((wide(x[offset_of(i, c, norm, x_by)]) - center) * scale + shift);
    if (threadIdx.x == 0) {
        mean[c] = center;
        rstd[c] = reciprocal;
        if (new_mean) {
            const float unbiased = variance * (static_cast<float>(count) / (count - 1));
            new_mean[c] = narrow<T>(wide(running_mean[c]) * (1 - norm.momentum) + center * norm.momentum);
            new_var[c] = narrow<T>(wide(running_var[c]) * (1 - norm.momentum) + unbiased * norm.momentum);
        }
    }
}

// Each of dx, dweight and dbias may be null.
template <class T>
__global__ void __launch_bounds__(256) batch_norm_backward(const T* x, const T* dy, const T* weight, const float* mean, const float* rstd,
                                                           T* dx, T* dweight, T* dbias, Strides x_by, Strides dy_by, Norm norm) {
    SHARED(Sums, sums);
    const int c = blockIdx.x, count = norm.N * norm.H * norm.W;
    const float center = mean[c], reciprocal = rstd[c];
    float total = 0, along = 0;
    for (int i = threadIdx.x; i < count; i += 256) {
        const float d = wide(dy[offset_of(i, c, norm, dy_by)]);
        total += d;
        along += d * ((wide(x[offset_of(i, c, norm, x_by)]) - center) * reciprocal);
    }
    total = block_sum(total, sums);
    along = block_sum(along, sums);
    if (threadIdx.x == 0) {
        if (dweight) dweight[c] = narrow<T>(along);
        if (dbias) dbias[c] = narrow<T>(total);
    }
    if (!dx) return;
    const float scale = weight ? reciprocal * wide(weight[c]) : reciprocal;
    const Strides dx_by = dense(norm);
    for (int i = threadIdx.x; i < count; i += 256) {
        float d = wide(dy[offset_of(i, c, norm, dy_by)]);
        if (norm.training) {
            const float normal = (wide(x[offset_of(i, c, norm, x_by)]) - center) * reciprocal;
            d -= (total + normal * along) / count;
        }
        dx[offset_of(i, c, norm, dx_by)] = narrow<T>(d * scale);
    }
}
