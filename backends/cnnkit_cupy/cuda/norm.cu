// Batch normalisation. Channels lie side by side in a block: `side` threads a row, each with `lanes`
// channels, and 256 / side rows, which share the pixels (all n, h, w). Sums over pixels are made in two
// steps, slices of pixels and then all slices, in an order that depends on the shape only. `lanes` is 1,
// whatever the strides, or 16 bytes of an array whose memory has the channels last without gaps.
//
// Numbers are summed up as differences to a center near them, so that those which hardly differ beside their
// size lose no digits: in training a channel's first number, in evaluation its running mean. `mean` has all
// centers, then what the means are beyond them.

struct Norm {
    int N, C, H, W;
    int side, pixels;  // threads a row of a block, pixels of a slice
    int slices;
    int training, relu;
    float momentum, eps;
};

// a thread's first channel, its row, and how many rows there are
template <int lanes> struct Mine { int c, row, rows; };
template <int lanes> __device__ inline Mine<lanes> mine(const Norm& norm) {
    const int thread = threadIdx.x;
    return {static_cast<int>(blockIdx.y * norm.side + thread % norm.side) * lanes,
            thread / norm.side, 256 / norm.side};
}

// Where pixel i of channel c is, pixels being numbered in C order over (n, h, w).
template <int lanes>
__device__ inline long long offset_of(int i, int c, const Norm& norm, const Strides& by) {
    if (lanes > 1) return static_cast<long long>(i) * norm.C + c;
    return i / norm.W / norm.H * by.n + c * by.c + i / norm.W % norm.H * by.h + i % norm.W * by.w;
}

// `lanes` numbers of an array for the channels from c on; what stands for them where there is none.
template <int lanes, class T>
__device__ inline void of_channels(float (&values)[lanes], const T* array, int c, float otherwise) {
    for (int k = 0; k < lanes; k++) values[k] = array ? wide(array[c + k]) : otherwise;
}

// A center, or 0 where nothing may be taken from large numbers, because that might overflow.
__device__ inline float center_or_zero(float x) { return fabsf(x) <= 7.9e28f ? x : 0; }

// Each channel's center; the mean of each slice beyond it, and the sum of squares about that.
template <class T, int lanes>
__global__ void __launch_bounds__(256) batch_norm_slices(const T* x, float* mean, float* means,
                                                         float* squares, Strides by, Norm norm) {
    SHARED(Columns<lanes>, columns);
    const Mine<lanes> at = mine<lanes>(norm);
    const int first = blockIdx.x * norm.pixels, end = min(first + norm.pixels, norm.N * norm.H * norm.W);
    float sums[lanes] = {}, center[lanes] = {}, beyond[lanes];
    if (at.c < norm.C) {
        const Vector<T, lanes> start = load<lanes>(x + offset_of<lanes>(0, at.c, norm, by));
        for (int k = 0; k < lanes; k++) center[k] = center_or_zero(wide(start.of[k]));
        for (int i = first + at.row; i < end; i += at.rows) {
            const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, by));
            for (int k = 0; k < lanes; k++) sums[k] += wide(values.of[k]) - center[k];
        }
    }
    sum_rows(sums, norm.side, columns);
    for (int k = 0; k < lanes; k++) {
        beyond[k] = sums[k] / (end - first);
        sums[k] = 0;
    }
    if (at.c < norm.C)
        for (int i = first + at.row; i < end; i += at.rows) {
            const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, by));
            for (int k = 0; k < lanes; k++) {
                const float off = wide(values.of[k]) - center[k] - beyond[k];
                sums[k] += off * off;
            }
        }
    sum_rows(sums, norm.side, columns);
    if (at.row || at.c >= norm.C) return;
    for (int k = 0; k < lanes; k++) {
        if (blockIdx.x == 0) mean[at.c + k] = center[k];
        means[static_cast<long long>(blockIdx.x) * norm.C + at.c + k] = beyond[k];
        squares[static_cast<long long>(blockIdx.x) * norm.C + at.c + k] = sums[k];
    }
}

