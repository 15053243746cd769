// Convolution as a tiled product of matrices that are never written down ("implicit GEMM"), in fp32 on CUDA
// cores. Letters: input (N, C, H, W), filters (K, C, R, S), output (N, K, P, Q); C and K are the channels of
// one group. Arrays that kernels write have their channels last in memory. Each block makes one tile of the
// product for one group; each of its sums runs over the depth from the first to the last, whatever the tile,
// so that bits depend neither on it nor on N. No atomics.
//
//                    row                          column       depth
//   output           pixel (n, p, q)              filter k     (r, s, c)
//   input gradient   pixel (n, h, w) of a phase   channel c    (r, s, k), the taps that meet the phase
//   weight gradient  (r, s, c)                    filter k     pixel (n, p, q), in slices that a second kernel adds up

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
    long long each;      // pixels of a slice
};

// How the input is read: element by element with any strides; or 16 bytes of neighbouring channels at once;
// and without looking where the image ends, where the filters have one element and there is no padding.
enum Reading { scalar, vector, pointwise };

// How a block divides a tile: each thread makes rows_each x columns_each sums, in squares of 4 x 4.
template <int Rows, int Columns, int RowsEach, int ColumnsEach, int Taps> struct Tiling {
    static const int rows = Rows, columns = Columns, rows_each = RowsEach, columns_each = ColumnsEach;
    static const int across = columns / columns_each, threads = across * (rows / rows_each);
    static const int blocks = 512 / threads;  // at once on a multiprocessor: 128 registers a thread
    static const int taps = Taps;             // vectors are read for filters of at most so many

    // The square's rows lie together, the squares far apart: then 8 neighbouring threads read 128
    // neighbouring bytes.
    __device__ static int row(int m) {
        return threadIdx.x / across * 4 + m / 4 * (rows / (rows_each / 4)) + m % 4;
    }
    __device__ static int column(int n) {
        return threadIdx.x % across * 4 + n / 4 * (columns / (columns_each / 4)) + n % 4;
    }
};
using Large = Tiling<128, 128, 8, 8, 61>;
using Narrow = Tiling<128, 64, 8, 8, 61>;
// in the weight gradient, for which registers do not suffice to be Narrow
using Square = Tiling<64, 64, 8, 4, 61>;
using Small = Tiling<64, 32, 8, 4, 29>;

// Two vectors are the depth of a tile: the 32 bytes of one sector. There is a second tile, to be filled while
// the first is read, where the elements have 4 bytes; with 2 bytes, one tile takes as much memory.
template <class T, class Tile> struct Tiles {
    static const int width = per_access<T>, depth = 2 * width, buffers = sizeof(T) / 2;
    // 4 more a row, and 16 where the two vectors would begin in the same bank: threads put a vector's
    // elements below each other
    static const int below = Tile::rows + 4, half = width * below + (width == 8 ? 16 : 0);
    float a[buffers][2 * half];
    float b[buffers][depth * Tile::columns];

    __device__ static int at(int i, int row) { return i / width * half + i % width * below + row; }

    __device__ static void put(float* to, const Vector<T, width>& values) {  // elements side by side
        for (int e = 0; e < width; e += 4)
            store(to + e, Vector<float, 4>{wide(values.of[e]), wide(values.of[e + 1]), wide(values.of[e + 2]),
                                           wide(values.of[e + 3])});
    }
};

// -- where things are ---------------------------------------------------------------------------------------

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

// A block's shared memory.
template <class T, class Tile> struct Memory {
    union {
        Tiles<T, Tile> tiles;
        long long result[Tile::rows];  // when all sums are made: where each row's channels begin
    };
    Place place;
    Row rows[Tile::rows];
    // behind the last, three that are outside of every image: a step fetches behind the end
    Tap taps[Tile::taps + 3];
};

// -- what the product reads: `fetch` takes the next part of the depth into registers, `put` brings it
// into shared memory

__device__ inline bool inside(const Shape& shape, int h, int w) {
    return static_cast<unsigned>(h) < static_cast<unsigned>(shape.H)
           && static_cast<unsigned>(w) < static_cast<unsigned>(shape.W);
}

