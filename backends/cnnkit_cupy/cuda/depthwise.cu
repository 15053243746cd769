// Depthwise convolution: each filter sees one channel. Threads side by side have neighbouring channels, each
// reads what it needs from memory (its neighbours' rows come from the cache), and slides down a column of
// `BAND` pixels. There are `multiplier` = K / C filters a channel. `size` 3 or 5: square filters, stride and
// dilation 1, unrolled; 0: any other. `wide_of` channels a thread: 4 where they can be read at once, or 1.

#include "few_channels.cuh"

const int BAND = 4;

struct Weights { float of[49 * 32]; };  // [tap][channel of the block]

// What a filter's tap sees, pixel by pixel down a column, each so many rows below the one before; false where
// it is the padding of an input gradient, which is not multiplied with anything.
template <class T, int wide_of> struct Seen {
    const T* x;
    Strides by;
    Convolution conv;

    struct Column { const T* at; int h; bool inside; };

    __device__ Column column(int n, int c, int h, int w) const {
        return {x + n * by.n + c * by.c + h * by.h + w * by.w, h, w >= 0 && w < conv.W};
    }
    __device__ bool read(float (&into)[wide_of], Column& from, int step) const {
        for (int m = 0; m < wide_of; m++) into[m] = 0;
        if (from.inside && static_cast<unsigned>(from.h) < static_cast<unsigned>(conv.H)) {
            const Vector<T, wide_of> values = load<wide_of>(from.at);
            for (int m = 0; m < wide_of; m++) into[m] = wide(values.of[m]);
        }
        from.h += step;
        from.at += step * by.h;
        return true;
    }
};

