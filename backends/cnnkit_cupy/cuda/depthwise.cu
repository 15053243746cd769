// Depthwise convolution: each filter sees one channel. Threads side by side have neighbouring channels, each
// reads what it needs from memory (its neighbours' rows come from the cache), and slides down a column of
// `BAND` pixels. There are `multiplier` = K / C filters a channel. `size` 3 or 5: square filters, stride and
// dilation 1, unrolled; 0: any other. `wide_of` channels a thread: 4 where they can be read at once, or 1.

#include "few_channels.cuh"

const int BAND = 4;

struct Weights { float of[49 * 32]; };  // [tap][channel of the block]

// What a filter's tap sees; false where it is the padding of an input gradient, which is not multiplied
// with anything.
template <class T, int wide_of> struct Seen {
    const T* x;
    Strides by;
    Convolution conv;

    __device__ bool read(float (&into)[wide_of], int n, int c, int h, int w) const {
        for (int m = 0; m < wide_of; m++) into[m] = 0;
        if (h < 0 || h >= conv.H || w < 0 || w >= conv.W) return true;
        const T* from = x + n * by.n + c * by.c + h * by.h + w * by.w;
        const Vector<T, wide_of> values = load<wide_of>(from);
        for (int m = 0; m < wide_of; m++) into[m] = wide(values.of[m]);
        return true;
    }
};

template <class T, int wide_of, bool strided> struct Spread {
    Gradient<T> gradient;

    __device__ bool read(float (&into)[wide_of], int n, int k, int h, int w) const {
        const Convolution& conv = gradient.conv;
        for (int m = 0; m < wide_of; m++) into[m] = 0;
        if (h < 0 || w < 0 || (strided && (h % conv.stride_h || w % conv.stride_w))) return false;
        const int p = strided ? h / conv.stride_h : h, q = strided ? w / conv.stride_w : w;
        if (p >= conv.P || q >= conv.Q) return false;
        if constexpr (wide_of == 4) {
            const Vector<float, 4> values = gradient.quad(n, k, 4, p, q);
            for (int m = 0; m < 4; m++) into[m] = values.of[m];
        } else {
            into[0] = gradient.at(n, k, p, q);
        }
        return true;
    }
};

// Adds what the column of pixels from (h, w) on gets from channel c of image n; a tap is dilation pixels
// after the one before.
template <int size, int wide_of, class From>
__device__ inline void slide(float (&sums)[BAND][wide_of], const From& from, const float* weights, int side,
                             const Convolution& conv, int stride_h, int n, int c, int h, int w) {
    #pragma unroll 1
    for (int s = 0; s < (size > 0 ? size : conv.S); s++) {
        if constexpr (size > 0) {
            Vector<float, wide_of> weight[size];
            for (int r = 0; r < size; r++) weight[r] = load<wide_of>(weights + (r * size + s) * side);
            for (int i = 0; i < BAND + size - 1; i++) {
                float seen[wide_of];
                if (from.read(seen, n, c, h + i, w + s))
                    for (int r = 0; r < size; r++)
                        if (i - r >= 0 && i - r < BAND)
                            for (int m = 0; m < wide_of; m++) sums[i - r][m] += seen[m] * weight[r].of[m];
            }
        } else {
            for (int r = 0; r < conv.R; r++) {
                const Vector<float, wide_of> weight = load<wide_of>(weights + (r * conv.S + s) * side);
                for (int i = 0; i < BAND; i++) {
                    float seen[wide_of];
                    if (from.read(seen, n, c, h + i * stride_h + r * conv.dilation_h,
                                  w + s * conv.dilation_w))
                        for (int m = 0; m < wide_of; m++) sums[i][m] += seen[m] * weight.of[m];
                }
            }
        }
    }
}

// The weights of the filters first, first + apart, ...; `rotated` by half a turn for the input gradient.
template <class T>
__device__ inline void fill_weights(float* weights, const T* weight, const Strides& by,
                                    const Convolution& conv, int side, int first,
                                    int apart, int end, bool rotated) {
    for (int e = threadIdx.x; e < conv.R * conv.S * side; e += 256) {
        const int k = first + e % side * apart, tap = e / side;
        const int r = rotated ? conv.R - 1 - tap / conv.S : tap / conv.S,
                  s = rotated ? conv.S - 1 - tap % conv.S : tap % conv.S;
        weights[e] = k < end ? wide(weight[k * by.n + r * by.h + s * by.w]) : 0;
    }
}

