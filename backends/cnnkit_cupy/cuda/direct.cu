// Convolution with few channels in a group, directly: every input element is read about once, into shared
// memory, and every output is one thread's sum. Forward, input gradient, and the gradients of weight and
// bias. The order of every sum depends on shapes only.

#include "few_channels.cuh"
#include "direct.cuh"

const int BAND = 4;  // rows of pixels of a thread

// y = convolution + bias, and where `relu` is set nothing below 0.
template <class T, int size>
__global__ void __launch_bounds__(256, 2) direct_conv2d(const T* x, const T* weight,
                                                        const T* bias, T* y, Strides x_by, Strides weight_by,
                                                        Convolution conv, Tiling tiling, int relu) {
    SHARED(Room, room);
    const int group = blockIdx.y, inputs = conv.C / conv.groups, outputs = conv.K / conv.groups,
              quad = threadIdx.x % tiling.quads;
    const Taps taps = {conv.R, conv.S, conv.stride_h, conv.stride_w, conv.dilation_h, conv.dilation_w};
    const TileAt tile = tile_at(blockIdx.x, tiling);
    const Spot spot = spot_of(threadIdx.x / tiling.quads, tiling);
    const Images<T> from = {x, x_by, conv};
    const Filters<T> filters = {weight + static_cast<long long>(group) * outputs * weight_by.n, weight_by};
    for (int first = 0; first < outputs; first += 4 * tiling.quads) {
        float sums[BAND][4] = {};
        correlate<size, BAND, 1, false>(sums, room, from, filters, tiling, taps, tile.n, group * inputs,
                                        tile.band * BAND * conv.stride_h - conv.top,
                                        tile.column * conv.stride_w - conv.left,
                                        inputs, first, outputs, spot.image, spot.band * BAND, spot.column);
        const int n = tile.n + spot.image, q = tile.column + spot.column, count = outputs - first - 4 * quad;
        if (spot.image >= tiling.images || n >= conv.N || q >= conv.Q || count <= 0) continue;
        const int k = group * outputs + first + 4 * quad;
        for (int m = 0; m < 4; m++) {
            const float shift = bias && m < count ? wide(bias[k + m]) : 0;
            for (int i = 0; i < BAND; i++) {
                sums[i][m] += shift;
                if (relu && sums[i][m] <= 0) sums[i][m] = 0;
            }
        }
        for (int i = 0; i < BAND; i++) {
            const int p = (tile.band + spot.band) * BAND + i;
            if (p < conv.P)
                store_quad(y + ((static_cast<long long>(n) * conv.P + p) * conv.Q + q) * conv.K + k, sums[i],
                           outputs % 4 == 0, count);
        }
    }
}

// -- input gradient: the outputs' gradient, correlated with the filters rotated by half a turn --------------

// The outputs' gradient with stride - 1 absent rows and columns between its own, and absent ones around.
template <class T, bool strided> struct Spread {
    Gradient<T> gradient;

    __device__ bool channels_last() const { return gradient.channels_last(); }
    __device__ float at(int n, int k, int h, int w) const {
        const Convolution& conv = gradient.conv;
        const float absent = __uint_as_float(ABSENT);
        if (n >= conv.N || h < 0 || w < 0) return absent;
        if (strided && (h % conv.stride_h || w % conv.stride_w)) return absent;
        const int p = strided ? h / conv.stride_h : h, q = strided ? w / conv.stride_w : w;
        if (p >= conv.P || q >= conv.Q) return absent;
        const float value = gradient.at(n, k, p, q);
        // a NaN with just those bits is still a NaN
        return present<true>(value) ? value : __int_as_float(0x7FC00000);
    }
};

template <class T> struct Rotated {
    const T* weight;
    Strides by;
    int R, S;

    __device__ float at(int c, int k, int r, int s) const {
        return wide(weight[k * by.n + c * by.c + (R - 1 - r) * by.h + (S - 1 - s) * by.w]);
    }
};

template <class T, int size>
__global__ void __launch_bounds__(256, 2) direct_input_gradient(
    const T* dy, const T* after, const unsigned char* argmax, const T* weight,
    T* dx, Strides dy_by, Strides weight_by, Convolution conv,
    Pooling pooling, Tiling tiling) {
    SHARED(Room, room);
    const int group = blockIdx.y, inputs = conv.K / conv.groups, outputs = conv.C / conv.groups,
              quad = threadIdx.x % tiling.quads;
    const Taps taps = {conv.R, conv.S, 1, 1, conv.dilation_h, conv.dilation_w};
    const TileAt tile = tile_at(blockIdx.x, tiling);
    const Spot spot = spot_of(threadIdx.x / tiling.quads, tiling);
    const Spread<T, size == 0> from = {{dy, after, argmax, dy_by, pooling, conv, 0}};
    const Rotated<T> filters = {weight + static_cast<long long>(group) * inputs * weight_by.n,
                                weight_by, conv.R, conv.S};
    for (int first = 0; first < outputs; first += 4 * tiling.quads) {
        float sums[BAND][4] = {};
        correlate<size, BAND, 1, true>(sums, room, from, filters, tiling, taps, tile.n, group * inputs,
                                       tile.band * BAND + conv.top - (conv.R - 1) * conv.dilation_h,
                                       tile.column + conv.left - (conv.S - 1) * conv.dilation_w, inputs,
                                       first, outputs, spot.image, spot.band * BAND, spot.column);
        const int n = tile.n + spot.image, w = tile.column + spot.column, count = outputs - first - 4 * quad;
        if (spot.image >= tiling.images || n >= conv.N || w >= conv.W || count <= 0) continue;
        const int c = group * outputs + first + 4 * quad;
        for (int i = 0; i < BAND; i++) {
            const int h = (tile.band + spot.band) * BAND + i;
            if (h < conv.H)
                store_quad(dx + ((static_cast<long long>(n) * conv.H + h) * conv.W + w) * conv.C + c, sums[i],
                           outputs % 4 == 0, count);
        }
    }
}

