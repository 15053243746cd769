// The gradients of a convolution's filters and bias on tensor cores: the weight gradient of conv.cu, with the
// same letters, where 16 bytes of channels can be read at once. The depth are pixels, which lie behind each
// other in shared memory, each with the channels of both matrices. Of 2 bytes ldmatrix turns them round; of
// float a lane takes four neighbouring channels of its pixel, so a warp's rows and columns are numbered anew.

#include "places.cuh"
#include "slices.cuh"
#include "tensor_product.cuh"

template <class T, class Tile> struct alignas(128) TensorWeightMemory {
    union {
        char stages[Tile::stages * Tile::stage_bytes];
        float by_pixel[Tile::threads];
        float turned[Tile::columns][33];  // one more than a warp has lanes: no two of them meet in a bank
    };
    int is_last;
};

// The tile's row and column of a thread's sum: of the 16 x 8 sums with these numbers, the i-th.
template <class T, class Tile> __device__ inline int row_of(int m, int i) {
    if (sizeof(T) == 2) return Tile::row(m, i);
    return threadIdx.x / 32 / Tile::across * Tile::warp_rows + m / 2 * 32 + threadIdx.x % 32 / 4 * 4
           + m % 2 * 2 + i / 2;
}
template <class T, class Tile> __device__ inline int column_of(int n, int i) {
    if (sizeof(T) == 2) return Tile::column(n, i);
    return threadIdx.x / 32 % Tile::across * Tile::warp_columns + n / 4 * 32 + i % 2 * 16
           + threadIdx.x % 4 * 4 + n % 4;
}

