// Threefry-2x32-20 (Salmon et al. 2011), and dropout with its bits: those of cnnkit.random, to the last one.
// Element i in C order takes word i % 2 of counter i // 2, so each thread makes one counter's two words.

struct Key { unsigned first, second; };
struct Words { unsigned x, y; };
struct Sizes { int C, H, W; };

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
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (2 * i >= count) return;
    Words words = threefry(key, i);
    bits[2 * i] = static_cast<int>(words.x);
    if (2 * i + 1 < count) bits[2 * i + 1] = static_cast<int>(words.y);
}

template <class T> __device__ inline T dropped(const T* x, const Strides& by, Sizes size, long long i, bool kept, float scale) {
    const long long w = i % size.W, h = i / size.W % size.H, c = i / size.W / size.H % size.C, n = i / size.W / size.H / size.C;
    return narrow<T>(wide(x[n * by.n + c * by.c + h * by.h + w * by.w]) * (kept ? scale : 0.0f));
}

// Elements whose draw's top 24 bits are below `threshold` are kept and multiplied by `scale`; also the gradient.
template <class T>
__global__ void __launch_bounds__(256) dropout(const T* x, T* y, Strides x_by, Sizes size, long long count, Key key,
                                               unsigned threshold, float scale) {
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (2 * i >= count) return;
    Words words = threefry(key, i);
    y[2 * i] = dropped(x, x_by, size, 2 * i, words.x >> 8 < threshold, scale);
    if (2 * i + 1 < count) y[2 * i + 1] = dropped(x, x_by, size, 2 * i + 1, words.y >> 8 < threshold, scale);
}
