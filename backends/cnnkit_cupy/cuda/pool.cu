// Pooling: a thread for each output, and in the backward for each input, which gathers: no atomics. Threads
// are numbered with the channels last, as memory is, and each has `lanes` channels side by side: 1, whatever
// the strides, or 16 bytes. Letters: images (N, C, H, W), windows of R x S, outputs (N, C, P, Q). Index is
// int, or long long beyond 2^31 elements.

struct Windows {
    int C, H, W, P, Q, R, S;
    int stride_h, stride_w, dilation_h, dilation_w;
    int top, bottom, left, right;
    // window p is [floor(p H / P), ceil((p + 1) H / P)); R and S are the largest ones' sizes
    int adaptive;
    int include_pad, divisor;  // of the average: divisor 0 means the window's own size
    int rows;                  // threads that share one window of the average
    long long count;           // threads that have work
};

template <class Index> struct Place { Index n; int c, h, w; };

template <int lanes, class Index> __device__ inline Place<Index> unravel(Index i, int C, int H, int W) {
    const Index groups = C / lanes;
    return {i / groups / W / H, static_cast<int>(i % groups) * lanes, static_cast<int>(i / groups / W % H),
            static_cast<int>(i / groups % W)};
}

template <class Index> __device__ inline bool mine(const Windows& windows, Index& i) {
    long long number = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    i = static_cast<Index>(number);
    return number < windows.count;
}

// The windows along the height or the width.
struct Axis { int length, size, kernel, stride, dilation, before, adaptive; };
__device__ inline Axis rows_of(const Windows& by) {
    return {by.H, by.P, by.R, by.stride_h, by.dilation_h, by.top, by.adaptive};
}
__device__ inline Axis columns_of(const Windows& by) {
    return {by.W, by.Q, by.S, by.stride_w, by.dilation_w, by.left, by.adaptive};
}
// the host declines what overflows
__device__ inline int scaled(int i, int times, int over) { return i * times / over; }

// Where window p starts, how many elements it has, which window is the first and the last that may reach a
// pixel, and which of its elements is there: -1 if none.
__device__ inline int start(const Axis& along, int p) {
    return along.adaptive ? scaled(p, along.length, along.size) : p * along.stride - along.before;
}
__device__ inline int elements(const Axis& along, int p) {
    if (!along.adaptive) return along.kernel;
    return along.length - scaled(along.size - 1 - p, along.length, along.size) - start(along, p);
}
__device__ inline int first_window(const Axis& along, int pixel) {
    if (along.adaptive) return scaled(pixel, along.size, along.length);
    const int beyond = pixel + along.before - (along.kernel - 1) * along.dilation;
    return beyond <= 0 ? 0 : (beyond + along.stride - 1) / along.stride;
}
__device__ inline int last_window(const Axis& along, int pixel) {
    const int last = along.adaptive ? along.size - 1 - scaled(
        along.length - 1 - pixel, along.size, along.length) : (pixel + along.before) / along.stride;
    return last < along.size ? last : along.size - 1;
}
__device__ inline int element_at(const Axis& along, int p, int pixel) {
    const int offset = pixel - start(along, p);
    return along.adaptive ? offset : offset % along.dilation ? -1 : offset / along.dilation;
}

// The first largest element; a NaN is larger than everything. `argmax` (may be null) gets its number r
// S + s in the window, `indices` (may be null) its number h W + w in the image; both -1 where a window
// holds only padding.
template <class T, class Arg, class Index, int lanes>
__global__ void __launch_bounds__(256) max_pool2d(const T* x, T* y, Arg* argmax, long long* indices,
                                                  Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    const Place<Index> at = unravel<lanes, Index>(i, windows.C, windows.P, windows.Q);
    const T* image = x + at.n * view.n + at.c * view.c;
    const Axis rows = rows_of(windows), columns = columns_of(windows);
    const int top = start(rows, at.h), left = start(columns, at.w), R = elements(rows, at.h),
              S = elements(columns, at.w);
    float best[lanes];
    int chosen[lanes];
    for (int k = 0; k < lanes; k++) {
        best[k] = __int_as_float(0xff800000);
        chosen[k] = -1;
    }
    for (int r = 0; r < R; r++) {
        const int h = top + r * windows.dilation_h;
        if (h < 0 || h >= windows.H) continue;
        for (int s = 0; s < S; s++) {
            const int w = left + s * windows.dilation_w;
            if (w < 0 || w >= windows.W) continue;
            const Vector<T, lanes> values = load<lanes>(image + h * view.h + w * view.w);
            for (int k = 0; k < lanes; k++) {
                const float value = wide(values.of[k]);
                if (chosen[k] < 0 || value > best[k] || (value != value && best[k] == best[k])) {
                    best[k] = value;
                    chosen[k] = r * windows.S + s;
                }
            }
        }
    }
    Vector<T, lanes> largest;
    for (int k = 0; k < lanes; k++) largest.of[k] = narrow<T>(best[k]);
    store(y + i * lanes, largest);
    if (argmax) {
        Vector<Arg, lanes> numbers;
        for (int k = 0; k < lanes; k++) numbers.of[k] = static_cast<Arg>(chosen[k]);
        store(argmax + i * lanes, numbers);
    }
    if (indices)
        for (int k = 0; k < lanes; k++) {
            const long long h = top + chosen[k] / windows.S * windows.dilation_h,
                            w = left + chosen[k] % windows.S * windows.dilation_w;
            indices[i * lanes + k] = chosen[k] < 0 ? -1 : h * windows.W + w;
        }
}

