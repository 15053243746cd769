// Batch normalisation. Channels lie side by side in a block: `side` threads a row, each with `lanes`
// channels, and 256 / side rows, which share the pixels (all n, h, w). Sums over pixels are made in two
// steps, slices of pixels and then all slices, in an order that depends on the shape only. `lanes` is 1,
// whatever the strides, or 16 bytes of an array whose memory has the channels last without gaps. Few pixels
// are one slice.
//
// T is the dtype of the images, P that of weight, bias and running statistics: the same, or float beside
// images of 16 bits, as mixed precision has them.
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

// What a thread's channels are normalised with.
template <int lanes> struct Scales { float center[lanes], beyond[lanes], scale[lanes], shift[lanes]; };

// (x - mean) rstd weight + bias for the pixels from `first` on, plus the `addend` (may be null), and with
// `relu` the larger of that and 0.
template <class T, int lanes>
__device__ inline void normalise(const T* x, const T* addend, T* y, const Scales<lanes>& by,
                                 const Mine<lanes>& at,
                                 int first, int end, const Strides& x_by, const Strides& addend_by,
                                 const Norm& norm) {
    for (int i = first + at.row; i < end; i += at.rows) {
        const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, x_by));
        Vector<T, lanes> result, added = {};
        if (addend) added = load<lanes>(addend + offset_of<lanes>(i, at.c, norm, addend_by));
        for (int k = 0; k < lanes; k++) {
            float value = (wide(values.of[k]) - by.center[k] - by.beyond[k]) * by.scale[k] + by.shift[k];
            if (addend) value += wide(added.of[k]);
            result.of[k] = narrow<T>(norm.relu && value <= 0 ? 0.0f : value);
        }
        store(y + static_cast<long long>(i) * norm.C + at.c, result);
    }
}

// The moments of each channel: its center and mean beyond it, and 1 / sqrt(variance + eps). Each slice leaves
// the mean of its pixels and the sum of squares about it in `means` and `squares`, and the last block merges
// them. `new_mean` and `new_var` (may be null) are the running statistics moved towards the batch's by
// `momentum`, the variance with divisor count - 1. Where there is one slice, its block goes on and
// normalises, for it has all pixels of its channels; else `batch_norm` does.
template <class T, int lanes, class P = T>
__global__ void __launch_bounds__(256) batch_norm_moments(
    const T* x, const P* weight, const P* bias, const T* addend, const P* running_mean, const P* running_var,
    float* means, float* squares, float* mean, float* rstd, P* new_mean, P* new_var, T* y, unsigned* counters,
    Strides by, Strides addend_by, Norm norm) {
    SHARED(Columns<lanes>, columns);
    SHARED(int, is_last);
    const Mine<lanes> at = mine<lanes>(norm);
    const bool in_range = at.c < norm.C;
    const int pixels = norm.N * norm.H * norm.W, first = blockIdx.x * norm.pixels,
              end = min(first + norm.pixels, pixels);
    float sums[lanes] = {};
    Scales<lanes> scales = {};
    if (in_range) {
        const Vector<T, lanes> start = load<lanes>(x + offset_of<lanes>(0, at.c, norm, by));
        for (int k = 0; k < lanes; k++) scales.center[k] = center_or_zero(wide(start.of[k]));
        for (int i = first + at.row; i < end; i += at.rows) {
            const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, by));
            for (int k = 0; k < lanes; k++) sums[k] += wide(values.of[k]) - scales.center[k];
        }
    }
    sum_rows(sums, norm.side, columns);
    for (int k = 0; k < lanes; k++) {
        scales.beyond[k] = sums[k] / (end - first);
        sums[k] = 0;
    }
    if (in_range)
        for (int i = first + at.row; i < end; i += at.rows) {
            const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, by));
            for (int k = 0; k < lanes; k++) {
                const float off = wide(values.of[k]) - scales.center[k] - scales.beyond[k];
                sums[k] += off * off;
            }
        }
    sum_rows(sums, norm.side, columns);
    if (norm.slices > 1) {
        const long long mine = static_cast<long long>(blockIdx.x) * norm.C + at.c;
        for (int k = 0; k < lanes && at.row == 0 && in_range; k++) {
            means[mine + k] = scales.beyond[k];
            squares[mine + k] = sums[k];
        }
        if (!last_block(counters + blockIdx.y, norm.slices, is_last)) return;
        for (int k = 0; k < lanes; k++) sums[k] = 0;
        for (int slice = at.row; slice < norm.slices && in_range; slice += at.rows)
            for (int k = 0; k < lanes; k++)
                sums[k] += means[static_cast<long long>(slice) * norm.C + at.c + k]
                           * min(norm.pixels, pixels - slice * norm.pixels);
        sum_rows(sums, norm.side, columns);
        for (int k = 0; k < lanes; k++) {
            scales.beyond[k] = sums[k] / pixels;
            sums[k] = 0;
        }
        for (int slice = at.row; slice < norm.slices && in_range; slice += at.rows)
            for (int k = 0; k < lanes; k++) {
                const long long i = static_cast<long long>(slice) * norm.C + at.c + k;
                const float apart = means[i] - scales.beyond[k];
                sums[k] += squares[i] + apart * apart * min(norm.pixels, pixels - slice * norm.pixels);
            }
        sum_rows(sums, norm.side, columns);
    }
    if (!in_range) return;
    of_channels<lanes>(scales.scale, weight, at.c, 1);
    of_channels<lanes>(scales.shift, bias, at.c, 0);
    for (int k = 0; k < lanes; k++) {
        const int c = at.c + k;
        const float variance = sums[k] / pixels, reciprocal = 1 / sqrtf(variance + norm.eps);
        scales.scale[k] *= reciprocal;
        if (at.row) continue;
        mean[c] = scales.center[k];
        mean[norm.C + c] = scales.beyond[k];
        rstd[c] = reciprocal;
        if (!new_mean) continue;
        const float unbiased = variance * (static_cast<float>(pixels) / (pixels - 1));
        new_mean[c] = narrow<P>(wide(running_mean[c]) * (1 - norm.momentum)
                                + (scales.center[k] + scales.beyond[k]) * norm.momentum);
        new_var[c] = narrow<P>(wide(running_var[c]) * (1 - norm.momentum) + unbiased * norm.momentum);
    }
    if (norm.slices == 1) normalise(x, addend, y, scales, at, 0, pixels, by, addend_by, norm);
}

