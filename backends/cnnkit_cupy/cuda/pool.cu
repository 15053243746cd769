// Pooling: one thread for each output, and in the backward one for each input, which gathers: no atomics.
// Letters: images (N, C, H, W), windows of R x S, outputs (N, C, P, Q). Index is int, or long long beyond 2^31 elements.

struct Windows {
    int C, H, W, P, Q, R, S;
    int stride_h, stride_w, dilation_h, dilation_w;
    int top, bottom, left, right;
    int include_pad, divisor;  // of the average: divisor 0 means the window's own size
    long long count;           // threads that have work
};


template <class Index> struct Place { Index n, c, h, w; };

template <class Index> __device__ inline Place<Index> unravel(Index i, Index C, Index H, Index W) {
    return {i / W / H / C, i / W / H % C, i / W % H, i % W};
}

template <class Index> __device__ inline bool mine(const Windows& windows, Index& i) {
    long long number = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    i = static_cast<Index>(number);
    return number < windows.count;
}

// Which window along an axis has its element t at `pixel`; -1 if none has.
__device__ inline int window_of(int pixel, int t, int before, int stride, int dilation, int size) {
    int offset = pixel + before - t * dilation;
    if (offset < 0 || offset % stride) return -1;
    return offset / stride < size ? offset / stride : -1;
}

// The first largest element; a NaN is larger than everything. `argmax` (may be null) gets its number r S + s in the window,
// `indices` (may be null) its number h W + w in the image; both -1 where a window holds only padding.
template <class T, class Arg, class Index>
__global__ void __launch_bounds__(256) max_pool2d(const T* x, T* y, Arg* argmax, long long* indices, Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    Place<Index> at = unravel<Index>(i, windows.C, windows.P, windows.Q);
    const T* image = x + at.n * view.n + at.c * view.c;
    float best = __int_as_float(0xff800000);
    int first = static_cast<int>(at.h) * windows.stride_h - windows.top;
    int left = static_cast<int>(at.w) * windows.stride_w - windows.left;
    int chosen = -1;
    long long pixel = -1;
    for (int r = 0; r < windows.R; r++) {
        int h = first + r * windows.dilation_h;
        if (h < 0 || h >= windows.H) continue;
        for (int s = 0; s < windows.S; s++) {
            int w = left + s * windows.dilation_w;
            if (w < 0 || w >= windows.W) continue;
            float value = wide(image[h * view.h + w * view.w]);
            if (chosen < 0 || value > best || (value != value && best == best)) {
                best = value;
                chosen = r * windows.S + s;
                pixel = static_cast<long long>(h) * windows.W + w;
            }
        }
    }
    y[i] = narrow<T>(best);
    if (argmax) argmax[i] = static_cast<Arg>(chosen);
    if (indices) indices[i] = pixel;
}

template <class T, class Arg, class Index>
__global__ void __launch_bounds__(256) max_pool2d_backward(const T* dy, const Arg* argmax, T* dx, Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    Place<Index> at = unravel<Index>(i, windows.C, windows.H, windows.W);
    const T* gradient = dy + at.n * view.n + at.c * view.c;
    const Arg* plane = argmax + (at.n * windows.C + at.c) * windows.P * windows.Q;
    float sum = 0;
    for (int r = 0; r < windows.R; r++) {
        int p = window_of(static_cast<int>(at.h), r, windows.top, windows.stride_h, windows.dilation_h, windows.P);
        if (p < 0) continue;
        for (int s = 0; s < windows.S; s++) {
            int q = window_of(static_cast<int>(at.w), s, windows.left, windows.stride_w, windows.dilation_w, windows.Q);
            if (q >= 0 && plane[static_cast<Index>(p) * windows.Q + q] == static_cast<Arg>(r * windows.S + s))
                sum += wide(gradient[p * view.h + q * view.w]);
        }
    }
    dx[i] = narrow<T>(sum);
}

// How many pixels a window's sum is divided by, along one axis: of the padded image, or of the image.
__device__ inline int extent(int start, int kernel, int length, int before, int after, int include_pad) {
    int least = include_pad ? -before : 0, most = include_pad ? length + after : length;
    int end = start + kernel;
    return (end < most ? end : most) - (start > least ? start : least);
}

__device__ inline float divisor(const Windows& windows, int p, int q) {
    if (windows.divisor) return static_cast<float>(windows.divisor);
    int h = p * windows.stride_h - windows.top, w = q * windows.stride_w - windows.left;
    return static_cast<float>(extent(h, windows.R, windows.H, windows.top, windows.bottom, windows.include_pad)) *
           static_cast<float>(extent(w, windows.S, windows.W, windows.left, windows.right, windows.include_pad));
}

template <class T, class Index>
__global__ void __launch_bounds__(256) avg_pool2d(const T* x, T* y, Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    Place<Index> at = unravel<Index>(i, windows.C, windows.P, windows.Q);
    const T* image = x + at.n * view.n + at.c * view.c;
    int p = static_cast<int>(at.h), q = static_cast<int>(at.w);
    float sum = 0;
    for (int r = 0; r < windows.R; r++) {
        int h = p * windows.stride_h - windows.top + r;
        if (h < 0 || h >= windows.H) continue;
        for (int s = 0; s < windows.S; s++) {
            int w = q * windows.stride_w - windows.left + s;
            if (w >= 0 && w < windows.W) sum += wide(image[h * view.h + w * view.w]);
        }
    }
    y[i] = narrow<T>(sum / divisor(windows, p, q));
}

template <class T, class Index>
__global__ void __launch_bounds__(256) avg_pool2d_backward(const T* dy, T* dx, Strides view, Windows windows) {
    Index i;
    if (!mine(windows, i)) return;
    Place<Index> at = unravel<Index>(i, windows.C, windows.H, windows.W);
    const T* gradient = dy + at.n * view.n + at.c * view.c;
    float sum = 0;
    for (int r = 0; r < windows.R; r++) {
        int p = window_of(static_cast<int>(at.h), r, windows.top, windows.stride_h, 1, windows.P);
        if (p < 0) continue;
        for (int s = 0; s < windows.S; s++) {
            int q = window_of(static_cast<int>(at.w), s, windows.left, windows.stride_w, 1, windows.Q);
            if (q >= 0) sum += wide(gradient[p * view.h + q * view.w]) / divisor(windows, p, q);
        }
    }
    dx[i] = narrow<T>(sum);
}