// What each channel is normalised with: the moments of all slices, or the running ones; 32 channels a block.
// `new_mean` and `new_var` (may be null) are the running statistics moved towards the batch's by `momentum`,
// the variance with divisor count - 1.
template <class T>
__global__ void __launch_bounds__(256) batch_norm_moments(
    const float* means, const float* squares, const T* running_mean,
    const T* running_var, float* mean, float* rstd, T* new_mean, T* new_var, Norm norm) {
    SHARED(Columns<1>, columns);
    const int thread = threadIdx.x, c = blockIdx.x * 32 + thread % 32, pixels = norm.N * norm.H * norm.W;
    const int slices = norm.training && c < norm.C ? norm.slices : 0;
    float sum[1] = {};
    for (int slice = thread / 32; slice < slices; slice += 8)
        sum[0] += means[static_cast<long long>(slice) * norm.C + c]
                  * min(norm.pixels, pixels - slice * norm.pixels);
    sum_rows(sum, 32, columns);
    const float beyond = sum[0] / pixels;
    sum[0] = 0;
    for (int slice = thread / 32; slice < slices; slice += 8) {
        const long long i = static_cast<long long>(slice) * norm.C + c;
        const float apart = means[i] - beyond;
        sum[0] += squares[i] + apart * apart * min(norm.pixels, pixels - slice * norm.pixels);
    }
    sum_rows(sum, 32, columns);
    if (thread >= 32 || c >= norm.C) return;
    const float variance = norm.training ? sum[0] / pixels : wide(running_var[c]);
    if (!norm.training) mean[c] = wide(running_mean[c]);
    mean[norm.C + c] = norm.training ? beyond : 0;
    rstd[c] = 1 / sqrtf(variance + norm.eps);
    if (new_mean) {
        const float unbiased = variance * (static_cast<float>(pixels) / (pixels - 1));
        new_mean[c] = narrow<T>(wide(running_mean[c]) * (1 - norm.momentum)
                                  + (mean[c] + beyond) * norm.momentum);
        new_var[c] = narrow<T>(wide(running_var[c]) * (1 - norm.momentum) + unbiased * norm.momentum);
    }
}

// (x - mean) rstd weight + bias, plus the `addend` (may be null), and with `relu` the larger of that and 0.
template <class T, int lanes>
__global__ void __launch_bounds__(256) batch_norm(const T* x, const T* weight, const T* bias, const T* addend,
                                                  const float* mean, const float* rstd, T* y,
                                                  Strides by, Strides addend_by, Norm norm) {
    const Mine<lanes> at = mine<lanes>(norm);
    if (at.c >= norm.C) return;
    float center[lanes], beyond[lanes], scale[lanes], shift[lanes];
    of_channels<lanes>(center, mean, at.c, 0);
    of_channels<lanes>(beyond, mean, norm.C + at.c, 0);
    of_channels<lanes>(scale, weight, at.c, 1);
    of_channels<lanes>(shift, bias, at.c, 0);
    for (int k = 0; k < lanes; k++) scale[k] *= rstd[at.c + k];
    const int first = blockIdx.x * norm.pixels, end = min(first + norm.pixels, norm.N * norm.H * norm.W);
    for (int i = first + at.row; i < end; i += at.rows) {
        const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, by));
        Vector<T, lanes> result, added = {};
        if (addend) added = load<lanes>(addend + offset_of<lanes>(i, at.c, norm, addend_by));
        for (int k = 0; k < lanes; k++) {
            float value = (wide(values.of[k]) - center[k] - beyond[k]) * scale[k] + shift[k];
            if (addend) value += wide(added.of[k]);
            result.of[k] = narrow<T>(norm.relu && value <= 0 ? 0.0f : value);
        }
        store(y + static_cast<long long>(i) * norm.C + at.c, result);
    }
}

// How the gradient passes the ReLU: where the result (may be null: there is none) is larger than 0.
template <class T, int lanes>
__device__ inline float passed(const Vector<T, lanes>& d, const Vector<T, lanes>& y,
                               int k, const Norm& norm) {
    return norm.relu && wide(y.of[k]) <= 0 ? 0.0f : wide(d.of[k]);
}

