// Convolution as a tiled product of matrices that are never written down ("implicit GEMM"), in fp32 on CUDA
// cores. Letters: input (N, C, H, W), filters (K, C, R, S), output (N, K, P, Q); C and K are the channels of
// one group. Arrays that kernels write have their channels last in memory. Each block makes one tile of the
// product for one group; each of its sums runs over the depth from the first to the last, whatever the tile,
// so that bits depend neither on it nor on N.
//
//                    row                          column       depth
//   output           pixel (n, p, q)              filter k     (r, s, c)
//   input gradient   pixel (n, h, w) of a phase   channel c    (r, s, k), the taps that meet the phase
//   weight gradient  (r, s, c)                    filter k     pixel (n, p, q), in slices that the last block
// adds up

#include "product.cuh"
#include "places.cuh"
#include "slices.cuh"
#include "windows.cuh"

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

// The output of a convolution, or its input's gradient, from the filters as `conv2d_pack` writes them; where
// it is pointwise, from the filters as they are.
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
    filters += reading == pointwise
               ? static_cast<long long>(blockIdx.z) * K * shape.C
                 + static_cast<long long>(first_column) * (shape.gradient ? 1 : shape.C)
               : static_cast<long long>(blockIdx.z) * shape.depth * shape.columns + first_column;

    float sums[Tile::rows_each][Tile::columns_each] = {};
    {
        WindowsAndFilters<T, Tile, reading> reader(source, filters, by, shape, shared, first_column);
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
            // pointwise, nothing is seen outside
            if (reading != pointwise && shape.gradient && sums[m][n] != sums[m][n]) repair = true;
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
    union {
        Tiles<T, Tile> tiles;
        float by_pixel[Tile::threads];
        float turned[Tile::columns][33];  // one more than a warp has lanes: no two of them meet in a bank
    };
    Tap taps[Tile::rows / Tiles<T, Tile>::width];
    int is_last;
};

// The gradients of the filters and, if `dbias` is not null, of the bias, whose blocks are those behind the
// filters' `tiles` in x. A block's sums are those of a slice of the pixels; it leaves them in `partial`, for
// each slice and group a matrix (r, s, c; bias where there are several slices) x filter. The last block of
// those that have the same channels, whatever their taps and slices, adds them up from the first slice to
// the last, and writes them in the filters' order.
template <class T, class Tile, Reading reading>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
conv2d_weight_gradient(const T* x, const T* dy, float* partial, T* gradient, T* dbias, unsigned* counters,
                       Strides x_by, Strides dy_by, Shape shape, int tiles) {
    using Shared = WeightMemory<T, Tile>;
    using Reader = WindowsAndGradients<T, Tile, reading>;
    SHARED(Shared, shared);
    const int group = blockIdx.z / shape.slices, slice = blockIdx.z % shape.slices;
    const int first_column = blockIdx.y * Tile::columns, K = shape.K;
    const long long first_row = static_cast<long long>(blockIdx.x) * Tile::rows;
    if (blockIdx.x == tiles) {
        bias_gradient<T, Tile>(dy, dy_by, shape, partial, dbias, counters, shared.by_pixel, shared.is_last);
        return;
    }
    if (threadIdx.x < Tile::rows / Reader::width)
        shared.taps[threadIdx.x] = Reader::tap_of(first_row + threadIdx.x * Reader::width,
                                                  x_by, shape, group);
    __syncthreads();

    float sums[Tile::rows_each][Tile::columns_each] = {};
    {
        Reader reader(x, dy, x_by, dy_by, shape, shared.taps, group, slice, first_column);
        multiply<T, Tile>(reader, shared.tiles, sums);
    }

    // what is computed from here on lies in no register while the product is
    const int C = shape.C, taps = shape.R * shape.S;
    const long long rows = static_cast<long long>(taps) * C;
    const long long apart = (rows + (dbias && shape.slices > 1)) * K * shape.groups;
    float* const matrix = partial + (rows + (dbias && shape.slices > 1)) * K * group;
    float* const mine = matrix + slice * apart;
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
    add_up_filters<T, Tile>(gradient, matrix, apart, shape, tiles, counters, shared.turned, shared.is_last);
}