// -- gradients of weight and bias ---------------------------------------------------------------------------

// A tile of 256 outputs: each lane has eight rows of a column, and each warp some of the sums, over all
// lanes. A sum's unit is four filters, a channel and a column s of the filters (and a row r, where `size` is
// 0); its R rows are summed together, so that what one row has read serves the next. The bias is one more
// unit, whose channel is 1 everywhere. All units of a warp are of one quad, whose dy is read for all of them,
// `AT_ONCE` rows at a time.
// QUAD: floats of a quad; 16 more put two quads into different banks
const int ROWS = 8, AT_ONCE = 4, QUAD = 4 * (ROWS * 32 + 4);
const int ONE = 5120;

// where in the tile it begins, and how far its rows are apart: 0 for the bias
struct Unit { int from, step; };

struct alignas(16) GradientRoom {
    float dy[2 * QUAD];  // [quad][row][lane][channel]
    float x[ONE + 4];    // x[ONE] is 1
    Unit units[64];
    int is_last;
};

template <int size> struct Units {
    static const int units = size == 3 ? 4 : size == 5 ? 3 : 8;  // of a warp
    static const int rows = size > 0 ? size : 1;                // of the filters, in a unit
};

// Slice i has the tiles i, i + slices, ...; blockIdx.y counts channels, then quads, then groups. Several
// slices leave their sums in partial[weight or bias][slice], and the last block adds them up.
template <class T, int size>
__global__ void __launch_bounds__(256, 2) direct_weight_gradient(
    const T* x, const T* dy, const T* after, const unsigned char* argmax,
    float* partial, T* dweight, T* dbias, unsigned* counters, Strides x_by, Strides dy_by, Convolution conv,
    Pooling pooling, Tiling tiling, int tiles, int whole) {
    SHARED(GradientRoom, room);
    const int inputs = conv.C / conv.groups, outputs = conv.K / conv.groups,
              slices = gridDim.x, slice = blockIdx.x;
    const int chunks = (inputs + tiling.depth - 1) / tiling.depth,
              parts = (outputs + 4 * tiling.quads - 1) / (4 * tiling.quads);
    const int channel = blockIdx.y % chunks * tiling.depth,
              first = blockIdx.y / chunks % parts * 4 * tiling.quads;
    const int group = blockIdx.y / chunks / parts;
    const int channels = inputs - channel < tiling.depth ? inputs - channel : tiling.depth;
    const Images<T> images = {x, x_by, conv};
    const Gradient<T> gradient = {dy, after, argmax, dy_by, pooling, conv, whole};

    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, plane = tiling.rows * tiling.pitch;
    const int rows_apart = size > 0 ? 1 : conv.R, of_quad = channels * rows_apart * conv.S + 1;
    const int warps = 8 / tiling.quads, quad = warp / warps, first_unit = warp % warps;  // of a quad
    const Spot spot = spot_of(lane, tiling);
    const int mine = spot.image < tiling.images
        ? spot.image * tiling.depth * plane + spot.band * ROWS * conv.stride_h * tiling.pitch
        + spot.column * conv.stride_w : 0;

    float sums[Units<size>::units][Units<size>::rows][4] = {};
    if (threadIdx.x < of_quad) {
        const int i = threadIdx.x, s = i % conv.S, r = i / conv.S % rows_apart, c = i / conv.S / rows_apart;
        room.units[i] = i == of_quad - 1 ? Unit{ONE, 0}
            : Unit{c * plane + r * conv.dilation_h * tiling.pitch + s * conv.dilation_w,
                   conv.stride_h * tiling.pitch};
    }
    if (threadIdx.x == 0) room.x[ONE] = 1;
    for (int number = slice; number < tiles; number += slices) {
        const TileAt tile = tile_at(number, tiling);
        if (number > slice) __syncthreads();  // everybody has read the tile before
        fill(room.x, images, tiling, tile.n, group * inputs + channel, channels,
             tile.band * ROWS * conv.stride_h - conv.top, tile.column * conv.stride_w - conv.left);
        for (int e = threadIdx.x; e < tiling.quads * ROWS * 32; e += 256) {
            const int to_quad = e % tiling.quads, to = e / tiling.quads;
            const Spot at = spot_of(to % 32, tiling);
            const int n = tile.n + at.image, p = (tile.band + at.band) * ROWS + to / 32,
                      q = tile.column + at.column;
            const int k = first + 4 * to_quad;
            const bool inside = at.image < tiling.images && n < conv.N && p < conv.P
                                && q < conv.Q && k < outputs;
            Vector<float, 4> d = {};
            if (inside) d = gradient.quad(n, group * outputs + k, outputs - k, p, q);
            store(room.dy + to_quad * QUAD + 4 * to, d);
        }
        __syncthreads();
        const bool outside = spot.image >= tiling.images || tile.n + spot.image >= conv.N
                             || tile.column + spot.column >= conv.Q;
        // beyond, x may be infinite, and counts for nothing
        const int left = conv.P - (tile.band + spot.band) * ROWS;
        const int rows = outside || left < 0 ? 0 : min(left, +ROWS);
        const float *from[Units<size>::units], *given = room.dy + quad * QUAD + 4 * lane;
        int step[Units<size>::units];
        for (int u = 0; u < Units<size>::units; u++) {
            const int i = first_unit + warps * u;
            const Unit unit = room.units[i < of_quad ? i : of_quad - 1];
            from[u] = room.x + unit.from + (unit.step ? mine : 0);
            step[u] = unit.step;
        }
        #pragma unroll 1
        for (int row = AT_ONCE; row <= rows; row += AT_ONCE) {
            Vector<float, 4> d[AT_ONCE];
            for (int i = 0; i < AT_ONCE; i++) d[i] = load<4>(given + 128 * i);
            given += 128 * AT_ONCE;
            #pragma unroll
            for (int u = 0; u < Units<size>::units; u++) {
                if (first_unit + warps * u >= of_quad) break;
                float seen[AT_ONCE + Units<size>::rows - 1];
                for (int i = 0; i < AT_ONCE + Units<size>::rows - 1; i++) seen[i] = from[u][i * step[u]];
                from[u] += AT_ONCE * step[u];
                for (int i = 0; i < AT_ONCE; i++)
                    for (int r = 0; r < Units<size>::rows; r++)
                        for (int m = 0; m < 4; m++) sums[u][r][m] += seen[i + r] * d[i].of[m];
            }
        }
        #pragma unroll 1
        for (int row = rows / AT_ONCE * AT_ONCE; row < rows; row++) {  // what is left
            const Vector<float, 4> d = load<4>(given);
            given += 128;
            #pragma unroll
            for (int u = 0; u < Units<size>::units; u++) {
                if (first_unit + warps * u >= of_quad) break;
                for (int r = 0; r < Units<size>::rows; r++)
                    for (int m = 0; m < 4; m++) sums[u][r][m] += from[u][r * step[u]] * d.of[m];
                from[u] += step[u];
            }
        }
    }
    const long long weights = static_cast<long long>(conv.K) * inputs * conv.R * conv.S;
    #pragma unroll
    for (int u = 0; u < Units<size>::units; u++) {
        const int i = first_unit + warps * u, s = i % conv.S, c = i / conv.S / rows_apart;
        const bool ones = i == of_quad - 1;
        if (i >= of_quad || (ones && (!dbias || channel > 0))) continue;
        #pragma unroll
        for (int row = 0; row < Units<size>::rows; row++)
            #pragma unroll
            for (int m = 0; m < 4; m++) {
                const float sum = warp_sum(sums[u][row][m]);
                const int k = first + 4 * quad + m, r = size > 0 ? row : i / conv.S % rows_apart;
                const long long filter = group * outputs + k;
                const long long place = ones ? weights + filter
                                        : ((filter * inputs + channel + c) * conv.R + r) * conv.S + s;
                if (lane > 0 || k >= outputs || (row > 0 && ones)) continue;
                if (slices > 1) partial[place * slices + slice] = sum;
                else if (ones) dbias[filter] = narrow<T>(sum);
                else dweight[place] = narrow<T>(sum);
            }
    }
    if (slices == 1 || !last_block(counters + blockIdx.y, slices, room.is_last)) return;
    #pragma unroll 1
    for (int e = warp; e < tiling.quads * of_quad * Units<size>::rows * 4; e += 8) {
        const int unit = e / 4 / Units<size>::rows, row = e / 4 % Units<size>::rows, i = unit % of_quad;
        const int k = first + unit / of_quad * 4 + e % 4, r = size > 0 ? row : i / conv.S % rows_apart;
        const bool ones = i == of_quad - 1;
        if (k >= outputs || (ones && (!dbias || channel > 0 || row > 0))) continue;
        const long long filter = group * outputs + k;
        const int c = channel + i / conv.S / rows_apart;
        const long long place = ones ? weights + filter
                                : ((filter * inputs + c) * conv.R + r) * conv.S + i % conv.S;
        float sum = 0;
        for (int other = lane; other < slices; other += 32) sum += partial[place * slices + other];
        sum = warp_sum(sum);
        if (lane > 0) continue;
        if (ones) dbias[filter] = narrow<T>(sum);
        else dweight[place] = narrow<T>(sum);
    }
}