template <class T, class Tile, Reading reading> struct WindowsAndFilters {
    using Held = Tiles<T, Tile>;
    static const int width = Held::width, half = Tile::threads / 2, pixels = Tile::rows / half;

    const Shape& shape;
    const Strides& by;
    Memory<T, Tile>& memory;
    const T *source, *filters;
    int r, s, c;  // tap and channel; of vectors, s is the tap's number
    int filter;   // where in the packed filters
    int left;     // how much of the depth
    Vector<T, width> seen[pixels], weights;

    // Vectors: two threads read the 32 bytes of a sector. Single elements: neighbours read
    // neighbouring pixels.
    __device__ static int row(int j) {
        return j * half + (reading == scalar ? threadIdx.x % half : threadIdx.x / 2);
    }
    __device__ static int part() { return reading == scalar ? threadIdx.x / half : threadIdx.x % 2; }
    __device__ static int filter_row() { return threadIdx.x / (Tile::columns / width); }
    __device__ static int filter_column() { return threadIdx.x % (Tile::columns / width) * width; }

    __device__ WindowsAndFilters(const T* source, const T* filters, const Strides& by,
                                 const Shape& shape, Memory<T, Tile>& memory)
        : shape(shape), by(by), memory(memory), source(source), filters(filters), r(0), s(0), c(0) {
        const Place& place = memory.place;
        const Axis &vertical = place.vertical, &horizontal = place.horizontal;
        for (int i = threadIdx.x; i < Tile::rows; i += Tile::threads) {
            const Pixel at = place.pixel(i < place.rows ? i : 0);  // of a row too many nobody asks the sums
            const int h = at.h * vertical.scale + vertical.first,
                      w = at.w * horizontal.scale + horizontal.first;
            const long long image = at.n * by.n + static_cast<long long>(place.group) * shape.C * by.c;
            memory.rows[i] = {reading == scalar ? image : image + h * by.h + w * by.w, h, w};
        }
        const int taps = vertical.taps * horizontal.taps;
        if (reading == vector)
            for (int i = threadIdx.x; taps && i < taps + 3; i += Tile::threads) {
                const int h = i / horizontal.taps * vertical.step, w = i % horizontal.taps * horizontal.step;
                memory.taps[i] = {i < taps ? h : outside, w, 0,
                                  h * static_cast<int>(by.h) + w * static_cast<int>(by.w)};
            }
        __syncthreads();
        filter = filter_row() * shape.columns + filter_column();
        left = taps * shape.C;
        skip(part() * width);
    }

    __device__ void skip(int channels) {
        c += channels;
        if (reading == vector) {
            if (c >= shape.C) { c -= shape.C; s++; }
            // channels are at least half the depth: there is no third
            if (c >= shape.C) { c -= shape.C; s++; }
        }
        if constexpr (reading == scalar)
            while (c >= shape.C) {
                c -= shape.C;
                if (++s == memory.place.horizontal.taps) { s = 0; r++; }
            }
    }

    __device__ void fetch() {
        if (reading == scalar) {
            for (int e = 0; e < width; e++) {
                const Axis &vertical = memory.place.vertical, &horizontal = memory.place.horizontal;
                for (int j = 0; j < pixels; j++) {
                    const Row at = memory.rows[row(j)];
                    const int h = at.h + r * vertical.step, w = at.w + s * horizontal.step;
                    seen[j].of[e] = r < vertical.taps && inside(shape, h, w)
                                    ? source[at.at + h * by.h + w * by.w + c * by.c] : narrow<T>(0);
                }
                skip(1);
            }
            skip(Held::depth - width);
        } else {
            const Tap tap = reading == vector ? memory.taps[s] : Tap{};
            for (int j = 0; j < pixels; j++) {
                const Row at = memory.rows[row(j)];
                seen[j] = {};
                if (reading == pointwise ? c < shape.C : inside(shape, at.h + tap.h, at.w + tap.w))
                    seen[j] = load<width>(source + (at.at + (tap.offset + c)));
            }
            skip(Held::depth);
        }
        weights = load<width>(filters + filter);
        filter += Held::depth * shape.columns;
        left -= Held::depth;
    }

    __device__ void put(float* a, float* b) const {
        for (int j = 0; j < pixels; j++)
            for (int e = 0; e < width; e++) a[Held::at(part() * width + e, row(j))] = wide(seen[j].of[e]);
        Held::put(b + filter_row() * Tile::columns + filter_column(), weights);
    }
};