template <class T, class Arg, class Index, int lanes>
__global__ void __launch_bounds__(256, 4) max_pool2d_backward(const T* dy, const Arg* argmax, T* dx,
                                                              Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    const Place<Index> at = unravel<lanes, Index>(i, windows.C, windows.H, windows.W);
    const T* gradient = dy + at.n * view.n + at.c * view.c;
    const Arg* numbers = argmax + at.n * windows.P * windows.Q * windows.C + at.c;
    const Axis rows = rows_of(windows), columns = columns_of(windows);
    const int last_p = last_window(rows, at.h), last_q = last_window(columns, at.w);
    float sums[lanes] = {};
    for (int p = first_window(rows, at.h); p <= last_p; p++) {
        const int r = element_at(rows, p, at.h);
        if (r < 0) continue;
        for (int q = first_window(columns, at.w); q <= last_q; q++) {
            const int s = element_at(columns, q, at.w);
            if (s < 0) continue;
            const Vector<Arg, lanes> largest =
                load<lanes>(numbers + (static_cast<Index>(p) * windows.Q + q) * windows.C);
            const Vector<T, lanes> d = load<lanes>(gradient + p * view.h + q * view.w);
            for (int k = 0; k < lanes; k++)
                if (largest.of[k] == static_cast<Arg>(r * windows.S + s)) sums[k] += wide(d.of[k]);
        }
    }
    Vector<T, lanes> result;
    for (int k = 0; k < lanes; k++) result.of[k] = narrow<T>(sums[k]);
    store(dx + i * lanes, result);
}

// How many pixels a window's sum is divided by, along one axis: of the padded image, or of the image.
__device__ inline int extent(const Axis& along, int p, int after, int include_pad) {
    const int first = start(along, p), end = first + elements(along, p);
    const int least = include_pad ? -along.before : 0,
              most = include_pad ? along.length + after : along.length;
    return (end < most ? end : most) - (first > least ? first : least);
}

__device__ inline float divisor(const Windows& windows, int p, int q) {
    if (windows.divisor) return static_cast<float>(windows.divisor);
    return static_cast<float>(extent(rows_of(windows), p, windows.bottom, windows.include_pad)) *
           static_cast<float>(extent(columns_of(windows), q, windows.right, windows.include_pad));
}

// `rows` threads share a window, each with every rows-th of its elements in the image, and add up their
// sums as a tree.
template <class T, class Index, int lanes>
__global__ void __launch_bounds__(256) avg_pool2d(const T* x, T* y, Strides view, Windows windows) {
    SHARED(Columns<lanes>, columns);
    const int side = 256 / windows.rows, row = threadIdx.x / side;
    const long long number = static_cast<long long>(blockIdx.x) * side + threadIdx.x % side;
    const bool working = number < windows.count;
    const Index i = static_cast<Index>(working ? number : 0);
    const Place<Index> at = unravel<lanes, Index>(i, windows.C, windows.P, windows.Q);
    const T* image = x + at.n * view.n + at.c * view.c;
    const Axis down = rows_of(windows), along = columns_of(windows);
    const int top = start(down, at.h), left = start(along, at.w);
    const int h0 = max(top, 0), w0 = max(left, 0);
    const int height = min(top + elements(down, at.h), windows.H) - h0,
              width = min(left + elements(along, at.w), windows.W) - w0;
    float sums[lanes] = {};
    if (working && width > 0) {
        const int steps_h = windows.rows / width, steps_w = windows.rows % width;
        for (int h = row / width, w = row % width; h < height; h += steps_h) {
            const Vector<T, lanes> values = load<lanes>(image + (h0 + h) * view.h + (w0 + w) * view.w);
            for (int k = 0; k < lanes; k++) sums[k] += wide(values.of[k]);
            w += steps_w;
            if (w >= width) {
                w -= width;
                h++;
            }
        }
    }
    if (windows.rows > 1) sum_rows(sums, side, columns);
    if (!working || row) return;
    Vector<T, lanes> result;
    for (int k = 0; k < lanes; k++) result.of[k] = narrow<T>(sums[k] / divisor(windows, at.h, at.w));
    store(y + i * lanes, result);
}

template <class T, class Index, int lanes>
__global__ void __launch_bounds__(256, 4) avg_pool2d_backward(const T* dy, T* dx,
                                                              Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    const Place<Index> at = unravel<lanes, Index>(i, windows.C, windows.H, windows.W);
    const T* gradient = dy + at.n * view.n + at.c * view.c;
    const Axis rows = rows_of(windows), columns = columns_of(windows);
    const int last_p = last_window(rows, at.h), last_q = last_window(columns, at.w);
    float sums[lanes] = {};
    for (int p = first_window(rows, at.h); p <= last_p; p++)
        for (int q = first_window(columns, at.w); q <= last_q; q++) {
            const float share = divisor(windows, p, q);
            const Vector<T, lanes> d = load<lanes>(gradient + p * view.h + q * view.w);
            for (int k = 0; k < lanes; k++) sums[k] += wide(d.of[k]) / share;
        }
    Vector<T, lanes> result;
    for (int k = 0; k < lanes; k++) result.of[k] = narrow<T>(sums[k]);
    store(dx + i * lanes, result);
}