// The same of the running statistics, which evaluation normalises with.
template <class P>
__global__ void __launch_bounds__(256) batch_norm_running(const P* running_mean, const P* running_var,
                                                          float* mean, float* rstd, Norm norm) {
    const int c = blockIdx.x * 256 + threadIdx.x;
    if (c >= norm.C) return;
    mean[c] = wide(running_mean[c]);
    mean[norm.C + c] = 0;
    rstd[c] = 1 / sqrtf(wide(running_var[c]) + norm.eps);
}

template <class T, int lanes, class P = T>
__global__ void __launch_bounds__(256) batch_norm(const T* x, const P* weight, const P* bias, const T* addend,
                                                  const float* mean, const float* rstd, T* y,
                                                  Strides by, Strides addend_by, Norm norm) {
    const Mine<lanes> at = mine<lanes>(norm);
    if (at.c >= norm.C) return;
    Scales<lanes> scales;
    of_channels<lanes>(scales.center, mean, at.c, 0);
    of_channels<lanes>(scales.beyond, mean, norm.C + at.c, 0);
    of_channels<lanes>(scales.scale, weight, at.c, 1);
    of_channels<lanes>(scales.shift, bias, at.c, 0);
    for (int k = 0; k < lanes; k++) scales.scale[k] *= rstd[at.c + k];
    const int first = blockIdx.x * norm.pixels, end = min(first + norm.pixels, norm.N * norm.H * norm.W);
    normalise(x, addend, y, scales, at, first, end, by, addend_by, norm);
}

// -- backward -----------------------------------------------------------------------------------------------

// How the gradient passes the ReLU: where the result (may be null: there is none) is larger than 0.
template <class T, int lanes>
__device__ inline float passed(const Vector<T, lanes>& d, const Vector<T, lanes>& y,
                               int k, const Norm& norm) {
    return norm.relu && wide(y.of[k]) <= 0 ? 0.0f : wide(d.of[k]);
}

// What dx is made with: dx = (dy - steady - (x - center - beyond) slope) scale.
template <int lanes> struct Slopes { float center[lanes], beyond[lanes], scale[lanes], steady[lanes],
                                    slope[lanes]; };

// dx = (dy - (total + normal * along) / count) rstd weight in training, else dy rstd weight. With `relu` dy
// is what passes it; that is the gradient of the addend, too, where `daddend` is not null.
template <class T, int lanes>
__device__ inline void spread(const T* x, const T* dy, const T* y, T* dx, T* daddend, const Slopes<lanes>& by,
                              const Mine<lanes>& at, int first, int end, const Strides& x_by,
                              const Strides& dy_by, const Norm& norm) {
    for (int i = first + at.row; i < end; i += at.rows) {
        Vector<T, lanes> values = {}, ys = {}, result, after;
        if (norm.training) values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, x_by));
        if (norm.relu) ys = load<lanes>(y + static_cast<long long>(i) * norm.C + at.c);
        const Vector<T, lanes> ds = load<lanes>(dy + offset_of<lanes>(i, at.c, norm, dy_by));
        for (int k = 0; k < lanes; k++) {
            float d = passed<T, lanes>(ds, ys, k, norm);
            after.of[k] = narrow<T>(d);
            if (norm.training)
                d -= by.steady[k] + (wide(values.of[k]) - by.center[k] - by.beyond[k]) * by.slope[k];
            result.of[k] = narrow<T>(d * by.scale[k]);
        }
        store(dx + static_cast<long long>(i) * norm.C + at.c, result);
        if (daddend) store(daddend + static_cast<long long>(i) * norm.C + at.c, after);
    }
}