template <class T, class Tile, Reading reading> struct WindowsAndGradients {
    using Held = Tiles<T, Tile>;
    // threads that read for one pixel
    static const int width = Held::width, lanes = Tile::threads / Held::depth;
    // vectors of the input each of them reads
    static const int runs = Tile::rows / width / lanes;

    const Shape& shape;
    const Strides &x_by, &dy_by;
    const Tap* taps;  // of every vector of rows, its first
    const T *x, *dy;
    int k, last, left;  // the filter, the group's last one, and pixels of the slice
    Pixel at;
    Vector<T, width> seen[runs], gradients;

    __device__ static int pixel() { return threadIdx.x / lanes; }
    __device__ static int run(int j) { return j * lanes + threadIdx.x % lanes; }
    __device__ static int column() { return threadIdx.x % lanes * width; }

    __device__ static Tap tap_of(long long row, const Strides& by, const Shape& shape, int group) {
        const int c = row % shape.C, tap = row / shape.C, r = tap / shape.S;
        const int h = r * shape.dilation_h, w = tap % shape.S * shape.dilation_w;
        if (r >= shape.R) return {outside, 0, 0, 0};
        if (reading == scalar) return {h, w, c, group * shape.C};
        return {h, w, c, h * static_cast<int>(by.h) + w * static_cast<int>(by.w) + group * shape.C + c};
    }

    __device__ WindowsAndGradients(const T* x, const T* dy, const Strides& x_by,
                                   const Strides& dy_by, const Shape& shape,
                                   const Tap* taps, int group, int slice, int first_column)
        : shape(shape), x_by(x_by), dy_by(dy_by), taps(taps), x(x), dy(dy) {
        last = (group + 1) * shape.K - 1;
        k = group * shape.K + first_column + column();
        if (k > last) k = group * shape.K;  // of a column too many nobody asks the sums
        const long long first = slice * shape.each,
                        rest = static_cast<long long>(shape.N) * shape.P * shape.Q - first;
        left = static_cast<int>(rest < shape.each ? rest : shape.each);
        at = pixel_of(pixel() < left ? first + pixel() : 0, shape.P, shape.Q);
    }

    __device__ void fetch() {
        const bool there = left > pixel();
        const int top = at.h * shape.stride_h - shape.top, start = at.w * shape.stride_w - shape.left;
        const T *image = x + at.n * x_by.n, *gradient = dy + at.n * dy_by.n;
        gradients = {};
        if constexpr (reading == vector) {
            const int corner = top * static_cast<int>(x_by.h) + start * static_cast<int>(x_by.w);
            for (int j = 0; j < runs; j++) {
                const Tap tap = taps[run(j)];
                seen[j] = {};
                if (there && inside(shape, top + tap.h, start + tap.w))
                    seen[j] = load<width>(image + (corner + tap.offset));
            }
            const int offset = at.h * static_cast<int>(dy_by.h) + at.w * static_cast<int>(dy_by.w) + k;
            if (there) gradients = load<width>(gradient + offset);
        } else {
            for (int j = 0; j < runs; j++) {
                Tap tap = taps[run(j)];
                seen[j] = {};
                for (int e = 0; e < width; e++) {
                    const int h = top + tap.h, w = start + tap.w;
                    if (there && inside(shape, h, w))
                        seen[j].of[e] = image[h * x_by.h + w * x_by.w + (tap.offset + tap.c) * x_by.c];
                    if (++tap.c < shape.C) continue;
                    tap.c = 0;
                    tap.w += shape.dilation_w;
                    if (tap.w < shape.S * shape.dilation_w) continue;
                    tap.w = 0;
                    tap.h += shape.dilation_h;
                }
            }
            for (int e = 0; e < width; e++)
                if (there) gradients.of[e] = gradient[at.h * dy_by.h + at.w * dy_by.w
                                                      + (k + e < last ? k + e : last) * dy_by.c];
        }
        left -= Held::depth;
        move_on(at, Held::depth, shape.P, shape.Q);
    }

    __device__ void put(float* a, float* b) const {
        for (int j = 0; j < runs; j++) Held::put(a + Held::at(pixel(), run(j) * width), seen[j]);
        Held::put(b + pixel() * Tile::columns + column(), gradients);
    }
};

