// Convolution on tensor cores, of 16-bit numbers or of float rounded to TF32, summed in float: the products
// of conv.cu, with the same letters, where 16 bytes of channels can be read at once. Both matrices reach
// shared memory by asynchronous copies. Each sum runs over the depth from the first to the last, whatever the
// tile.

#include "places.cuh"
#include "tensor_product.cuh"

static const int most_taps = 49;  // of a filter

// A block's shared memory.
template <class T, class Tile> struct alignas(128) TensorMemory {
    static const int part = 2 * Tile::columns / sizeof(T);  // columns that are written together
    struct Result {  // when all sums are made: columns of the tile, and where each row's channels begin
        T of[Tile::rows * part];
        long long begins[Tile::rows];
    };
    union {
        char stages[Tile::stages * Tile::stage_bytes];
        Result result;
    };
    Place place;
    Tap taps[most_taps + 4];  // behind the last, four that are outside of every image
};

// What the product reads: four threads bring the 64 bytes of a row's pixel, and of a column's filter.
template <class T, class Tile> struct ArrivingWindows {
    static const int width = per_access<T>, depth = 4 * width, apart = Tile::threads / 4;
    static const int pixels = Tile::rows / apart, filters = Tile::columns / apart;

    const Shape& shape;
    const Tap* taps;
    const char* pixel[pixels];
    const T* filter;
    int h[pixels], w[pixels];  // the pixels under tap (0, 0)
    int tap, c, left;          // left: of the depth, from the thread's vector on
    int some;                  // columns from the thread's first one on
    int to, a, b;              // in a stage: what the thread brings, and whose addresses it gives to ldmatrix

    // Rows have four vectors; of 8 rows that are read together, no two have one in the same banks.
    __device__ static int at(int row, int vector) {
        return row * Tile::row_bytes + (vector ^ (row / 2 % 4)) * 16;
    }

    __device__ ArrivingWindows(const T* source, const T* matrix, const Strides& by, const Shape& shape,
                               TensorMemory<T, Tile>& memory, int first_column)
        : shape(shape), taps(memory.taps) {
        const Place& place = memory.place;
        const Axis &vertical = place.vertical, &horizontal = place.horizontal;
        const int number = vertical.taps * horizontal.taps;
        for (int i = threadIdx.x; number && i < number + 4; i += Tile::threads) {
            const int y = i / horizontal.taps * vertical.step, x = i % horizontal.taps * horizontal.step;
            memory.taps[i] = {i < number ? y : outside, x, 0,
                              y * static_cast<int>(by.h) + x * static_cast<int>(by.w)};
        }
        const int row = threadIdx.x / 4, part = threadIdx.x % 4;
        for (int j = 0; j < pixels; j++) {
            const int r = row + j * apart;
            // of a row too many nobody asks the sums
            const Pixel seen = place.pixel(r < place.rows ? r : 0);
            h[j] = seen.h * vertical.scale + vertical.first;
            w[j] = seen.w * horizontal.scale + horizontal.first;
            pixel[j] = kept(reinterpret_cast<const char*>(
                source + (seen.n * by.n + static_cast<long long>(place.group) * shape.C * by.c
                          + h[j] * by.h + w[j] * by.w)));
        }
        filter = matrix + (static_cast<long long>(first_column + row) * shape.depth + part * width);
        some = kept(shape.K - first_column - row);
        left = number * shape.C - part * width;
        tap = c = 0;
        skip(part * width);
        to = kept(at(row, part));
        // 8 rows, the 8 below, and both 16 bytes on; of the columns the other way round
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        a = kept(at(warp / Tile::across * Tile::warp_rows + lane % 16, lane / 16));
        b = kept(at(Tile::rows + warp % Tile::across * Tile::warp_columns + lane / 16 * 8 + lane % 8,
                    lane / 8 % 2));
        __syncthreads();  // the taps are there
    }

    __device__ void skip(int channels) {
        c += channels;
#pragma unroll 1
        while (c >= shape.C) {
            c -= shape.C;
            tap++;
        }
    }

    __device__ void fetch(SharedAddress stage) {
        const Tap here = taps[tap];
        const int offset = (here.offset + c) * static_cast<int>(sizeof(T));
#pragma unroll
        for (int j = 0; j < pixels; j++)
            cp_async(stage + (to + j * apart * Tile::row_bytes), pixel[j] + offset,
                     inside(shape, h[j] + here.h, w[j] + here.w));
#pragma unroll
        for (int j = 0; j < filters; j++)
            cp_async(stage + (to + (Tile::rows + j * apart) * Tile::row_bytes),
                     filter + static_cast<long long>(j * apart) * shape.depth,
                     left > 0 && j * apart < some);
        skip(depth);
        filter += depth;
        left -= depth;
    }

    __device__ void rows(unsigned (&words)[Tile::down][4], SharedAddress stage, int half) const {
#pragma unroll
        for (int m = 0; m < Tile::down; m++)
            ldmatrix(words[m], stage + ((a ^ half * 32) + m * 16 * Tile::row_bytes));
    }
    __device__ void columns(unsigned (&words)[Tile::beside / 2][4], SharedAddress stage, int half) const {
#pragma unroll
        for (int n = 0; n < Tile::beside / 2; n++)
            ldmatrix(words[n], stage + ((b ^ half * 32) + n * 16 * Tile::row_bytes));
    }
};