// The sums of dy, and of dy times the normalised x: for dx, and as the gradients of weight and bias (may be
// null). Each slice leaves its own in `totals` and `alongs`, and the last block adds them up. `y` is the
// result, and only looked at with `relu`. Where there is one slice, its block goes on to dx and daddend if
// they are not null.
template <class T, int lanes, class P = T>
__global__ void __launch_bounds__(256) batch_norm_sums(
    const T* x, const T* dy, const T* y, const P* weight, const float* mean, const float* rstd, float* totals,
    float* alongs, float* total, float* along, P* dweight, P* dbias, T* dx, T* daddend, unsigned* counters,
    Strides x_by, Strides dy_by, Norm norm) {
    SHARED(Columns<lanes>, columns);
    SHARED(int, is_last);
    const Mine<lanes> at = mine<lanes>(norm);
    const bool in_range = at.c < norm.C;
    const int pixels = norm.N * norm.H * norm.W, first = blockIdx.x * norm.pixels,
              end = min(first + norm.pixels, pixels);
    float all[lanes] = {}, normal[lanes] = {}, reciprocal[lanes] = {};
    Slopes<lanes> slopes;
    if (in_range) {
        of_channels<lanes>(slopes.center, mean, at.c, 0);
        of_channels<lanes>(slopes.beyond, mean, norm.C + at.c, 0);
        of_channels<lanes>(reciprocal, rstd, at.c, 0);
        for (int i = first + at.row; i < end; i += at.rows) {
            const Vector<T, lanes> values = load<lanes>(x + offset_of<lanes>(i, at.c, norm, x_by));
            const Vector<T, lanes> ds = load<lanes>(dy + offset_of<lanes>(i, at.c, norm, dy_by));
            Vector<T, lanes> ys = {};
            if (norm.relu) ys = load<lanes>(y + static_cast<long long>(i) * norm.C + at.c);
            for (int k = 0; k < lanes; k++) {
                const float d = passed<T, lanes>(ds, ys, k, norm);
                all[k] += d;
                normal[k] += d * ((wide(values.of[k]) - slopes.center[k] - slopes.beyond[k]) * reciprocal[k]);
            }
        }
    }
    sum_rows(all, norm.side, columns);
    sum_rows(normal, norm.side, columns);
    if (norm.slices > 1) {
        const long long mine = static_cast<long long>(blockIdx.x) * norm.C + at.c;
        for (int k = 0; k < lanes && at.row == 0 && in_range; k++) {
            totals[mine + k] = all[k];
            alongs[mine + k] = normal[k];
        }
        if (!last_block(counters + blockIdx.y, norm.slices, is_last)) return;
        for (int k = 0; k < lanes; k++) all[k] = normal[k] = 0;
        for (int slice = at.row; slice < norm.slices && in_range; slice += at.rows)
            for (int k = 0; k < lanes; k++) {
                all[k] += totals[static_cast<long long>(slice) * norm.C + at.c + k];
                normal[k] += alongs[static_cast<long long>(slice) * norm.C + at.c + k];
            }
        sum_rows(all, norm.side, columns);
        sum_rows(normal, norm.side, columns);
    }
    if (!in_range) return;
    for (int k = 0; k < lanes && at.row == 0; k++) {
        total[at.c + k] = all[k];
        along[at.c + k] = normal[k];
        if (dbias) dbias[at.c + k] = narrow<P>(all[k]);
        if (dweight) dweight[at.c + k] = narrow<P>(normal[k]);
    }
    if (norm.slices > 1 || !dx) return;
    of_channels<lanes>(slopes.scale, weight, at.c, 1);
    for (int k = 0; k < lanes; k++) {
        slopes.scale[k] *= reciprocal[k];
        slopes.steady[k] = norm.training ? all[k] / pixels : 0;
        slopes.slope[k] = norm.training ? reciprocal[k] * (normal[k] / pixels) : 0;
    }
    spread(x, dy, y, dx, daddend, slopes, at, 0, pixels, x_by, dy_by, norm);
}

template <class T, int lanes, class P = T>
__global__ void __launch_bounds__(256) batch_norm_backward(
    const T* x, const T* dy, const T* y, const P* weight, const float* mean, const float* rstd,
    const float* total, const float* along, T* dx, T* daddend, Strides x_by, Strides dy_by, Norm norm) {
    const Mine<lanes> at = mine<lanes>(norm);
    if (at.c >= norm.C) return;
    const int count = norm.N * norm.H * norm.W;
    Slopes<lanes> slopes;
    of_channels<lanes>(slopes.scale, weight, at.c, 1);
    of_channels<lanes>(slopes.center, mean, at.c, 0);
    of_channels<lanes>(slopes.beyond, mean, norm.C + at.c, 0);
    for (int k = 0; k < lanes; k++) {
        slopes.scale[k] *= rstd[at.c + k];
        slopes.steady[k] = norm.training ? total[at.c + k] / count : 0;
        slopes.slope[k] = norm.training ? rstd[at.c + k] * (along[at.c + k] / count) : 0;
    }
    const int first = blockIdx.x * norm.pixels, end = min(first + norm.pixels, count);
    spread(x, dy, y, dx, daddend, slopes, at, first, end, x_by, dy_by, norm);
}
