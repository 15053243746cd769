// What the weight gradients of conv.cu and conv_tensor.cu share: their sums over slices of the pixels.

// The sum of filter k's gradient over a slice, for the block's first threads: a part of the pixels each.
template <class T, class Tile>
__device__ inline float slice_sum(const T* dy, const Strides& by, const Shape& shape, int k, int slice,
                                  float (&by_pixel)[Tile::threads]) {
    constexpr int parts = Tile::threads / Tile::columns;
    const int part = threadIdx.x / Tile::columns;
    const long long first = slice * shape.slice_pixels,
        rest = static_cast<long long>(shape.N) * shape.P * shape.Q - first;
    const long long count = rest < shape.slice_pixels ? rest : shape.slice_pixels;
    float sum = 0;
    if (k >= 0 && part < count) {
        Pixel at = pixel_of(first + part, shape.P, shape.Q);
        for (long long i = part; i < count; i += parts) {
            sum += wide(dy[at.n * by.n + at.h * by.h + at.w * by.w + k * by.c]);
            move_on(at, parts, shape.P, shape.Q);
        }
    }
    by_pixel[threadIdx.x] = sum;
    __syncthreads();
    for (int other = 1; other < parts && part == 0;
         other++) sum += by_pixel[other * Tile::columns + threadIdx.x];
    return sum;
}

// The gradients of a group's filters for some channels, from the sums of all slices: 32 neighbours in memory
// at a time, which lie in rows of `matrix` (r, s, c) x filter that are far apart, are turned round in shared
// memory, so that lanes side by side read and write side by side.
template <class T, class Tile>
__device__ inline void write_filters(T* gradient, const float* matrix, long long apart, const Shape& shape,
                                     int group, int first_column, int first_channel, int channels,
                                     float (&turned)[Tile::columns][33]) {
    const int taps = shape.R * shape.S, count = channels * taps, lane = threadIdx.x % 32;
    // +: the value of a constant that has no place in memory
    const int left = shape.K - first_column, columns = left < Tile::columns ? left : +Tile::columns;
    const long long filter = static_cast<long long>(shape.C) * taps;
    matrix += first_column;
    gradient += (static_cast<long long>(group) * shape.K + first_column) * filter
                + static_cast<long long>(first_channel) * taps;
    for (int first = 0; first < count; first += 32) {
        __syncthreads();  // everybody has written what was there before
        for (int i = threadIdx.x; i < 32 * Tile::columns; i += Tile::threads) {
            const int column = i % Tile::columns, element = first + i / Tile::columns;
            if (element >= count || column >= columns) continue;
            const int c = first_channel + element / taps, tap = element % taps;
            const float* from = matrix + (static_cast<long long>(tap) * shape.C + c) * shape.K + column;
            float sum = *from;
            for (int slice = 1; slice < shape.slices; slice++) sum += from[slice * apart];
            turned[column][i / Tile::columns] = sum;
        }
        __syncthreads();
        for (int column = threadIdx.x / 32; column < columns; column += Tile::threads / 32)
            if (first + lane < count)
                gradient[column * filter + first + lane] = narrow<T>(turned[column][lane]);
    }
}

// The bias's gradient: what the blocks behind the filters' tiles make.
template <class T, class Tile>
__device__ inline void bias_gradient(const T* dy, const Strides& by, const Shape& shape, float* partial,
                                     T* dbias, unsigned* counters, float (&by_pixel)[Tile::threads],
                                     int& is_last) {
    const int group = blockIdx.z / shape.slices, slice = blockIdx.z % shape.slices;
    const int first_column = blockIdx.y * Tile::columns, K = shape.K;
    const long long rows = static_cast<long long>(shape.R) * shape.S * shape.C;
    unsigned* const counter = counters + (group * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const long long apart = (rows + 1) * K * shape.groups;  // slices, in `partial`
    float* const matrix = partial + (rows + 1) * K * group;
    const int k = first_column + threadIdx.x % Tile::columns, filter = group * K + k;
    float sum = slice_sum<T, Tile>(dy, by, shape, k < K ? filter : -1, slice, by_pixel);
    const bool mine = threadIdx.x < Tile::columns && k < K;
    float* const to = matrix + rows * K + k;
    if (shape.slices > 1) {
        if (mine) to[slice * apart] = sum;
        if (!last_block(counter, shape.slices, is_last)) return;
        sum = 0;
        for (int other = 0; other < shape.slices && mine; other++) sum += to[other * apart];
    }
    if (mine) dbias[filter] = narrow<T>(sum);
}

// What a block does that has left its tile in `matrix`, the group's: the last one of those with the same
// channels adds the slices up.
template <class T, class Tile>
__device__ inline void add_up_filters(T* gradient, const float* matrix, long long apart, const Shape& shape,
                                      int tiles, unsigned* counters, float (&turned)[Tile::columns][33],
                                      int& is_last) {
    const int group = blockIdx.z / shape.slices, C = shape.C, taps = shape.R * shape.S;
    const int first_column = blockIdx.y * Tile::columns;
    // how many blocks of a slice have other channels: one has all where no tile ends with a tap's last one
    const int families = taps == 1 ? tiles : C % Tile::rows == 0 ? C / Tile::rows : 1;
    const int family = blockIdx.x % families, channels = families == 1 ? C : +Tile::rows;
    if (!last_block(counters + (group * gridDim.y + blockIdx.y) * gridDim.x + family,
                    tiles / families * shape.slices, is_last)) return;
    const int first_channel = family * channels, rest = C - first_channel;
    write_filters<T, Tile>(gradient, matrix, apart, shape, group, first_column, first_channel,
                           channels < rest ? channels : rest, turned);
}
