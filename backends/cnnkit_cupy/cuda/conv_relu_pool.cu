// Convolution with few channels in a group, ReLU and max pooling in one: the full-size activation is never
// written. `argmax` gets the number of each window's first largest element, or STOPPED; from it the kernels
// of direct.cu make all gradients.

#include "few_channels.cuh"
#include "direct.cuh"

// Each thread has four channels of one window. `size` 3 or 5: windows of 2 x 2; 0: any.
template <class T, int size>
__global__ void __launch_bounds__(256, 2) conv2d_relu_max_pool2d(
    const T* x, const T* weight, const T* bias, T* y, unsigned char* argmax,
    Strides x_by, Strides weight_by, Convolution conv, Pooling pooling, Tiling tiling) {
    SHARED(Room, room);
    const int group = blockIdx.y, inputs = conv.C / conv.groups, outputs = conv.K / conv.groups,
              quad = threadIdx.x % tiling.quads;
    const int height = size > 0 ? 2 : pooling.height, width = size > 0 ? 2 : pooling.width;
    const Taps taps = {conv.R, conv.S, conv.stride_h, conv.stride_w, conv.dilation_h, conv.dilation_w};
    const TileAt tile = tile_at(blockIdx.x, tiling);
    const Spot spot = spot_of(threadIdx.x / tiling.quads, tiling);
    const Images<T> from = {x, x_by, conv};
    const Filters<T> filters = {weight + static_cast<long long>(group) * outputs * weight_by.n, weight_by};
    // the window
    const int n = tile.n + spot.image, i = tile.band + spot.band, j = tile.column + spot.column;
    const bool inside = spot.image < tiling.images && n < conv.N && i < pooling.P && j < pooling.Q;
    const int h = tile.band * height * conv.stride_h - conv.top,
              w = tile.column * width * conv.stride_w - conv.left;

    for (int first = 0; first < outputs; first += 4 * tiling.quads) {
        const int count = outputs - first - 4 * quad, k = group * outputs + first + 4 * quad;
        float best[4] = {}, shift[4] = {};  // ReLU: the best is 0 until an element is larger
        Vector<unsigned char, 4> chosen = {{STOPPED, STOPPED, STOPPED, STOPPED}};
        if (bias)
            for (int m = 0; m < 4; m++)
                if (m < count) shift[m] = wide(bias[k + m]);
        auto consider = [&](const float (&sums)[4], int r, int s) {
            // only where the pooling's sizes are rounded up
            if (i * height + r >= conv.P || j * width + s >= conv.Q) return;
            for (int m = 0; m < 4; m++) {
                // as it would be stored: that decides ties
                const float value = wide(narrow<T>(sums[m] + shift[m]));
                if (value > best[m] || (value != value && best[m] == best[m])) {
                    best[m] = value;
                    chosen.of[m] = static_cast<unsigned char>(r * width + s);
                }
            }
        };
        if constexpr (size > 0) {
            float sums[4][4] = {};
            correlate<size, 2, 2, false>(sums, room, from, filters, tiling, taps, tile.n,
                                         group * inputs, h, w, inputs, first, outputs,
                                         spot.image, spot.band * 2, spot.column * 2);
            for (int e = 0; e < 4; e++) consider(sums[e], e / 2, e % 2);
        } else {  // all channels are in shared memory
            if (first > 0) __syncthreads();
            if (first == 0) fill(room.tile, from, tiling, tile.n, group * inputs, inputs, h, w);
            fill_weights(room.weights, filters, taps, tiling.quads, first, outputs, 0, inputs);
            __syncthreads();
            const float* mine = room.tile + spot.image * tiling.depth * tiling.rows * tiling.pitch;
            for (int r = 0; inside && r < height; r++)
                for (int s = 0; s < width; s++) {
                    float sums[1][4] = {};
                    add_taps<0, 1, 1, false>(sums, room.weights, mine, tiling, taps, quad, inputs,
                                             spot.band * height + r, spot.column * width + s);
                    consider(sums[0], r, s);
                }
        }
        if (!inside || count <= 0) continue;
        const long long to = ((static_cast<long long>(n) * pooling.P + i) * pooling.Q + j) * conv.K + k;
        store_quad(y + to, best, outputs % 4 == 0, count);
        if (!argmax) continue;
        if (outputs % 4 == 0) store(argmax + to, chosen);
        else
            for (int m = 0; m < 4; m++)
                if (m < count) argmax[to + m] = chosen.of[m];
    }
}