// What the product reads: the threads of a pixel bring the rows (r, s, c) that it has under the taps, and its
// filters.
template <class T, class Tile> struct ArrivingPixels {
    static const int width = per_access<T>, depth = 64 / sizeof(T);  // pixels of a stage
    static const int lanes = Tile::threads / depth;                  // threads of a pixel
    static const int runs = Tile::rows / width / lanes;              // vectors of rows for each,
    static const int column_runs = Tile::columns / width / lanes;    // and of columns
    static const int row_bytes = Tile::rows * sizeof(T), column_bytes = Tile::columns * sizeof(T);
    static const int columns_begin = depth * row_bytes;
    static_assert(sizeof(T) == 2 || (Tile::warp_rows % 32 == 0 && Tile::warp_columns % 32 == 0),
                  "eight lanes take four channels each");

    const Shape& shape;
    const Strides &x_by, &dy_by;
    const T *image, *gradient;                // the pixel's, of the group; dy's from the thread's filter on
    int tap_h[runs], tap_w[runs], tap[runs];  // of each vector of rows: its tap, what that adds to a pixel
    int h, w;                                 // the pixel in dy
    int left, some;                           // pixels of the slice, filters, from the thread's first one on
    int to, columns_to, a, b;                 // in a stage, as in ArrivingWindows

    // The byte where a pixel's vector lies. No two that are read together, nor two that are brought together,
    // have the same banks. Read are one vector of 8 pixels, and of float two neighbours, or two with another
    // two between them, of 4 pixels; brought are 8 of a pixel, or 4 of two.
    __device__ static int placed(int pixel, int pixel_bytes, int vector) {
        const int lowest = sizeof(T) == 2 ? pixel >> 2 & 1 : pixel & 1;
        return pixel * pixel_bytes + (vector ^ ((pixel & 1) << 2 | (pixel & 2) | lowest)) * 16;
    }

    __device__ ArrivingPixels(const T* x, const T* dy, const Strides& x_by, const Strides& dy_by,
                              const Shape& shape, int group, int slice, int first_row, int first_column)
        : shape(shape), x_by(x_by), dy_by(dy_by) {
        const int pixel = threadIdx.x / lanes, part = threadIdx.x % lanes;
        for (int j = 0; j < runs; j++) {
            const int row = first_row + (part + j * lanes) * width, c = row % shape.C;
            const int r = row / shape.C / shape.S, s = row / shape.C % shape.S;
            const int h = r * shape.dilation_h, w = s * shape.dilation_w;
            tap_h[j] = h;
            tap_w[j] = r < shape.R ? w : outside;
            tap[j] = r < shape.R ? h * static_cast<int>(x_by.h) + w * static_cast<int>(x_by.w) + c : 0;
        }
        const long long first = slice * shape.slice_pixels,
                        rest = static_cast<long long>(shape.N) * shape.P * shape.Q - first;
        left = static_cast<int>(rest < shape.slice_pixels ? rest : shape.slice_pixels) - pixel;
        const Pixel at = pixel_of(left > 0 ? first + pixel : 0, shape.P, shape.Q);
        h = at.h, w = at.w;
        some = kept(shape.K - first_column - part * width);
        image = kept(x + (at.n * x_by.n + group * shape.C));
        gradient = kept(dy + (at.n * dy_by.n + group * shape.K + first_column + part * width));
        to = kept(placed(pixel, row_bytes, part));
        columns_to = row_bytes == column_bytes ? to : kept(placed(pixel, column_bytes, part));
        // of the rows 8 pixels, the 16 bytes behind them, and the 8 pixels below; of the columns the other
        // way round
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int rows = warp / Tile::across * (Tile::warp_rows / width),
                  columns = warp % Tile::across * (Tile::warp_columns / width);
        if (sizeof(T) == 2) {
            a = kept(placed(lane / 16 * 8 + lane % 8, row_bytes, rows + lane / 8 % 2));
            b = kept(columns_begin + placed(lane % 16, column_bytes, columns + lane / 16));
        } else {  // of the columns so that neighbouring lanes get neighbouring sums
            a = kept(placed(lane % 4, row_bytes, rows + lane / 4));
            b = kept(columns_begin
                     + placed(lane % 4, column_bytes, columns + lane / 8 + lane / 4 % 2 * 4));
        }
    }

    // The thread's j-th vector of a pixel from its first one: of the place only three bits are exchanged.
    __device__ static int further(int to, int j) {
        const int bytes = j * lanes * 16;
        return (to ^ (bytes & 127)) + (bytes & ~127);
    }

    __device__ void fetch(SharedAddress stage) {
        const bool in_range = left > 0;
        const int top = h * shape.stride_h - shape.top, start = w * shape.stride_w - shape.left;
        const int corner = top * static_cast<int>(x_by.h) + start * static_cast<int>(x_by.w);
        const int highest = in_range ? top : outside;
#pragma unroll
        for (int j = 0; j < runs; j++)
            cp_async(stage + further(to, j), image + (corner + tap[j]),
                     inside(shape, highest + tap_h[j], start + tap_w[j]));
        const T* const filter = gradient + (h * static_cast<int>(dy_by.h) + w * static_cast<int>(dy_by.w));
#pragma unroll
        for (int j = 0; j < column_runs; j++)
            cp_async(stage + (further(columns_to, j) + columns_begin), filter + j * lanes * width,
                     in_range && j * lanes * width < some);
        left -= depth;
        w += depth;
#pragma unroll 1
        while (w >= shape.Q) {
            w -= shape.Q;
            if (++h == shape.P) {
                h = 0;
                image += x_by.n;
                gradient += dy_by.n;
            }
        }
    }

    __device__ void rows(unsigned (&words)[Tile::down][4], SharedAddress stage, int half) const {
        const int begin = half * (depth / 2) * row_bytes;
        if constexpr (sizeof(T) == 2) {
#pragma unroll
            for (int m = 0; m < Tile::down; m++) ldmatrix_trans(words[m], stage + ((a ^ m * 32) + begin));
        } else {
#pragma unroll
            for (int m = 0; m < Tile::down; m += 2)
                for (int later = 0; later < 2; later++) {  // the pixel, and the fourth behind it
                    unsigned channels[4];
                    load_shared(channels, stage + (a + m * 64 + begin + later * 4 * row_bytes));
                    for (int i = 0; i < 4; i++) words[m + i / 2][later * 2 + i % 2] = channels[i];
                }
        }
    }
    __device__ void columns(unsigned (&words)[Tile::beside / 2][4], SharedAddress stage, int half) const {
        const int begin = half * (depth / 2) * column_bytes;
        if constexpr (sizeof(T) == 2) {
#pragma unroll
            for (int n = 0; n < Tile::beside / 2; n++)
                ldmatrix_trans(words[n], stage + ((b ^ n * 32) + begin));
        } else {
#pragma unroll
            for (int n = 0; n < Tile::beside; n += 4)
                for (int later = 0; later < 2; later++) {
                    unsigned channels[4];
                    load_shared(channels, stage + (b + n * 32 + begin + later * 4 * column_bytes));
                    if (Tile::products == 1) round_to_tf32(channels);
                    for (int i = 0; i < 4; i++) words[(n + i) / 2][i % 2 * 2 + later] = channels[i];
                }
        }
    }
};