// A sum again where it is NaN. In an input gradient it is without what taps see outside of dy: nothing times
// an infinite weight is nothing there.
template <class T>
__device__ float sum_again(const T* image, const T* filter, const Strides& by, const Shape& shape,
                           const Place& place, const Pixel& at) {
    float sum = 0;
    for (int r = 0; r < place.vertical.taps; r++)
        for (int s = 0; s < place.horizontal.taps; s++) {
            const int y = at.h * place.vertical.scale + place.vertical.first + r * place.vertical.step;
            const int x = at.w * place.horizontal.scale + place.horizontal.first + s * place.horizontal.step;
            const bool in_range = inside(shape, y, x);
            if (!in_range && shape.gradient) continue;
            const T* tap = filter + (static_cast<long long>(r) * place.horizontal.taps + s) * shape.C;
            for (int c = 0; c < shape.C; c++)
                sum += (in_range ? wide(image[y * by.h + x * by.w + c * by.c]) : 0) * wide(tap[c]);
        }
    return sum;
}

// Where a vector of the result lies in its tile: of 8 rows that are written together no two have it in the
// same banks.
template <int vectors, int width> __device__ inline int swizzled(int row, int vector) {
    return (row * vectors + (vector ^ (vectors >= 8 ? row % 8 : row / 2 % 4))) * width;
}

