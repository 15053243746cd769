// Where the pixels and taps of a convolution's products lie.

struct Shape {
    // what is read: images, size, channels of a group. An input gradient reads dy, and C are its filters,
    int N, H, W, C;
    int P, Q, K;         // what is written: size, channels of a group
    int R, S;            // taps
    int stride_h, stride_w, top, left, dilation_h, dilation_w, groups;
    int gradient;        // whether this is an input gradient: `stride`, `top` and so on are the forward's
    int phases_h, phases_w, common_h, common_w;  // its phases, and what stride and dilation have in common
    int depth, columns;  // of the packed filters: multiples of the tile's
    int relu;
    int slices;
    long long slice_pixels;
};

struct Pixel { int n, h, w; };

// Divisions of 64 bits are slow: one, and the rest in 32 (an image has less than 2^31 pixels).
__device__ inline Pixel pixel_of(long long i, int height, int width) {
    const unsigned plane = static_cast<unsigned>(height) * width;
    const unsigned long long n = static_cast<unsigned long long>(i) / plane;
    const unsigned rest = static_cast<unsigned>(i - n * plane);
    return {static_cast<int>(n), static_cast<int>(rest / width), static_cast<int>(rest % width)};
}

// The same from a pixel that is known: by 32 bits alone.
__device__ inline Pixel pixel_after(const Pixel& first, int i, int height, int width) {
    const unsigned plane = static_cast<unsigned>(height) * width,
                   all = static_cast<unsigned>(first.h) * width + first.w + i;
    const unsigned rest = all % plane;
    return {first.n + static_cast<int>(all / plane), static_cast<int>(rest / width),
            static_cast<int>(rest % width)};
}

__device__ inline void move_on(Pixel& at, int by, int height, int width) {
    at.w += by;
#pragma unroll 1
    while (at.w >= width) {
        at.w -= width;
        if (++at.h == height) { at.h = 0; at.n++; }
    }
}

// One axis of one phase: its pixel i sees, through its tap t, the pixel first + i * scale + t * step
// of what is read.
struct Axis {
    int first, scale, step;
    int pixels, taps;                // how many the phase has;
    int first_pixel, every_pixel;    // which of the result's pixels they are,
    int first_tap, every_tap;        // and which of the filters' taps
};

// Pixels of the input that are `stride` apart were seen through the same taps, some even distance from each
// other: so a phase of the input gradient is a dense convolution of dy, with its steps backwards. A phase
// that no tap meets has taps = 0.
__device__ inline Axis axis_of(int gradient, int phase, int pixels, int taps, int stride, int before,
                               int dilation, int common) {
    if (!gradient) return {-before, stride, dilation, pixels, taps, 0, 1, 0, 1};
    const int every = stride / common;
    int tap = 0;
    while (tap < taps && (phase + before - tap * dilation) % stride) tap++;
    return {(phase + before - tap * dilation) / stride, 1, -(dilation / common), (pixels - phase + stride - 1)
            / stride, (taps - tap + every - 1) / every, phase, stride, tap, every};
}
__device__ inline Axis vertical_axis(const Shape& shape, int phase) {
    return axis_of(shape.gradient, phase / shape.phases_w, shape.P, shape.R, shape.stride_h, shape.top,
                   shape.dilation_h, shape.common_h);
}
__device__ inline Axis horizontal_axis(const Shape& shape, int phase) {
    return axis_of(shape.gradient, phase % shape.phases_w, shape.Q, shape.S, shape.stride_w, shape.left,
                   shape.dilation_w, shape.common_w);
}

// Which part of the result a block makes: in shared memory, for registers are for the sums.
struct Place {
    Axis vertical, horizontal;
    Pixel first;
    int group;
    long long rows;  // of the phase, from this block's first on

    __device__ void find(const Shape& shape, int z, long long first_row) {
        const int phase = z / shape.groups;
        group = z % shape.groups;
        vertical = vertical_axis(shape, phase);
        horizontal = horizontal_axis(shape, phase);
        rows = static_cast<long long>(shape.N) * vertical.pixels * horizontal.pixels - first_row;
        if (rows > 0) first = pixel_of(first_row, vertical.pixels, horizontal.pixels);
    }
    __device__ Pixel pixel(int row) const {
        return pixel_after(first, row, vertical.pixels, horizontal.pixels);
    }
    __device__ long long result(const Pixel& at, const Shape& shape) const {
        const int h = at.h * vertical.every_pixel + vertical.first_pixel;
        const int w = at.w * horizontal.every_pixel + horizontal.first_pixel;
        return (((static_cast<long long>(at.n) * shape.P + h) * shape.Q + w) * shape.groups + group)
               * shape.K;
    }
};

// What a row of the product reads: where its pixel's tap (0, 0) lies in its image, and in memory (there, or
// the image's begin).
struct alignas(16) Row { long long at; int h, w; };

// What a tap adds to that.
struct alignas(16) Tap { int h, w, c, offset; };

static const int outside = 1 << 30;

__device__ inline bool inside(const Shape& shape, int h, int w) {
    return static_cast<unsigned>(h) < static_cast<unsigned>(shape.H)
           && static_cast<unsigned>(w) < static_cast<unsigned>(shape.W);
}