// A block's sums over the slice, into its matrix; `again`: only those that are NaN there. Whether some are.
template <class T, class Tile, bool again>
__device__ inline bool sum_up(ArrivingPixels<T, Tile> reader, char* stages, float* matrix, int steps,
                              int first_row, int first_column, int rows, int K) {
    float sums[Tile::down][Tile::beside][4] = {};
    multiply<T, Tile>(reader, kept(shared_address(stages)), steps, sums);
    constexpr int width = sizeof(T) == 2 ? 2 : 4;  // of neighbouring columns; K is a multiple of it
    bool repair = false;
#pragma unroll
    for (int m = 0; m < Tile::down; m++)
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            const int row = first_row + row_of<T, Tile>(m, i);
            if (row >= rows) continue;
#pragma unroll
            for (int part = 0; part < Tile::beside * 2 / width; part++) {
                const int n = width == 2 ? part : part / 2 * 4, from = width == 2 ? i : i + part % 2;
                const int k = first_column + column_of<T, Tile>(n, from);
                if (k >= K) continue;
                float* const to = matrix + (static_cast<long long>(row) * K + k);
                Vector<float, width> values;
                for (int e = 0; e < width; e++) {
                    values.of[e] = width == 2 ? sums[m][n][from + e] : sums[m][n + e][from];
                    if (again && to[e] == to[e]) values.of[e] = to[e];
                    if (values.of[e] != values.of[e]) repair = true;
                }
                store(to, values);
            }
        }
    return repair;
}

// Whether it is so for any thread of the block, for all of them.
template <class Tile> __device__ inline bool for_any_thread(bool mine, float (&room)[Tile::threads]) {
    const float in_warp = warp_sum(mine ? 1.0f : 0.0f);
    __syncthreads();  // everybody has read what was there before
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = in_warp;
    __syncthreads();
    float all = 0;
    for (int warp = 0; warp < Tile::threads / 32; warp++) all += room[warp];
    __syncthreads();
    return all > 0;
}

// As conv2d_weight_gradient of conv.cu, which says what `partial` has.
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
conv2d_tensor_weight_gradient(const T* x, const T* dy, float* partial, T* gradient, T* dbias,
                              unsigned* counters, Strides x_by, Strides dy_by, Shape shape, int tiles) {
    extern __shared__ __align__(128) char room[];
    auto& shared = *reinterpret_cast<TensorWeightMemory<T, Tile>*>(room);
    if (blockIdx.x == tiles) {
        bias_gradient<T, Tile>(dy, dy_by, shape, partial, dbias, counters, shared.by_pixel, shared.is_last);
        return;
    }
    const int group = blockIdx.z / shape.slices, slice = blockIdx.z % shape.slices;
    const int first_column = blockIdx.y * Tile::columns, K = shape.K;
    const int first_row = blockIdx.x * Tile::rows, rows = shape.R * shape.S * shape.C;
    const long long apart = static_cast<long long>(rows + (dbias && shape.slices > 1)) * K * shape.groups;
    float* const matrix = partial + static_cast<long long>(rows + (dbias && shape.slices > 1)) * K * group;
    float* const mine = matrix + slice * apart;
    const long long rest = static_cast<long long>(shape.N) * shape.P * shape.Q - slice * shape.slice_pixels;
    const int pixels = static_cast<int>(rest < shape.slice_pixels ? rest : shape.slice_pixels);
    using Reader = ArrivingPixels<T, Tile>;
    const int steps = (pixels + Reader::depth - 1) / Reader::depth;
    const bool repair = sum_up<T, Tile, false>(
        Reader(x, dy, x_by, dy_by, shape, group, slice, first_row, first_column), shared.stages, mine, steps,
        first_row, first_column, rows, K);
    if constexpr (Tile::products == 3) {
        // of what is left of an infinite number, or times it, there is a NaN: one product says what it is
        using Once = typename Tile::Once;
        if (for_any_thread<Tile>(repair, shared.by_pixel))
            sum_up<T, Once, true>(ArrivingPixels<T, Once>(x, dy, x_by, dy_by, shape, group, slice, first_row,
                                                          first_column),
                                  shared.stages, mine, steps, first_row, first_column, rows, K);
    }
    add_up_filters<T, Tile>(gradient, matrix, apart, shape, tiles, counters, shared.turned, shared.is_last);
}