// The output of a convolution, or its input's gradient, from the filters as `conv2d_pack_columns` writes
// them.
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
conv2d_tensor(const T* source, const T* filters, const T* bias, T* result, Strides by, Shape shape) {
    extern __shared__ __align__(128) char room[];
    auto& shared = *reinterpret_cast<TensorMemory<T, Tile>*>(room);
    const Place& place = shared.place;
    if (threadIdx.x == 0) shared.place.find(shape, blockIdx.z,
                                            static_cast<long long>(blockIdx.x) * Tile::rows);
    __syncthreads();
    if (place.rows <= 0) return;  // a phase with fewer pixels than the first
    const int first_column = blockIdx.y * Tile::columns, K = shape.K;
    filters += static_cast<long long>(blockIdx.z) * K * shape.depth;

    float sums[Tile::down][Tile::beside][4] = {};
    {
        using Reader = ArrivingWindows<T, Tile>;
        Reader reader(source, filters, by, shape, shared, first_column);
        const int depth = place.vertical.taps * place.horizontal.taps * shape.C;
        multiply<T, Tile>(reader, kept(shared_address(shared.stages)),
                          (depth + Reader::depth - 1) / Reader::depth, sums);
    }
    __syncthreads();  // everybody has read the last stage

    constexpr int width = per_access<T>, part = TensorMemory<T, Tile>::part, vectors = part / width;
    auto& tile = shared.result;
    for (int row = threadIdx.x; row < Tile::rows && row < place.rows; row += Tile::threads)
        tile.begins[row] = place.result(place.pixel(row), shape);
#pragma unroll
    for (int begin = 0; begin < Tile::columns; begin += part) {
        if (begin) __syncthreads();  // everybody has written the columns before
#pragma unroll
        for (int n = 0; n < Tile::beside; n++) {
            const int column = Tile::column(n, 0) - begin, k = first_column + begin + column;
            if (part < Tile::columns && (column < 0 || column >= part)) continue;
            float shift[2] = {};
            for (int e = 0; e < 2; e++)
                if (bias && k + e < K) shift[e] = wide(bias[place.group * K + k + e]);
#pragma unroll
            for (int m = 0; m < Tile::down; m++)
#pragma unroll
                for (int i = 0; i < 4; i += 2) {
                    float pair[2] = {sums[m][n][i], sums[m][n][i + 1]};
                    for (int e = 0; e < 2; e++) {
                        if (bias) pair[e] += shift[e];
                        if (shape.relu && pair[e] <= 0) pair[e] = 0;
                    }
                    T* const to = tile.of + swizzled<vectors, width>(Tile::row(m, i), column / width);
                    store(to + column % width, Vector<T, 2>{narrow<T>(pair[0]), narrow<T>(pair[1])});
                }
        }
        __syncthreads();
#pragma unroll 1
        for (int i = threadIdx.x; i < Tile::rows * vectors; i += Tile::threads) {
            const int row = i / vectors, k = first_column + begin + i % vectors * width;
            if (row >= place.rows || k >= K) continue;
            T* const from = tile.of + swizzled<vectors, width>(row, i % vectors);
            Vector<T, width> values = load<width>(from);
            T* const to = result + (tile.begins[row] + k);
            bool repair = false;
            for (int e = 0; e < width; e++)
                if ((shape.gradient || Tile::products == 3) && wide(values.of[e]) != wide(values.of[e]))
                    repair = true;
            if (repair) {
                const Pixel at = place.pixel(row);
                const T* image = source + at.n * by.n + static_cast<long long>(place.group) * shape.C * by.c;
                const T* filter = filters + static_cast<long long>(k) * shape.depth;
#pragma unroll 1
                for (int e = 0; e < width && k + e < K; e++, filter += shape.depth) {
                    if (wide(from[e]) == wide(from[e])) continue;
                    float sum = sum_again(image, filter, by, shape, place, at);
                    if (Tile::products == 3) {  // not only in input gradients, which have neither
                        if (bias) sum += wide(bias[place.group * K + k + e]);
                        if (shape.relu && sum <= 0) sum = 0;
                    }
                    from[e] = narrow<T>(sum);
                }
                values = load<width>(from);
            }
            if (K % width == 0) {  // else a pixel's channels do not begin at a multiple of 16 bytes
                store(to, values);
            } else {
                for (int e = 0; e < width; e++)
                    if (k + e < K) to[e] = values.of[e];
            }
        }
    }
}

// -- before the products ------------------------------------------------------------------------------------

// An array of any strides with its channels last: 32 pixels by 32 channels are turned round in shared memory.
template <class T> struct TurningRoom { T of[32][32 + 4 / sizeof(T)]; };  // more: channels lie in other banks
template <class T>
__global__ void __launch_bounds__(256) channels_last(const T* from, T* to, Strides by, int C, int H, int W,
                                                     long long pixels) {
    SHARED(TurningRoom<T>, shared);
    const int lane = threadIdx.x % 32, first_channel = blockIdx.y * 32;
    const long long first = static_cast<long long>(blockIdx.x) * 32;
    if (first + lane < pixels) {
        const Pixel at = pixel_of(first + lane, H, W);
        const T* pixel = from + (at.n * by.n + at.h * by.h + at.w * by.w);
        for (int c = threadIdx.x / 32; c < 32 && first_channel + c < C; c += 8)
            shared.of[c][lane] = pixel[(first_channel + c) * by.c];
    }
    __syncthreads();
    for (int i = threadIdx.x / 32; i < 32 && first + i < pixels; i += 8)
        if (first_channel + lane < C) to[(first + i) * C + first_channel + lane] = shared.of[lane][i];
}

