// The gradients of a convolution's filters and bias on tensor cores: the weight gradient of conv.cu, with the
// same letters, where 16 bytes of channels can be read at once. The depth are pixels, which lie behind each
// other in shared memory, each with the channels of both matrices: ldmatrix turns them round.

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

// What the product reads: the threads of a pixel bring the rows (r, s, c) that it has under the taps, and its
// filters.
template <class T, class Tile> struct ArrivingPixels {
    static const int width = per_access<T>, depth = 64 / sizeof(T);  // pixels of a stage
    static const int lanes = Tile::threads / depth;                  // threads of a pixel
    static const int runs = Tile::rows / width / lanes;              // vectors of either matrix for each
    static const int pixel_bytes = Tile::rows * sizeof(T), columns_begin = depth * pixel_bytes;
    static_assert(Tile::rows == Tile::columns, "both matrices lie alike");

    const Shape& shape;
    const Strides &x_by, &dy_by;
    const T *image, *gradient;                // the pixel's, of the group; dy's from the thread's filter on
    int tap_h[runs], tap_w[runs], tap[runs];  // of each vector of rows: its tap, what that adds to a pixel
    int h, w;                                 // the pixel in dy
    int left, some;                           // pixels of the slice, filters, from the thread's first one on
    int to, a, b;                             // in a stage, as in ArrivingWindows

    // The byte where a pixel's vector lies. Neither 8 pixels that are read together, nor those of 8 threads
    // that are brought together, have one in the same banks.
    __device__ static int placed(int pixel, int vector) {
        const int mirrored = (pixel & 1) << 2 | (pixel & 2) | (pixel >> 2 & 1);
        return pixel * pixel_bytes + (vector ^ mirrored) * 16;
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
        to = kept(placed(pixel, part));
        // of the rows 8 pixels, the 16 bytes behind them, and the 8 pixels below; of the columns the other
        // way round
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        a = kept(placed(lane / 16 * 8 + lane % 8,
                        warp / Tile::across * (Tile::warp_rows / width) + lane / 8 % 2));
        b = kept(columns_begin
                 + placed(lane % 16, warp % Tile::across * (Tile::warp_columns / width) + lane / 16));
    }

    __device__ void fetch(SharedAddress stage) {
        const bool in_range = left > 0;
        const int top = h * shape.stride_h - shape.top, start = w * shape.stride_w - shape.left;
        const int corner = top * static_cast<int>(x_by.h) + start * static_cast<int>(x_by.w);
        const int highest = in_range ? top : outside;
#pragma unroll
        for (int j = 0; j < runs; j++)
            cp_async(stage + (to ^ j * lanes * 16), image + (corner + tap[j]),
                     inside(shape, highest + tap_h[j], start + tap_w[j]));
        const T* const filter = gradient + (h * static_cast<int>(dy_by.h) + w * static_cast<int>(dy_by.w));
#pragma unroll
        for (int j = 0; j < runs; j++)
            cp_async(stage + ((to ^ j * lanes * 16) + columns_begin), filter + j * lanes * width,
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

    __device__ void rows(unsigned (&words)[4], SharedAddress stage, int m, int half) const {
        ldmatrix_trans(words, stage + ((a ^ m * 32) + half * (depth / 2) * pixel_bytes));
    }
    __device__ void columns(unsigned (&words)[4], SharedAddress stage, int n, int half) const {
        ldmatrix_trans(words, stage + ((b ^ n * 32) + half * (depth / 2) * pixel_bytes));
    }
};

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
    const int first_row = blockIdx.x * Tile::rows;
    float sums[Tile::down][Tile::beside][4] = {};
    {
        using Reader = ArrivingPixels<T, Tile>;
        Reader reader(x, dy, x_by, dy_by, shape, group, slice, first_row, first_column);
        const long long rest =
            static_cast<long long>(shape.N) * shape.P * shape.Q - slice * shape.slice_pixels;
        const int pixels = static_cast<int>(rest < shape.slice_pixels ? rest : shape.slice_pixels);
        multiply<T, Tile>(reader, kept(shared_address(shared.stages)),
                          (pixels + Reader::depth - 1) / Reader::depth, sums);
    }
    const int rows = shape.R * shape.S * shape.C;
    const long long apart = static_cast<long long>(rows + (dbias && shape.slices > 1)) * K * shape.groups;
    float* const matrix = partial + static_cast<long long>(rows + (dbias && shape.slices > 1)) * K * group;
    float* const mine = matrix + slice * apart;
#pragma unroll
    for (int m = 0; m < Tile::down; m++)
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            const int row = first_row + Tile::row(m, i);
            if (row >= rows) continue;
#pragma unroll
            for (int n = 0; n < Tile::beside; n++) {  // K is a multiple of the vectors' width
                const int k = first_column + Tile::column(n, i);
                if (k < K) store(mine + static_cast<long long>(row) * K + k,
                                 Vector<float, 2>{sums[m][n][i], sums[m][n][i + 1]});
            }
        }
    add_up_filters<T, Tile>(gradient, matrix, apart, shape, tiles, counters, shared.turned, shared.is_last);
}