template <class T, int wide_of, bool strided> struct Spread {
    Gradient<T> gradient;

    struct Column { const T *dy, *after; int n, k, h, w; bool inside; };

    __device__ Column column(int n, int k, int h, int w) const {
        const Convolution& conv = gradient.conv;
        const Strides& by = gradient.by;
        return {gradient.dy + n * by.n + k * by.c + h * by.h + w * by.w,
                gradient.after + gradient.dense(n, k, h, w, conv.P, conv.Q), n, k, h, w,
                w >= 0 && (strided || w < conv.Q)};
    }
    __device__ bool read(float (&into)[wide_of], Column& from, int step) const {
        const Convolution& conv = gradient.conv;
        for (int m = 0; m < wide_of; m++) into[m] = 0;
        const int h = from.h;
        from.h += step;
        if constexpr (strided) {
            if (!from.inside || h < 0 || h % conv.stride_h || from.w % conv.stride_w) return false;
            const int p = h / conv.stride_h, q = from.w / conv.stride_w;
            if (p >= conv.P || q >= conv.Q) return false;
            if constexpr (wide_of == 4) {
                const Vector<float, 4> values = gradient.quad(from.n, from.k, 4, p, q);
                for (int m = 0; m < 4; m++) into[m] = values.of[m];
            } else {
                into[0] = gradient.at(from.n, from.k, p, q);
            }
            return true;
        } else {
            const bool inside = from.inside && static_cast<unsigned>(h) < static_cast<unsigned>(conv.P);
            if (inside) {
                const Vector<T, wide_of> values = load<wide_of>(from.dy);
                for (int m = 0; m < wide_of; m++) into[m] = wide(values.of[m]);
                if (gradient.after) {
                    const Vector<T, wide_of> passed = load<wide_of>(from.after);
                    for (int m = 0; m < wide_of; m++)
                        if (wide(passed.of[m]) <= 0) into[m] = 0;
                }
            }
            from.dy += step * gradient.by.h;
            from.after += static_cast<long long>(step) * conv.Q * conv.K;
            return inside;
        }
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
            auto column = from.column(n, c, h, w + s);
            for (int i = 0; i < BAND + size - 1; i++) {
                float seen[wide_of];
                if (from.read(seen, column, 1))
                    for (int r = 0; r < size; r++)
                        if (i - r >= 0 && i - r < BAND)
                            for (int m = 0; m < wide_of; m++) sums[i - r][m] += seen[m] * weight[r].of[m];
            }
        } else {
            for (int r = 0; r < conv.R; r++) {
                const Vector<float, wide_of> weight = load<wide_of>(weights + (r * conv.S + s) * side);
                auto column = from.column(n, c, h + r * conv.dilation_h, w + s * conv.dilation_w);
                for (int i = 0; i < BAND; i++) {
                    float seen[wide_of];
                    if (from.read(seen, column, stride_h))
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

// A walker's share of the sum over all slices, which lie `apart` floats from each other; 0 where there is
// nothing to add.
__device__ inline float slices_sum(const float* partial, long long apart, int slices, int lanes,
                                   bool in_range) {
    float sum = 0;
    for (int slice = threadIdx.x / lanes; slice < slices && in_range;
         slice += 256 / lanes) sum += partial[slice * apart];
    return sum;
}

template <int size> struct WalkersRoom : Sums {};
template <> struct WalkersRoom<3> : Sums { float turned[32 * 9]; };  // [filter of the block][tap]

// Several slices leave their sums in partial[slice][tap, at last the bias][filter], and the last block adds
// them up. Where a block has all taps, it writes them in the filters' order from shared memory.
// blockIdx.z is the slice: blocks that read the same at the same time are neighbours. Where `size` is 3, a
// block has all taps; where it is 5, column blockIdx.x of them (more sums find no registers); where it is 0,
// one tap.
template <class T, int size>
__global__ void __launch_bounds__(256, 2) depthwise_weight_gradient(
    const T* x, const T* dy, const T* after, float* partial, T* dweight, T* dbias, unsigned* counters,
    Strides x_by, Strides dy_by, Convolution conv, int lanes, int columns) {
    SHARED(WalkersRoom<size>, room);
    SHARED(int, is_last);
    constexpr int down = size > 0 ? size : 1, across = size == 3 ? 3 : 1;
    const int lane = threadIdx.x % lanes, walkers = 256 / lanes, slices = gridDim.z;
    const int k = blockIdx.y * lanes + lane, c = k / (conv.K / conv.C), bands = (conv.P + ROWS - 1) / ROWS;
    const int first_r = size > 0 ? 0 : blockIdx.x / conv.S,
              first_s = size > 0 ? blockIdx.x : blockIdx.x % conv.S;
    const int step = size > 0 ? 1 : conv.stride_h;  // rows of x between two of dy
    float sums[down][across] = {}, total = 0;
    for (int i = blockIdx.z * walkers + threadIdx.x / lanes; k < conv.K && i < columns;
         i += slices * walkers) {
        const int q = i % conv.Q, p = i / conv.Q % bands * ROWS, n = i / conv.Q / bands, rows = conv.P - p;
        float d[ROWS];
        const T* given = dy + n * dy_by.n + k * dy_by.c + p * dy_by.h + q * dy_by.w;
        const T* passed = after + ((static_cast<long long>(n) * conv.P + p) * conv.Q + q) * conv.K + k;
        for (int row = 0; row < ROWS; row++) {
            const bool passes = row < rows && !(after && wide(*passed) <= 0);
            d[row] = passes ? wide(*given) : 0;
            total += d[row];
            given += dy_by.h;
            passed += static_cast<long long>(conv.Q) * conv.K;
        }
        const int h = p * conv.stride_h - conv.top + first_r * conv.dilation_h;
        const int w = q * conv.stride_w - conv.left + first_s * conv.dilation_w;
        for (int s = 0; s < across; s++) {
            float column[ROWS + down - 1];
            const bool inside = w + s >= 0 && w + s < conv.W;
            const T* seen = x + n * x_by.n + c * x_by.c + h * x_by.h + (w + s) * x_by.w;
            for (int row = 0; row < ROWS + down - 1; row++) {
                const unsigned at = h + row * step;
                column[row] = inside && at < static_cast<unsigned>(conv.H) ? wide(*seen) : 0;
                seen += step * x_by.h;
            }
            for (int row = 0; row < ROWS; row++)
                if (row < rows)  // below the last row x may be infinite, and counts for nothing
                    for (int r = 0; r < down; r++) sums[r][s] += column[row + r] * d[row];
        }
    }
    const bool mine = threadIdx.x < lanes && k < conv.K, biased = dbias && blockIdx.x == 0;
    const int taps = conv.R * conv.S;
    const long long apart = static_cast<long long>(conv.K) * (dbias ? taps + 1 : taps);
    float* const leave = partial + blockIdx.z * apart + k;
#pragma unroll 1
    for (bool adding = slices == 1;; adding = true) {
        const bool others = adding && slices > 1;
        if (others && !last_block(counters + blockIdx.y * gridDim.x + blockIdx.x, slices, is_last)) return;
#pragma unroll
        for (int r = 0; r < down; r++)
#pragma unroll
            for (int s = 0; s < across; s++) {
                const int tap = (first_r + r) * conv.S + first_s + s;
                const long long row = static_cast<long long>(tap) * conv.K;
                float sum = sums[r][s];
                if (others) sum = slices_sum(partial + row + k, apart, slices, lanes, k < conv.K);
                sum = walkers_sum(sum, room, lanes);
                if (mine && !adding) leave[row] = sum;
                else if constexpr (size == 3) {
                    if (mine) room.turned[lane * 9 + tap] = sum;
                } else if (mine) dweight[static_cast<long long>(k) * taps + tap] = narrow<T>(sum);
            }
        if constexpr (size == 3) {
            if (adding) __syncthreads();
            const long long first = static_cast<long long>(blockIdx.y) * lanes * 9;
            const int filters = min(lanes, conv.K - static_cast<int>(blockIdx.y) * lanes);
            for (int e = threadIdx.x; adding && e < 9 * filters; e += 256)
                dweight[first + e] = narrow<T>(room.turned[e]);
        }
        if (biased) {
            float sum = total;
            const long long row = static_cast<long long>(taps) * conv.K;
            if (others) sum = slices_sum(partial + row + k, apart, slices, lanes, k < conv.K);
            sum = walkers_sum(sum, room, lanes);
            if (mine && adding) dbias[k] = narrow<T>(sum);
            else if (mine) leave[row] = sum;
        }
        if (adding) return;
    }
}