// The sums of dy, and of dy times the normalised x, over each slice. `y` is the result, and only looked
// at with `relu`.
template <class T, int lanes>
__global__ void __launch_bounds__(256) batch_norm_backward_slices(
    const T* x, const T* dy, const T* y, const float* mean,
    const float* rstd, float* totals, float* alongs, Strides x_by,
    Strides dy_by, Norm norm) {
    SHARED(Columns<lanes>, columns);
    const Mine<lanes> at = mine<lanes>(norm);
    const int first = blockIdx.x * norm.pixels, end = min(first + norm.pixels, norm.N * norm.H * norm.W);
    float total[lanes] = {}, along[lanes] = {};
    if (at.c < norm.C) {
        float center[lanes], beyond[lanes], reciprocal[lanes];
        of_channels<lanes>(center, mean, at.c, 0);
        of_channels<lanes>(beyond, mean, norm.C + at.c, 0);
        of_channels<lanes>(reciprocal, rstd, at.c, 0);
        for (int i = first + at.row; i < end; i += at.rows) {
            const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, x_by));
            const Vector<T, lanes> ds = load<lanes>(dy + offset_of<lanes>(i, at.c, norm, dy_by));
            Vector<T, lanes> ys = {};
            if (norm.relu) ys = load<lanes>(y + static_cast<long long>(i) * norm.C + at.c);
            for (int k = 0; k < lanes; k++) {
                const float d = passed<T, lanes>(ds, ys, k, norm);
                total[k] += d;
                along[k] += d * ((wide(values.of[k]) - center[k] - beyond[k]) * reciprocal[k]);
            }
        }
    }
    sum_rows(total, norm.side, columns);
    sum_rows(along, norm.side, columns);
    if (at.row || at.c >= norm.C) return;
    for (int k = 0; k < lanes; k++) {
        totals[static_cast<long long>(blockIdx.x) * norm.C + at.c + k] = total[k];
        alongs[static_cast<long long>(blockIdx.x) * norm.C + at.c + k] = along[k];
    }
}

// Both sums over all slices, 32 channels a block: for dx, and as the gradients of weight and bias
// (may be null).
template <class T>
__global__ void __launch_bounds__(256) batch_norm_sums(const float* totals, const float* alongs, float* total,
                                                       float* along, T* dweight, T* dbias, Norm norm) {
    SHARED(Columns<2>, columns);
    const int thread = threadIdx.x, c = blockIdx.x * 32 + thread % 32;
    float sums[2] = {};
    if (c < norm.C)
        for (int slice = thread / 32; slice < norm.slices; slice += 8) {
            sums[0] += totals[static_cast<long long>(slice) * norm.C + c];
            sums[1] += alongs[static_cast<long long>(slice) * norm.C + c];
        }
    sum_rows(sums, 32, columns);
    if (thread >= 32 || c >= norm.C) return;
    total[c] = sums[0];
    along[c] = sums[1];
    if (dbias) dbias[c] = narrow<T>(sums[0]);
    if (dweight) dweight[c] = narrow<T>(sums[1]);
}

// dx = (dy - (total + normal * along) / count) rstd weight in training, else dy rstd weight. With `relu` dy is
// what passes it; that is the gradient of the addend, too, where `daddend` is not null.
template <class T, int lanes>
__global__ void __launch_bounds__(256) batch_norm_backward(
    const T* x, const T* dy, const T* y, const T* weight, const float* mean, const float* rstd,
    const float* total, const float* along, T* dx, T* daddend, Strides x_by, Strides dy_by, Norm norm) {
    const Mine<lanes> at = mine<lanes>(norm);
    if (at.c >= norm.C) return;
    const int count = norm.N * norm.H * norm.W;
    // dx = (dy - steady - (x - center - beyond) slope) scale
    float scale[lanes], center[lanes], beyond[lanes], steady[lanes], slope[lanes];
    of_channels<lanes>(scale, weight, at.c, 1);
    of_channels<lanes>(center, mean, at.c, 0);
    of_channels<lanes>(beyond, mean, norm.C + at.c, 0);
    for (int k = 0; k < lanes; k++) {
        scale[k] *= rstd[at.c + k];
        steady[k] = norm.training ? total[at.c + k] / count : 0;
        slope[k] = norm.training ? rstd[at.c + k] * (along[at.c + k] / count) : 0;
    }
    const int first = blockIdx.x * norm.pixels, end = min(first + norm.pixels, count);
    for (int i = first + at.row; i < end; i += at.rows) {
        Vector<T, lanes> values = {}, ys = {}, result, after;
        if (norm.training) values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, x_by));
        if (norm.relu) ys = load<lanes>(y + static_cast<long long>(i) * norm.C + at.c);
        const Vector<T, lanes> ds = load<lanes>(dy + offset_of<lanes>(i, at.c, norm, dy_by));
        for (int k = 0; k < lanes; k++) {
            float d = passed<T, lanes>(ds, ys, k, norm);
            after.of[k] = narrow<T>(d);
            if (norm.training) d -= steady[k] + (wide(values.of[k]) - center[k] - beyond[k]) * slope[k];
            result.of[k] = narrow<T>(d * scale[k]);
        }
        store(dx + static_cast<long long>(i) * norm.C + at.c, result);
        if (daddend) store(daddend + static_cast<long long>(i) * norm.C + at.c, after);
    }
}