// -- the tiled product --------------------------------------------------------------------------------------

// While the sums of one part of the depth are made, the next one arrives in registers; behind the last, zeros
// that nobody reads.
template <class T, class Tile, class Reader>
__device__ inline void multiply(Reader& reader, Tiles<T, Tile>& tiles,
                                float (&sums)[Tile::rows_each][Tile::columns_each]) {
    using Held = Tiles<T, Tile>;
    bool more = reader.left > 0;
    if (more) {
        reader.fetch();
        reader.put(tiles.a[0], tiles.b[0]);
    }
    __syncthreads();
    for (int now = 0; more; now = (now + 1) % Held::buffers) {
        const float *a = tiles.a[now], *b = tiles.b[now];
        const int next = (now + 1) % Held::buffers;
        more = reader.left > 0;
        reader.fetch();
#pragma unroll
        for (int i = 0; i < Held::depth; i++) {
            Vector<float, 4> left[Tile::rows_each / 4], right[Tile::columns_each / 4];
            for (int m = 0; m < Tile::rows_each; m += 4) left[m / 4] = load<4>(a + Held::at(i, Tile::row(m)));
            for (int n = 0; n < Tile::columns_each; n += 4)
                right[n / 4] = load<4>(b + i * Tile::columns + Tile::column(n));
            for (int m = 0; m < Tile::rows_each; m++)
                for (int n = 0; n < Tile::columns_each; n++)
                    sums[m][n] += left[m / 4].of[m % 4] * right[n / 4].of[n % 4];
        }
        if (Held::buffers == 1) __syncthreads();  // everybody has read the only tile
        reader.put(tiles.a[next], tiles.b[next]);
        __syncthreads();
    }
}

// A product again where it is NaN, without what taps see outside of dy: nothing times an infinite weight is
// nothing there.
template <class T>
__device__ float sum_inside(const T* image, const T* filters, const Strides& by, const Shape& shape,
                            const Place& place, const Pixel& at) {
    float sum = 0;
    for (int r = 0; r < place.vertical.taps; r++)
        for (int s = 0; s < place.horizontal.taps; s++) {
            const int y = at.h + place.vertical.first + r * place.vertical.step;
            const int x = at.w + place.horizontal.first + s * place.horizontal.step;
            if (y < 0 || y >= shape.H || x < 0 || x >= shape.W) continue;
            const T* row = filters + (static_cast<long long>(r) * place.horizontal.taps + s)
                           * shape.C * shape.columns;
            for (int c = 0; c < shape.C; c++)
                sum += wide(image[y * by.h + x * by.w + c * by.c])
                       * wide(row[static_cast<long long>(c) * shape.columns]);
        }
    return sum;
}