template <class T, int wide_of> __device__ inline void store_channels(T* to, const float (&values)[wide_of]) {
    Vector<T, wide_of> packed;
    for (int m = 0; m < wide_of; m++) packed.of[m] = narrow<T>(values[m]);
    store(to, packed);
}

template <class T, int size, int wide_of>
__global__ void __launch_bounds__(256, 2) depthwise_conv2d(const T* x, const T* weight, const T* bias, T* y,
                                                           Strides x_by, Strides weight_by, Convolution conv,
                                                           Tiling tiling, int relu) {
    SHARED(Weights, weights);
    const int side = wide_of * tiling.quads, mine = threadIdx.x % tiling.quads * wide_of,
              k = blockIdx.y * side + mine;
    const TileAt tile = tile_at(blockIdx.x, tiling);
    const Spot spot = spot_of(threadIdx.x / tiling.quads, tiling);
    const int n = tile.n + spot.image, p = (tile.band + spot.band) * BAND, q = tile.column + spot.column;
    fill_weights(weights.of, weight, weight_by, conv, side, blockIdx.y * side, 1, conv.K, false);
    __syncthreads();
    if (spot.image >= tiling.images || n >= conv.N || p >= conv.P || q >= conv.Q || k >= conv.K) return;
    float sums[BAND][wide_of] = {};
    slide<size>(sums, Seen<T, wide_of>{x, x_by, conv}, weights.of + mine, side, conv,
                conv.stride_h, n, k / (conv.K / conv.C),
                p * conv.stride_h - conv.top, q * conv.stride_w - conv.left);
    for (int i = 0; i < BAND; i++) {
        if (p + i >= conv.P) return;
        for (int m = 0; m < wide_of; m++) {
            if (bias) sums[i][m] += wide(bias[k + m]);
            if (relu && sums[i][m] <= 0) sums[i][m] = 0;
        }
        store_channels<T>(y + ((static_cast<long long>(n) * conv.P + p + i) * conv.Q + q) * conv.K + k,
                          sums[i]);
    }
}

template <class T, int size, int wide_of>
__global__ void __launch_bounds__(256, 2) depthwise_input_gradient(
    const T* dy, const T* after, const T* weight, T* dx, Strides dy_by,
    Strides weight_by, Convolution conv, Tiling tiling) {
    SHARED(Weights, weights);
    const int multiplier = conv.K / conv.C;
    const int side = wide_of * tiling.quads, mine = threadIdx.x % tiling.quads * wide_of,
              c = blockIdx.y * side + mine;
    const TileAt tile = tile_at(blockIdx.x, tiling);
    const Spot spot = spot_of(threadIdx.x / tiling.quads, tiling);
    const int n = tile.n + spot.image, h = (tile.band + spot.band) * BAND, w = tile.column + spot.column;
    const bool inside = spot.image < tiling.images && n < conv.N && h < conv.H && w < conv.W && c < conv.C;
    const Spread<T, wide_of, size == 0> from = {{dy, after, nullptr, dy_by, {}, conv, wide_of == 4}};
    float sums[BAND][wide_of] = {};
    for (int j = 0; j < multiplier; j++) {
        if (j > 0) __syncthreads();  // everybody has read the weights before
        fill_weights(weights.of, weight, weight_by, conv, side, blockIdx.y * side * multiplier + j,
                     multiplier, conv.K, true);
        __syncthreads();
        if (inside)
            slide<size>(sums, from, weights.of + mine, side, conv, 1, n, c * multiplier + j,
                        h + conv.top - (conv.R - 1) * conv.dilation_h,
                        w + conv.left - (conv.S - 1) * conv.dilation_w);
    }
    for (int i = 0; inside && i < BAND && h + i < conv.H; i++)
        store_channels<T>(dx + ((static_cast<long long>(n) * conv.H + h + i) * conv.W + w) * conv.C + c,
                          sums[i]);
}

// -- gradients of weight and bias: a thread has one filter and some columns of pixels -----------------------

const int ROWS = 8;

// The sum of each lane over the block's walkers, for its first threads: halves are added to halves.
__device__ inline float walkers_sum(float mine, Sums& sums, int lanes) {
    __syncthreads();  // everybody has read the sum before
    sums.of[threadIdx.x] = mine;
    for (int half = 128; half >= lanes; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums.of[threadIdx.x] += sums.of[threadIdx.x + half];
    }
    return sums.of[threadIdx.x];  // the first `lanes` threads made theirs themselves
}

