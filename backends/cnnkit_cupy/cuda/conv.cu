// Convolution as a tiled product of matrices that are never written down ("implicit GEMM"), in fp32 on CUDA cores.
// Letters: input (N, C, H, W), filters (K, C / groups, R, S), output (N, K, P, Q). One block makes one tile of the product
// for one group; the sums run over `depth` in the same order in every run. No atomics.
//
//                    row                  column               depth
//   output           filter k             pixel (n, p, q)      (c, r, s)
//   input gradient   channel c            pixel (n, h, w)      (k, r, s)
//   weight gradient  filter k             (c, r, s)            pixel (n, p, q), in slices that a second kernel adds up

struct Shape {
    int N, C, H, W, K, R, S, P, Q;
    int stride_h, stride_w, top, left, dilation_h, dilation_w;
    int groups, slices;
};

// How a block of 256 threads divides a tile: each thread makes rows_each x columns_each sums.
struct Tiling {
    static const int rows = 64, columns = 64, depth = 16;
    static const int rows_each = 4, columns_each = 4;
    static const int threads_across = columns / columns_each;
    static const int threads = threads_across * (rows / rows_each);
};

struct Tiles {
    float a[Tiling::depth][Tiling::rows + 4];  // 4 more: consecutive depths of one row fall into different banks
    float b[Tiling::depth][Tiling::columns + 4];
};

// -- the three products: what their matrices hold -------------------------------------------------------------------

struct Tap { int channel, r, s; };
struct Pixel { int n, h, w; };

__device__ inline Tap tap_of(int i, const Shape& shape) {
    return {i / shape.S / shape.R, i / shape.S % shape.R, i % shape.S};
}
__device__ inline Pixel pixel_of(int i, int height, int width) { return {i / width / height, i / width % height, i % width}; }

template <class T> __device__ inline float read(const T* x, const Strides& by, int n, int c, int h, int w) {
    return wide(x[n * by.n + c * by.c + h * by.h + w * by.w]);
}

// What the filters' element `tap` sees for the output at `pixel`: 0 in the padding.
template <class T>
__device__ inline float seen(const T* x, const Strides& by, const Shape& shape, int first_channel, Tap tap, Pixel pixel) {
    int h = pixel.h * shape.stride_h - shape.top + tap.r * shape.dilation_h;
    int w = pixel.w * shape.stride_w - shape.left + tap.s * shape.dilation_w;
    if (h < 0 || h >= shape.H || w < 0 || w >= shape.W) return 0;
    return read(x, by, pixel.n, first_channel + tap.channel, h, w);
}

template <class T> struct Output {
    const T *x, *weight, *bias;
    T* y;
    Strides x_by, weight_by;
    Shape shape;
    int group;

    __device__ int rows() const { return shape.K / shape.groups; }
    __device__ int columns() const { return shape.N * shape.P * shape.Q; }
    __device__ int depth() const { return shape.C / shape.groups * shape.R * shape.S; }
    __device__ float a(int row, int i) const {
        Tap tap = tap_of(i, shape);
        return read(weight, weight_by, group * rows() + row, tap.channel, tap.r, tap.s);
    }
    __device__ float b(int i, int column) const {
        return seen(x, x_by, shape, group * (shape.C / shape.groups), tap_of(i, shape), pixel_of(column, shape.P, shape.Q));
    }
    __device__ void store(int row, int column, float sum) const {
        Pixel at = pixel_of(column, shape.P, shape.Q);
        int k = group * rows() + row;
        if (bias) sum += wide(bias[k]);
        y[((static_cast<long long>(at.n) * shape.K + k) * shape.P + at.h) * shape.Q + at.w] = narrow<T>(sum);
    }
};

template <class T> struct InputGradient {
    const T *dy, *weight;
    T* dx;
    Strides dy_by, weight_by;
    Shape shape;
    int group;

    __device__ int rows() const { return shape.C / shape.groups; }
    __device__ int columns() const { return shape.N * shape.H * shape.W; }
    __device__ int depth() const { return shape.K / shape.groups * shape.R * shape.S; }
    __device__ float a(int row, int i) const {
        Tap tap = tap_of(i, shape);
        return read(weight, weight_by, group * (shape.K / shape.groups) + tap.channel, row, tap.r, tap.s);
    }
    // The output that this tap took from the pixel, if there is one.
    __device__ float b(int i, int column) const {
        Tap tap = tap_of(i, shape);
        Pixel at = pixel_of(column, shape.H, shape.W);
        int h = at.h + shape.top - tap.r * shape.dilation_h, w = at.w + shape.left - tap.s * shape.dilation_w;
        if (h < 0 || w < 0 || h % shape.stride_h || w % shape.stride_w) return 0;
        int p = h / shape.stride_h, q = w / shape.stride_w;
        if (p >= shape.P || q >= shape.Q) return 0;
        return read(dy, dy_by, at.n, group * (shape.K / shape.groups) + tap.channel, p, q);
    }
    __device__ void store(int row, int column, float sum) const {
        Pixel at = pixel_of(column, shape.H, shape.W);
        int c = group * rows() + row;
        dx[((static_cast<long long>(at.n) * shape.C + c) * shape.H + at.h) * shape.W + at.w] = narrow<T>(sum);
    }
};

