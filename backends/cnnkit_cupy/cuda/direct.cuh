// The sums of a direct convolution: an image's part and the filters lie in shared memory, each thread sums
// for four channels and some pixels in registers. `size` 3 or 5: filters of that size, stride and dilation 1,
// unrolled; 0: any other.

struct alignas(16) Room {
    float weights[1280];  // [channel][r][s][output channel]
    float tile[5120];
};

// Which pixels a filter's taps see: tap (r, s) of output (p, q) sees (p stride_h + r dilation_h, q stride_w +
// s dilation_w).
struct Taps { int R, S, stride_h, stride_w, dilation_h, dilation_w; };

// An element of a tile that no output sees: multiplied with nothing, so that an infinite weight times
// it makes no NaN.
const unsigned ABSENT = 0x7FEDCBA9u;

template <bool absences> __device__ inline bool present(float x) {
    return !absences || __float_as_uint(x) != ABSENT;
}

// The weights of `channels` input channels and of 4 * quads output channels from `first` on; 0 for those
// beyond `outputs`.
template <class Filters>
__device__ inline void fill_weights(float* weights, const Filters& filters, const Taps& taps, int quads,
                                    int first, int outputs, int channel, int channels) {
    const int side = 4 * quads, taps_of_filter = taps.R * taps.S;
    for (int e = threadIdx.x; e < channels * taps_of_filter * side; e += 256) {
        const int o = e % side, tap = e / side % taps_of_filter, c = e / side / taps_of_filter;
        weights[e] = first + o < outputs ? filters.at(first + o, channel + c, tap / taps.S, tap % taps.S) : 0;
    }
}

// Adds to sums[pixel][m] what output channel 4 * quad + m gets from `channels` channels in shared memory; the
// thread's pixels are `down` rows of `across` from (row, column) of the tile on.
template <int size, int down, int across, bool absences>
__device__ inline void add_taps(float (&sums)[down * across][4], const float* weights,
                                const float* tile, const Tiling& tiling,
                                const Taps& taps, int quad, int channels, int row, int column) {
    const int plane = tiling.rows * tiling.pitch, side = 4 * tiling.quads;
    if constexpr (size > 0) {
        const float* corner = tile + row * tiling.pitch + column;
        for (int c = 0; c < channels; c++) {
            float seen[down + size - 1][across + size - 1];
            for (int i = 0; i < down + size - 1; i++) {
                const float* from = corner + i * tiling.pitch;
                if constexpr (across == 2) {
                    for (int j = 0; j < size + 1; j += 2) {  // two at once: threads are two columns apart
                        const Vector<float, 2> pair = load<2>(from + j);
                        seen[i][j] = pair.of[0];
                        seen[i][j + 1] = pair.of[1];
                    }
                } else {
                    for (int j = 0; j < across + size - 1; j++) seen[i][j] = from[j];
                }
            }
            for (int r = 0; r < size; r++)
                for (int s = 0; s < size; s++) {
                    const Vector<float, 4> weight = load<4>(weights + (r * size + s) * side + 4 * quad);
                    for (int i = 0; i < down; i++)
                        for (int j = 0; j < across; j++)
                            if (present<absences>(seen[i + r][j + s]))
                                for (int m = 0; m < 4; m++)
                                    sums[i * across + j][m] += seen[i + r][j + s] * weight.of[m];
                }
            corner += plane;
            weights += size * size * side;
        }
    } else {
        for (int c = 0; c < channels; c++)
            for (int r = 0; r < taps.R; r++)
                for (int s = 0; s < taps.S; s++) {
                    const Vector<float, 4> weight = load<4>(weights + ((c * taps.R + r) * taps.S + s) * side
                                                            + 4 * quad);
                    const float* from = tile + c * plane
                                        + (row * taps.stride_h + r * taps.dilation_h) * tiling.pitch
                                        + column * taps.stride_w + s * taps.dilation_w;
                    for (int i = 0; i < down; i++)
                        for (int j = 0; j < across; j++) {
                            const float x = from[i * taps.stride_h * tiling.pitch + j * taps.stride_w];
                            if (present<absences>(x))
                                for (int m = 0; m < 4; m++) sums[i * across + j][m] += x * weight.of[m];
                        }
                }
    }
}

// All input channels in turn, as many at a time as shared memory holds; a tile that holds them all stays for
// the next filters. The tile begins at (n, h, w), the group's channels at `base`; the thread's pixels are
// those of `image` from (row, column) on.
template <int size, int down, int across, bool absences, class From, class Filters>
__device__ inline void correlate(float (&sums)[down * across][4], Room& room, const From& from,
                                 const Filters& filters, const Tiling& tiling, const Taps& taps, int n,
                                 int base, int h, int w, int channels, int first,
                                 int outputs, int image, int row, int column) {
    const int quad = threadIdx.x % tiling.quads;
    for (int channel = 0; channel < channels; channel += tiling.depth) {
        const int count = channels - channel < tiling.depth ? channels - channel : tiling.depth;
        if (first + channel > 0) __syncthreads();  // everybody has read what was there
        if (first == 0 || tiling.depth < channels) fill(room.tile, from, tiling, n,
                                                        base + channel, count, h, w);
        fill_weights(room.weights, filters, taps, tiling.quads, first, outputs, channel, count);
        __syncthreads();
        if (image < tiling.images)
            add_taps<size, down, across, absences>(sums, room.weights, room.tile
                                                   + image * tiling.depth * tiling.rows * tiling.pitch,
                                                   tiling, taps, quad, count, row, column);
    }
}

template <class T> struct Filters {  // those of one group
    const T* weight;
    Strides by;

    __device__ float at(int k, int c, int r, int s) const {
        return wide(weight[k * by.n + c * by.c + r * by.h + s * by.w]);
    }
};

// Writes the four channels from k on, as one access where `whole`; `count` of them exist.
template <class T> __device__ inline void store_quad(T* to, const float (&values)[4], int whole, int count) {
    if (whole) {
        Vector<T, 4> packed;
        for (int m = 0; m < 4; m++) packed.of[m] = narrow<T>(values[m]);
        store(to, packed);
    } else {
        for (int m = 0; m < 4; m++)
            if (m < count) to[m] = narrow<T>(values[m]);
    }
}