// What a block of conv2d_pack_columns takes: of 32 filters 16 channels, and as many taps as there is room
// for.
static const int packed_filters = 32, packed_channels = 16, packed_taps = 16;
// Of a filter in shared memory: how far neighbouring channels lie apart, and neighbouring taps. Lanes side by
// side write in the order of `weight`, and read channels or filters, in different banks all but always.
template <class T> struct PackRoom {
    static const int wider = sizeof(T) == 2 ? packed_channels + 4 : +packed_channels;
    T of[packed_filters * (wider * packed_taps + 2)];
};

// For the output: of each filter (r, s, c). For the input's gradient, of each phase: of each channel (r, s,
// k), the taps that meet the phase. Either may be null. `rounded`: as they are multiplied.
template <class T>
__global__ void __launch_bounds__(256) conv2d_pack_columns(const T* weight, T* forward, T* gradient,
                                                           Strides by, Shape output, Shape input,
                                                           int rounded) {
    SHARED(PackRoom<T>, shared);
    const int K = output.K, C = output.C, group = blockIdx.z, S = output.S, taps = output.R * S;
    const int first_filter = blockIdx.x * packed_filters, first_channel = blockIdx.y * packed_channels;
    const int every_h = input.stride_h / input.common_h, every_w = input.stride_w / input.common_w;
    for (int first = 0; first < taps; first += packed_taps) {
        const int some = taps - first < packed_taps ? taps - first : +packed_taps;
        const bool channels_are_last = by.c == 1;
        const int next_channel = channels_are_last || sizeof(T) == 2 ? 1 : some;
        const int next_tap = channels_are_last ? +packed_channels : sizeof(T) == 2 ? PackRoom<T>::wider : 1;
        // of filters: an odd number of words, so that lanes which read one of each find them in all banks
        const int apart = (next_tap == PackRoom<T>::wider ? next_tap : +packed_channels) * some
                          + (sizeof(T) == 2 ? 2 : 1);
        __syncthreads();  // everybody has written what was there before
        for (int i = threadIdx.x; i < packed_filters * packed_channels * some; i += 256) {
            // neighbours read neighbours, whether the filters have their channels last or their taps
            const int k = i / (packed_channels * some);
            const int c = channels_are_last ? i % packed_channels : i / some % packed_channels,
                      t = channels_are_last ? i / packed_channels % some : i % some;
            if (first_filter + k < K && first_channel + c < C) {
                const T tap = weight[(static_cast<long long>(group) * K + first_filter + k) * by.n
                                     + (first_channel + c) * by.c + (first + t) / S * by.h
                                     + (first + t) % S * by.w];
                shared.of[k * apart + c * next_channel + t * next_tap] = rounded ? multiplied(tap) : tap;
            }
        }
        __syncthreads();
        for (int i = threadIdx.x; forward && i < packed_filters * packed_channels * some; i += 256) {
            const int c = i % packed_channels, tap = i / packed_channels % some,
                      k = i / (packed_channels * some);
            if (first_filter + k < K && first_channel + c < C)
                forward[(static_cast<long long>(group) * K + first_filter + k) * output.depth
                        + (first + tap) * C + first_channel + c]
                    = shared.of[k * apart + c * next_channel + tap * next_tap];
        }
        for (int i = threadIdx.x; gradient && i < packed_filters * packed_channels * some; i += 256) {
            const int k = i % packed_filters, c = i / packed_filters % packed_channels,
                      tap = i / (packed_filters * packed_channels);
            const int r = (first + tap) / S, s = (first + tap) % S;
            if (first_filter + k >= K || first_channel + c >= C) continue;
            // the phase that the tap meets: its pixels lie so far behind a multiple of the stride
            int vertical = (r * input.dilation_h - input.top) % input.stride_h,
                horizontal = (s * input.dilation_w - input.left) % input.stride_w;
            if (vertical < 0) vertical += input.stride_h;
            if (horizontal < 0) horizontal += input.stride_w;
            if (vertical >= input.phases_h || horizontal >= input.phases_w) continue;
            const int across = (S - s % every_w + every_w - 1) / every_w;  // taps of the phase in a row
            const long long matrix = static_cast<long long>(vertical * input.phases_w + horizontal)
                                     * input.groups + group;
            gradient[(matrix * C + first_channel + c) * input.depth
                     + static_cast<long long>(r / every_h * across + s / every_w) * K + first_filter + k]
                = shared.of[k * apart + c * next_channel + tap * next_tap];
        }
    }
}