template <class T> struct WeightGradient {
    const T *x, *dy;
    float* partial;  // (slices, K, C / groups, R, S)
    Strides x_by, dy_by;
    Shape shape;
    int group, slice;

    __device__ int rows() const { return shape.K / shape.groups; }
    __device__ int columns() const { return shape.C / shape.groups * shape.R * shape.S; }
    __device__ int pixels() const { return shape.N * shape.P * shape.Q; }
    __device__ int each() const { return (pixels() + shape.slices - 1) / shape.slices; }
    __device__ int depth() const {
        int rest = pixels() - slice * each();
        return rest < 0 ? 0 : rest < each() ? rest : each();
    }
    __device__ float a(int row, int i) const {
        Pixel at = pixel_of(slice * each() + i, shape.P, shape.Q);
        return read(dy, dy_by, at.n, group * rows() + row, at.h, at.w);
    }
    __device__ float b(int i, int column) const {
        return seen(x, x_by, shape, group * (shape.C / shape.groups), tap_of(column, shape),
                    pixel_of(slice * each() + i, shape.P, shape.Q));
    }
    __device__ void store(int row, int column, float sum) const {
        partial[(static_cast<long long>(slice) * shape.K + group * rows() + row) * columns() + column] = sum;
    }
};

// -- the tiled product ----------------------------------------------------------------------------------------------

template <class Product> __device__ void multiply(const Product& product, Tiles& tiles) {
    const int first_row = blockIdx.y * Tiling::rows, first_column = blockIdx.x * Tiling::columns;
    const int rows = product.rows(), columns = product.columns(), depth = product.depth();
    const int thread = threadIdx.x;
    const int my_row = thread / Tiling::threads_across * Tiling::rows_each;
    const int my_column = thread % Tiling::threads_across * Tiling::columns_each;
    float sums[Tiling::rows_each][Tiling::columns_each] = {};

    for (int start = 0; start < depth; start += Tiling::depth) {
        for (int e = thread; e < Tiling::rows * Tiling::depth; e += Tiling::threads) {
            int row = e / Tiling::depth, i = e % Tiling::depth;
            bool inside = first_row + row < rows && start + i < depth;
            tiles.a[i][row] = inside ? product.a(first_row + row, start + i) : 0;
        }
        for (int e = thread; e < Tiling::columns * Tiling::depth; e += Tiling::threads) {
            int column = e % Tiling::columns, i = e / Tiling::columns;
            bool inside = first_column + column < columns && start + i < depth;
            tiles.b[i][column] = inside ? product.b(start + i, first_column + column) : 0;
        }
        __syncthreads();
        for (int i = 0; i < Tiling::depth; i++) {
            float a[Tiling::rows_each], b[Tiling::columns_each];
            for (int m = 0; m < Tiling::rows_each; m++) a[m] = tiles.a[i][my_row + m];
            for (int n = 0; n < Tiling::columns_each; n++) b[n] = tiles.b[i][my_column + n];
            for (int m = 0; m < Tiling::rows_each; m++)
                for (int n = 0; n < Tiling::columns_each; n++) sums[m][n] += a[m] * b[n];
        }
        __syncthreads();
    }
    for (int m = 0; m < Tiling::rows_each; m++)
        for (int n = 0; n < Tiling::columns_each; n++) {
            int row = first_row + my_row + m, column = first_column + my_column + n;
            if (row < rows && column < columns) product.store(row, column, sums[m][n]);
        }
}

template <class T>
__global__ void __launch_bounds__(256, 2) conv2d(const T* x, const T* weight, const T* bias, T* y, Strides x_by, Strides weight_by,
                                                 Shape shape) {
    SHARED(Tiles, tiles);
    multiply(Output<T>{x, weight, bias, y, x_by, weight_by, shape, static_cast<int>(blockIdx.z)}, tiles);
}

template <class T>
__global__ void __launch_bounds__(256, 2) conv2d_input_gradient(const T* dy, const T* weight, T* dx, Strides dy_by, Strides weight_by,
                                                                Shape shape) {
    SHARED(Tiles, tiles);
    multiply(InputGradient<T>{dy, weight, dx, dy_by, weight_by, shape, static_cast<int>(blockIdx.z)}, tiles);
}

template <class T>
__global__ void __launch_bounds__(256, 2) conv2d_weight_gradient(const T* x, const T* dy, float* partial, Strides x_by, Strides dy_by,
                                                                 Shape shape) {
    SHARED(Tiles, tiles);
    const int group = blockIdx.z / shape.slices, slice = blockIdx.z % shape.slices;
    multiply(WeightGradient<T>{x, dy, partial, x_by, dy_by, shape, group, slice}, tiles);
}

// -- sums in a fixed order ------------------------------------------------------------------------------------------

// The slices' partial weight gradients, added up from the first to the last.
template <class T>
__global__ void __launch_bounds__(256) conv2d_add_slices(const float* partial, T* dweight, long long count, int slices) {
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float sum = 0;
    for (int slice = 0; slice < slices; slice++) sum += partial[slice * count + i];
    dweight[i] = narrow<T>(sum);
}

// One block for each output channel: every thread adds up every 256th pixel.
template <class T>
__global__ void __launch_bounds__(256) conv2d_bias_gradient(const T* dy, T* dbias, Strides dy_by, Shape shape) {
    SHARED(Sums, sums);
    const int k = blockIdx.x, pixels = shape.N * shape.P * shape.Q, thread = threadIdx.x;
    float sum = 0;
    for (int i = thread; i < pixels; i += 256) {
        Pixel at = pixel_of(i, shape.P, shape.Q);
        sum += read(dy, dy_by, at.n, k, at.h, at.w);
    }
    sum = block_sum(sum, sums);
    if (thread == 0) dbias[k] = narrow<T>(sum);
}
