// Threefry-2x32-20 (Salmon et al. 2011), and dropout with its bits: those of cnnkit.random, to the last one.
// Element i in C order takes word i % 2 of counter i // 2, so each thread makes one counter's two words.

struct Key { unsigned first, second; };
struct Words { unsigned x, y; };
struct Sizes { int C, H, W; long long count; };  // count: pairs of pixels of a channel

__device__ inline unsigned rotated(unsigned x, int by) { return x << by | x >> (32 - by); }

__device__ inline Words threefry(Key key, unsigned long long counter) {
    const unsigned keys[3] = {key.first, key.second, key.first ^ key.second ^ 0x1BD11BDAu};
    const int rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
    unsigned x = static_cast<unsigned>(counter) + keys[0], y = static_cast<unsigned>(counter >> 32) + keys[1];
    for (int round = 0; round < 20; round++) {
        x += y;
        y = rotated(y, rotations[round % 8]) ^ x;
        if (round % 4 == 3) {
            const int group = round / 4 + 1;
            x += keys[group % 3];
            y += keys[(group + 1) % 3] + group;
        }
    }
    return {x, y};
}

__global__ void __launch_bounds__(256) random_bits(int* bits, long long count, Key key) {
    const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (2 * i >= count) return;
    const Words words = threefry(key, i);
    const Vector<int, 2> both = {static_cast<int>(words.x), static_cast<int>(words.y)};
    if (2 * i + 1 < count) store(bits + 2 * i, both);
    else bits[2 * i] = both.of[0];
}

// What is kept: draws whose top 24 bits are below `threshold`, multiplied by `scale`. Also the gradient.
struct Kept { unsigned threshold; float scale; };

template <class T> __device__ inline T dropped(T x, unsigned word, const Kept& kept) {
    return narrow<T>(wide(x) * (word >> 8 < kept.threshold ? kept.scale : 0.0f));
}

// The key, or, if it is not null, that which lies in memory: a CUDA graph's launches are given others there.
__device__ inline Key key_of(const unsigned* on_device, Key key) {
    return on_device ? Key{on_device[0], on_device[1]} : key;
}

// Elements in C order, 16 bytes a thread.
template <class T, int lanes>
__global__ void __launch_bounds__(256) dropout(const T* x, const unsigned* key_there, T* y, long long count,
                                               Key key_here, Kept kept) {
    const Key key = key_of(key_there, key_here);
    const long long first = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * lanes;
    if (first >= count) return;
    const bool whole = first + lanes <= count;
    Vector<T, lanes> values = {};
    if (whole) values = load<lanes>(x + first);
    else
        for (int k = 0; first + k < count; k++) values.of[k] = x[first + k];
    for (int k = 0; k < lanes; k += 2) {
        const Words words = threefry(key, (first + k) / 2);
        values.of[k] = dropped(values.of[k], words.x, kept);
        values.of[k + 1] = dropped(values.of[k + 1], words.y, kept);
    }
    if (whole) store(y + first, values);
    else
        for (int k = 0; first + k < count; k++) y[first + k] = values.of[k];
}

// Images of any strides, into memory with the channels last: two pixels of a channel a thread, which are one
// counter's two words where the channel begins at an even number.
template <class T, class Index>
__global__ void __launch_bounds__(256) dropout_images(const T* x, const unsigned* key_there, T* y, Strides by,
                                                      Sizes size, Key key_here, Kept kept) {
    const Key key = key_of(key_there, key_here);
    const long long number = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (number >= size.count) return;
    const Index i = static_cast<Index>(number), pixels = static_cast<Index>(size.H) * size.W,
                pairs = (pixels + 1) / 2;
    const Index c = i % size.C, pixel = 2 * (i / size.C % pairs), n = i / size.C / pairs;
    const unsigned long long first = static_cast<unsigned long long>(n * size.C + c) * pixels + pixel;
    Words words = threefry(key, first / 2);
    unsigned word = first % 2 ? words.y : words.x;
    for (int k = 0; k < 2 && pixel + k < pixels; k++) {
        const Index h = (pixel + k) / size.W, w = (pixel + k) % size.W;
        y[(n * pixels + pixel + k) * size.C + c] = dropped(x[n * by.n + c * by.c + h * by.h + w * by.w],
                                                           word, kept);
        word = first % 2 ? threefry(key, first / 2 + 1).x : words.y;
    }
}