// The output of a convolution, or its input's gradient, from the filters as `conv2d_pack` writes them.
template <class T, class Tile, Reading reading>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
conv2d(const T* source, const T* filters, const T* bias, T* result, Strides by, Shape shape) {
    using Shared = Memory<T, Tile>;
    SHARED(Shared, shared);
    const Place& place = shared.place;
    if (threadIdx.x == 0) shared.place.find(shape, blockIdx.z,
                                            static_cast<long long>(blockIdx.x) * Tile::rows);
    __syncthreads();
    if (place.rows <= 0) return;  // a phase with fewer pixels than the first
    const int first_column = blockIdx.y * Tile::columns, K = shape.K;
    filters += static_cast<long long>(blockIdx.z) * shape.depth * shape.columns + first_column;

    float sums[Tile::rows_each][Tile::columns_each] = {};
    {
        WindowsAndFilters<T, Tile, reading> reader(source, filters, by, shape, shared);
        multiply<T, Tile>(reader, shared.tiles, sums);
    }

    for (int row = threadIdx.x; row < Tile::rows && row < place.rows; row += Tile::threads)
        shared.result[row] = place.result(place.pixel(row), shape);
    __syncthreads();
    bool repair = false;
#pragma unroll
    for (int n = 0; n < Tile::columns_each; n++) {
        const int k = first_column + Tile::column(n);
        const float more = bias && k < K ? wide(bias[place.group * K + k]) : 0;
        for (int m = 0; m < Tile::rows_each; m++) {
            if (bias) sums[m][n] += more;
            if (shape.relu && sums[m][n] <= 0) sums[m][n] = 0;
            if (shape.gradient && sums[m][n] != sums[m][n]) repair = true;
        }
    }
#pragma unroll
    for (int m = 0; m < Tile::rows_each; m++) {
        if (Tile::row(m) >= place.rows) continue;
        T* pixel = result + shared.result[Tile::row(m)];
#pragma unroll
        for (int n = 0; n < Tile::columns_each; n += 4) {
            const int k = first_column + Tile::column(n);
            if (K % 4 == 0) {  // else a pixel's channels do not begin at a multiple of four elements
                if (k < K)
                    store(pixel + k, Vector<T, 4>{narrow<T>(sums[m][n]), narrow<T>(sums[m][n + 1]),
                                                  narrow<T>(sums[m][n + 2]), narrow<T>(sums[m][n + 3])});
            } else {
                for (int e = 0; e < 4; e++)
                    if (k + e < K) pixel[k + e] = narrow<T>(sums[m][n + e]);
            }
        }
    }
    if (!repair) return;
#pragma unroll 1
    for (int i = 0; i < Tile::rows_each * Tile::columns_each; i++) {
        const int row = Tile::row(i / Tile::columns_each), column = Tile::column(i % Tile::columns_each),
                  k = first_column + column;
        if (row >= place.rows || k >= K) continue;
        T& dx = result[shared.result[row] + k];
        if (wide(dx) == wide(dx)) continue;
        const Pixel at = place.pixel(row);
        const T* image = source + at.n * by.n + static_cast<long long>(place.group) * shape.C * by.c;
        dx = narrow<T>(sum_inside(image, filters + column, by, shape, place, at));
    }
}

template <class T, class Tile> struct WeightMemory {
    Tiles<T, Tile> tiles;
    Tap taps[Tile::rows / Tiles<T, Tile>::width];
};

template <class T, class Tile, Reading reading>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
conv2d_weight_gradient(const T* x, const T* dy, float* partial, Strides x_by, Strides dy_by, Shape shape) {
    using Shared = WeightMemory<T, Tile>;
    using Reader = WindowsAndGradients<T, Tile, reading>;
    SHARED(Shared, shared);
    const int group = blockIdx.z / shape.slices, slice = blockIdx.z % shape.slices;
    const int first_column = blockIdx.y * Tile::columns, K = shape.K;
    const long long first_row = static_cast<long long>(blockIdx.x) * Tile::rows;
    const long long rows = static_cast<long long>(shape.R) * shape.S * shape.C;
    if (threadIdx.x < Tile::rows / Reader::width)
        shared.taps[threadIdx.x] = Reader::tap_of(first_row + threadIdx.x * Reader::width,
                                                  x_by, shape, group);
    __syncthreads();

    float sums[Tile::rows_each][Tile::columns_each] = {};
    {
        Reader reader(x, dy, x_by, dy_by, shape, shared.taps, group, slice, first_column);
        multiply<T, Tile>(reader, shared.tiles, sums);
    }

    float* mine = partial + (static_cast<long long>(slice) * shape.groups + group) * rows * K;
#pragma unroll
    for (int m = 0; m < Tile::rows_each; m++) {
        const long long row = first_row + Tile::row(m);
        if (row >= rows) continue;
#pragma unroll
        for (int n = 0; n < Tile::columns_each; n += 4) {
            const int k = first_column + Tile::column(n);
            if (K % 4 == 0) {
                if (k < K) store(mine + row * K + k, Vector<float, 4>{sums[m][n], sums[m][n + 1],
                                                                      sums[m][n + 2], sums[m][n + 3]});
            } else {
                for (int e = 0; e < 4; e++)
                    if (k + e < K) mine[row * K + k + e] = sums[m][n + e];
            }
        }
    }
}

// -- before and after ---------------------------------------------------------------------------------------