// -- before and after ---------------------------------------------------------------------------------------

// The filters as a product reads them: for each phase and group a matrix of `depth` rows (r, s, channel
// that is summed over) and `columns` columns (channel that results), filled up with zeros. A block of 32
// columns and 8 channels writes whole rows. Where few taps lie side by side in memory, and so do the filters'
// channels, it reads them in that order, and turns them round in shared memory.
const int TURNED = 9;  // taps at most

template <class T> struct Turned { T of[8 * 33 * TURNED]; };

template <class T>
__device__ inline void pack(const T* weight, T* packed, const Strides& by, const Shape& shape, int z,
                            Turned<T>& turned) {
    const int group = z % shape.groups, phase = z / shape.groups;
    const Axis vertical = vertical_axis(shape, phase), horizontal = horizontal_axis(shape, phase);
    const int first_column = blockIdx.x * 32, column = first_column + threadIdx.x % 32;
    const int first_c = blockIdx.y * 8, c = first_c + threadIdx.x / 32;
    if (first_column >= shape.columns) return;
    T* matrix = packed + static_cast<long long>(z) * shape.depth * shape.columns + column;
    const int taps = vertical.taps * horizontal.taps;
    const long long sum_over = shape.gradient ? by.n : by.c, result_in = shape.gradient ? by.c : by.n;
    const long long first_filter = static_cast<long long>(group) * (shape.gradient ? shape.C : shape.K);
    const T* filters = weight + first_filter * by.n + first_c * sum_over + first_column * result_in;
    // an odd number of elements for a filter, so that lanes side by side meet in no bank
    const int of_filter = shape.R * shape.S, apart = of_filter | 1;
    const bool turn = of_filter <= TURNED && by.w == 1 && by.h == shape.S && by.c == of_filter;
    if (turn) {
        const int inner = shape.gradient ? 32 : 8;  // the channels that are neighbours in memory
        for (int e = threadIdx.x; e < 256 * of_filter; e += 256) {
            const int tap = e % of_filter, near = e / of_filter % inner, far = e / of_filter / inner;
            const int i = shape.gradient ? near : far, j = shape.gradient ? far : near;
            if (first_column + i < shape.K && first_c + j < shape.C)
                turned.of[(j * 33 + i) * apart + tap] = filters[j * sum_over + i * result_in + tap];
        }
        __syncthreads();
    }
    if (c >= shape.C) {  // rows behind the last
        const int row = taps * shape.C + c - shape.C;
        if (row < shape.depth) matrix[static_cast<long long>(row) * shape.columns] = narrow<T>(0);
        return;
    }
    const int i = threadIdx.x % 32, j = threadIdx.x / 32;
    const T* filter = filters + j * sum_over + i * result_in;
    for (int tap = 0; tap < taps; tap++) {
        const int r = vertical.first_tap + tap / horizontal.taps * vertical.every_tap;
        const int s = horizontal.first_tap + tap % horizontal.taps * horizontal.every_tap;
        T& element = matrix[(static_cast<long long>(tap) * shape.C + c) * shape.columns];
        if (column >= shape.K) element = narrow<T>(0);
        else element = turn ? turned.of[(j * 33 + i) * apart + r * shape.S + s] : filter[r * by.h + s * by.w];
    }
}

// For the output, for the input's gradient, or for both: the first `forwards` blocks in z are the output's.
template <class T>
__global__ void __launch_bounds__(256) conv2d_pack(const T* weight, T* forward, T* gradient, Strides by,
                                                   Shape forward_shape, Shape gradient_shape, int forwards) {
    SHARED(Turned<T>, turned);
    const int z = blockIdx.z;
    if (z < forwards) pack(weight, forward, by, forward_shape, z, turned);
    else pack(weight, gradient, by, gradient_shape, z - forwards, turned);
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