// A walker's share of the sum over all slices, 0 where there is nothing to add.
__device__ inline float slices_sum(const float* partial, int slices, int lanes, bool in_range) {
    float sum = 0;
    for (int slice = threadIdx.x / lanes; slice < slices && in_range;
         slice += 256 / lanes) sum += partial[slice];
    return sum;
}

// Several slices leave their sums in partial[weight or bias][slice], and the last block adds them up.
// blockIdx.z is the slice: blocks that read the same at the same time are neighbours. Where `size` is 3, a
// block has all taps; where it is 5, column blockIdx.x of them (more sums find no registers); where it is 0,
// one tap.
template <class T, int size>
__global__ void __launch_bounds__(256, 2) depthwise_weight_gradient(
    const T* x, const T* dy, const T* after, float* partial, T* dweight, T* dbias, unsigned* counters,
    Strides x_by, Strides dy_by, Convolution conv, int lanes, int columns) {
    SHARED(Sums, room);
    SHARED(int, is_last);
    constexpr int down = size > 0 ? size : 1, across = size == 3 ? 3 : 1;
    const int lane = threadIdx.x % lanes, walkers = 256 / lanes, slices = gridDim.z;
    const int k = blockIdx.y * lanes + lane, c = k / (conv.K / conv.C), bands = (conv.P + ROWS - 1) / ROWS;
    const int first_r = size > 0 ? 0 : blockIdx.x / conv.S,
              first_s = size > 0 ? blockIdx.x : blockIdx.x % conv.S;
    const Seen<T, 1> seen = {x, x_by, conv};
    const Gradient<T> gradient = {dy, after, nullptr, dy_by, {}, conv, 0};
    float sums[down][across] = {}, total = 0;
    for (int i = blockIdx.z * walkers + threadIdx.x / lanes; k < conv.K && i < columns;
         i += slices * walkers) {
        const int q = i % conv.Q, p = i / conv.Q % bands * ROWS, n = i / conv.Q / bands, rows = conv.P - p;
        float d[ROWS];
        for (int row = 0; row < ROWS; row++) {
            d[row] = row < rows ? gradient.at(n, k, p + row, q) : 0;
            total += d[row];
        }
        const int h = p * conv.stride_h - conv.top + first_r * conv.dilation_h;
        const int w = q * conv.stride_w - conv.left + first_s * conv.dilation_w;
        for (int s = 0; s < across; s++) {
            float column[ROWS + down - 1][1];
            for (int row = 0; row < ROWS + down - 1; row++)
                seen.read(column[row], n, c, h + row * (size > 0 ? 1 : conv.stride_h), w + s);
            for (int row = 0; row < ROWS; row++)
                if (row < rows)  // below the last row x may be infinite, and counts for nothing
                    for (int r = 0; r < down; r++) sums[r][s] += column[row + r][0] * d[row];
        }
    }
    const bool mine = threadIdx.x < lanes && k < conv.K, biased = dbias && blockIdx.x == 0;
    const long long weights = static_cast<long long>(conv.K) * conv.R * conv.S;
#pragma unroll 1
    for (bool adding = slices == 1;; adding = true) {
        const bool others = adding && slices > 1;
        if (others && !last_block(counters + blockIdx.y * gridDim.x + blockIdx.x, slices, is_last)) return;
#pragma unroll
        for (int r = 0; r < down; r++)
#pragma unroll
            for (int s = 0; s < across; s++) {
                const long long tap = (static_cast<long long>(k) * conv.R + first_r + r) * conv.S
                                      + first_s + s;
                float sum = sums[r][s];
                if (others) sum = slices_sum(partial + tap * slices, slices, lanes, k < conv.K);
                sum = walkers_sum(sum, room, lanes);
                if (mine && adding) dweight[tap] = narrow<T>(sum);
                else if (mine) partial[tap * slices + blockIdx.z] = sum;
            }
        if (biased) {
            float sum = total;
            if (others) sum = slices_sum(partial + (weights + k) * slices, slices, lanes, k < conv.K);
            sum = walkers_sum(sum, room, lanes);
            if (mine && adding) dbias[k] = narrow<T>(sum);
            else if (mine) partial[(weights + k) * slices + blockIdx.z] = sum;
        }
        if (adding) return;
    }
}