// The filters as the product reads them: for each phase and group a matrix of `depth` rows (r, s, channel
// that is summed over) and `columns` columns (channel that results), filled up with zeros. A block of 32
// columns and 8 channels: it writes whole rows, and the sectors that it reads it uses up.
template <class T>
__global__ void __launch_bounds__(256) conv2d_pack(const T* weight, T* packed, Strides by, Shape shape) {
    const int group = blockIdx.z % shape.groups, phase = blockIdx.z / shape.groups;
    const Axis vertical = vertical_axis(shape, phase), horizontal = horizontal_axis(shape, phase);
    const int column = blockIdx.x * 32 + threadIdx.x % 32, c = blockIdx.y * 8 + threadIdx.x / 32;
    if (column >= shape.columns) return;
    T* matrix = packed + static_cast<long long>(blockIdx.z) * shape.depth * shape.columns + column;
    const int taps = vertical.taps * horizontal.taps;
    if (c >= shape.C) {  // rows behind the last
        const int row = taps * shape.C + c - shape.C;
        if (row < shape.depth) matrix[static_cast<long long>(row) * shape.columns] = narrow<T>(0);
        return;
    }
    const long long sum_over = shape.gradient ? by.n : by.c, result_in = shape.gradient ? by.c : by.n;
    const long long first_filter = static_cast<long long>(group) * (shape.gradient ? shape.C : shape.K);
    const T* filter = weight + first_filter * by.n + c * sum_over + column * result_in;
    for (int tap = 0; tap < taps; tap++) {
        const int r = vertical.first_tap + tap / horizontal.taps * vertical.every_tap;
        const int s = horizontal.first_tap + tap % horizontal.taps * horizontal.every_tap;
        T& element = matrix[(static_cast<long long>(tap) * shape.C + c) * shape.columns];
        element = column < shape.K ? filter[r * by.h + s * by.w] : narrow<T>(0);
    }
}

// The slices' partial gradients (group, row (r, s, c), filter), added up from the first to the last, as
// (filter, c, r, s).
template <class T>
__global__ void __launch_bounds__(256)
conv2d_add_slices(const float* partial, T* gradient, long long count, int slices, int K, int C, int taps) {
    const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float sum = 0;
    for (int slice = 0; slice < slices; slice++) sum += partial[slice * count + i];
    const long long k = i % K, row = i / K % (static_cast<long long>(taps) * C),
                    group = i / K / (static_cast<long long>(taps) * C);
    gradient[((group * K + k) * C + row % C) * taps + row / C] = narrow<T>(sum);
}

struct ByPixel { float of[8][32]; };

// The bias's gradient: a block adds up a slice of the pixels for 32 neighbouring channels, every eighth
// pixel in each row.
template <class T>
__global__ void __launch_bounds__(256) conv2d_bias_gradient(const T* dy, float* partial,
                                                            Strides by, Shape shape) {
    SHARED(ByPixel, sums);
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32, K = shape.groups * shape.K,
              k = blockIdx.x * 32 + lane;
    const long long first = blockIdx.y * shape.each,
                    rest = static_cast<long long>(shape.N) * shape.P * shape.Q - first;
    const long long count = rest < shape.each ? rest : shape.each;
    float sum = 0;
    if (k < K && row < count) {
        Pixel at = pixel_of(first + row, shape.P, shape.Q);
        for (long long i = row; i < count; i += 8) {
            sum += wide(dy[at.n * by.n + at.h * by.h + at.w * by.w + k * by.c]);
            move_on(at, 8, shape.P, shape.Q);
        }
    }
    sums.of[row][lane] = sum;
    __syncthreads();
    if (row || k >= K) return;
    for (int other = 1; other < 8; other++) sum += sums.of[other][lane];
    partial[static_cast<long long>(blockIdx.y) * K + k] = sum;
}

// What reaches a convolution through the ReLU behind it: dy where y is not 0. Once, for all three
// gradients read it.
template <class T>
__global__ void __launch_bounds__(256)
conv2d_relu_gradient(const T* dy, const T* y, T* masked, Strides by, int K, int P, int Q, long long count) {
    const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const long long c = i % K;
    const Pixel at = pixel_of(i / K, P, Q);
    masked[i] = wide(y[i]) <= 0 ? narrow<T>(0) : dy[at.n * by.n + c * by.c + at.h * by.h + at.w * by.w];
}
