// What the convolutions with few channels in a group share: their shape; how a block of threads divides
// images; an image's part in shared memory; and the gradient of their output, as it is, or behind ReLU and
// max pooling. Letters as in conv.cu: input (N, C, H, W), filters (K, C / groups, R, S), output (N, K, P, Q),
// memory (N, H, W, C).

struct Convolution {
    int N, C, H, W, K, R, S, P, Q;
    int stride_h, stride_w, top, left, dilation_h, dilation_w;
    int groups;
};

// The threads of a block, the first the fastest: quads of channels, columns, bands of rows, images. A part of
// the images lies in shared memory: [image][channel][row][column]. The host chooses.
struct Tiling {
    int quads, columns, bands, images;
    int depth;               // channels that shared memory holds at a time
    int rows, width, pitch;  // of the part of an image; a row begins `pitch` floats after the one before it
    int tiles_h, tiles_w;    // tiles of an image
};

struct Spot { int image, band, column; };

__device__ inline Spot spot_of(int i, const Tiling& tiling) {
    return {i / tiling.columns / tiling.bands, i / tiling.columns % tiling.bands, i % tiling.columns};
}

struct TileAt { int n, band, column; };  // where a tile begins: image, bands and columns of threads before it

__device__ inline TileAt tile_at(int number, const Tiling& tiling) {
    const int row = number / tiling.tiles_w;
    return {row / tiling.tiles_h * tiling.images, row % tiling.tiles_h * tiling.bands,
            number % tiling.tiles_w * tiling.columns};
}

// Fills shared memory with `channels` channels of the images from (n, channel, h, w) on; a warp reads
// the elements of a row in the order in which they lie in memory. What `from` has outside the images is
// its own matter.
template <class From>
__device__ inline void fill(float* tile, const From& from, const Tiling& tiling, int n, int channel,
                            int channels, int h, int w) {
    const int fast = from.channels_last() ? channels : tiling.width,
              slow = from.channels_last() ? tiling.width : channels;
    const int lane = threadIdx.x % 32, steps = 32 / fast, rest = 32 % fast;
    for (int line = threadIdx.x / 32; line < tiling.images * tiling.rows; line += 8) {
        const int image = line / tiling.rows, row = line % tiling.rows;
        int i = lane % fast, j = lane / fast;
        while (j < slow) {
            const int c = from.channels_last() ? i : j, column = from.channels_last() ? j : i;
            tile[((image * tiling.depth + c) * tiling.rows + row) * tiling.pitch + column]
                = from.at(n + image, channel + c, h + row, w + column);
            i += rest;
            j += steps;
            if (i >= fast) i -= fast, j++;
        }
    }
}

// Images with zeros around.
template <class T> struct Images {
    const T* x;
    Strides by;
    Convolution conv;

    __device__ bool channels_last() const { return by.c <= by.w; }
    __device__ float at(int n, int c, int h, int w) const {
        if (n >= conv.N || h < 0 || h >= conv.H || w < 0 || w >= conv.W) return 0;
        return wide(x[n * by.n + c * by.c + h * by.h + w * by.w]);
    }
};

// A max pooling's windows side by side, of height x width pixels, P x Q of them; n * by_height >> 32
// is n / height.
struct Pooling {
    int height, width, P, Q;
    long long by_height, by_width;
};

// in an argmax: the window's largest element is not above 0, so ReLU lets no gradient through
const int STOPPED = 255;

// What the convolution's output y gets: dy; or where `after`, ReLU's output, is not null, dy behind ReLU; or
// where `argmax` is not null, dy behind ReLU and max pooling, of which `argmax` knows the element of each
// window that gets it. Both lie dense in memory, channels last. `whole`: dy can be read by quads of channels.
template <class T> struct Gradient {
    const T *dy, *after;
    const unsigned char* argmax;
    Strides by;
    Pooling pooling;
    Convolution conv;
    int whole;

    __device__ bool channels_last() const { return by.c <= by.w; }
    __device__ long long dense(int n, int k, int p, int q, int height, int width) const {
        return ((static_cast<long long>(n) * height + p) * width + q) * conv.K + k;
    }
    __device__ float at(int n, int k, int p, int q) const {
        if (argmax) {
            const int i = static_cast<int>(p * pooling.by_height >> 32),
                      j = static_cast<int>(q * pooling.by_width >> 32);
            if (i >= pooling.P || j >= pooling.Q) return 0;
            const int element = (p - i * pooling.height) * pooling.width + q - j * pooling.width;
            if (argmax[dense(n, k, i, j, pooling.P, pooling.Q)] != element) return 0;
            return wide(dy[n * by.n + k * by.c + i * by.h + j * by.w]);
        }
        if (after && wide(after[dense(n, k, p, q, conv.P, conv.Q)]) <= 0) return 0;
        return wide(dy[n * by.n + k * by.c + p * by.h + q * by.w]);
    }
    // Of the `count` channels from k on, the first four; 0 beyond them.
    __device__ Vector<float, 4> quad(int n, int k, int count, int p, int q) const {
        Vector<float, 4> result = {};
        if (!whole) {
            for (int m = 0; m < 4; m++)
                if (m < count) result.of[m] = at(n, k + m, p, q);
            return result;
        }
        int element = 0;
        Vector<unsigned char, 4> chosen = {};
        if (argmax) {
            const int i = static_cast<int>(p * pooling.by_height >> 32),
                      j = static_cast<int>(q * pooling.by_width >> 32);
            if (i >= pooling.P || j >= pooling.Q) return result;
            element = (p - i * pooling.height) * pooling.width + q - j * pooling.width;
            chosen = load<4>(argmax + dense(n, k, i, j, pooling.P, pooling.Q));
            p = i, q = j;
        }
        const Vector<T, 4> values = load<4>(dy + n * by.n + k + p * by.h + q * by.w);
        for (int m = 0; m < 4; m++)
            if (chosen.of[m] == element) result.of[m] = wide(values.of[m]);
        if (after) {
            const Vector<T, 4> passed = load<4>(after + dense(n, k, p, q, conv.P, conv.Q));
            for (int m = 0; m < 4; m++)
                if (wide(passed.of[m]) <= 0) result.of[m] = 0;
        }
        return result;
    }
};
