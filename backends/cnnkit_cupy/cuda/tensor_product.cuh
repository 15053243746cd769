// The tiled product of conv_tensor.cu and conv_tensor_weights.cu on tensor cores: how a block's warps divide
// a tile, its stages in shared memory, and the loop.

// Each warp makes warp_rows x warp_columns of the block's sums. A stage has 64 bytes of the depth for each
// row of either matrix: one is read while the others arrive.
// `Blocks`: at once on a multiprocessor, at least. `Products`: of float, made of one product of TF32, or of
// three.
template <int Rows, int Columns, int WarpRows, int WarpColumns, int Stages, int Blocks, int Products = 1>
struct TensorTiling {
    static const int rows = Rows, columns = Columns, warp_rows = WarpRows, warp_columns = WarpColumns;
    static const int across = columns / warp_columns, threads = 32 * across * (rows / warp_rows);
    static const int blocks = Blocks, stages = Stages, products = Products;
    using Once = TensorTiling<Rows, Columns, WarpRows, WarpColumns, Stages, Blocks>;  // of one product
    static const int row_bytes = 64, stage_bytes = row_bytes * (rows + columns);
    static const int down = warp_rows / 16, beside = warp_columns / 8;  // products of a warp for 32 bytes

    // halves of a stage that are unrolled: three products for 64 x 64 sums leave no registers for a second
    static const int unrolled = products == 3 && warp_columns > 32 ? 1 : 2;

    // The tile's row and column of a thread's sum: of the 16 x 8 sums with these numbers, the i-th.
    __device__ static int row(int m, int i) {
        return threadIdx.x / 32 / across * warp_rows + m * 16 + i / 2 * 8 + threadIdx.x % 32 / 4;
    }
    __device__ static int column(int n, int i) {
        return threadIdx.x / 32 % across * warp_columns + n * 8 + threadIdx.x % 4 * 2 + i % 2;
    }
};

using TensorLarge = TensorTiling<128, 128, 64, 32, 3, 2>;
using TensorNarrow = TensorTiling<128, 64, 64, 32, 4, 2>;
using TensorSmall = TensorTiling<64, 64, 64, 32, 3, 3>;
using TensorThin = TensorTiling<128, 32, 64, 32, 3, 3>;
using TensorNarrow3 = TensorTiling<128, 64, 64, 32, 4, 2, 3>;
using TensorSmall3 = TensorTiling<64, 64, 64, 32, 3, 3, 3>;
// for the weight gradient of float: both factors are rounded in the loop, so a warp uses each more often
using TensorWide = TensorTiling<128, 128, 64, 64, 3, 2>;
using TensorTall = TensorTiling<128, 64, 64, 64, 3, 2>;
using TensorWide3 = TensorTiling<128, 128, 64, 64, 3, 2, 3>;
using TensorTall3 = TensorTiling<128, 64, 64, 64, 3, 2, 3>;

// The nearest number that has TF32's 10 bits behind the point, ties away from zero, in all bits but the last
// 13, which do not count. Half of the last place that counts is added: two instructions, where the one of PTX
// becomes four, for adding to the bits would make numbers of some NaNs.
__device__ inline unsigned rounded_to_tf32(unsigned bits) {
    const float power = __uint_as_float(bits & 0xFF800000);  // of two, with the sign
    return __float_as_uint(fmaf(power, 1.0f / 2048, __uint_as_float(bits)));
}

// The number whose products tensor cores make: of float, the nearest one of TF32.
template <class T> __device__ inline T multiplied(T x) { return x; }
template <> __device__ inline float multiplied(float x) {
    return __uint_as_float(rounded_to_tf32(__float_as_uint(x)) & ~0x1FFFu);
}

__device__ inline void round_to_tf32(unsigned (&words)[4]) {
    for (int i = 0; i < 4; i++) words[i] = rounded_to_tf32(words[i]);
}

// A number as the nearest of TF32, and what is left of it, rounded as well. Of what is infinite NaN is left,
// which may make a NaN of a sum: see `sum_again`.
__device__ inline void take_apart(unsigned (&words)[4], unsigned (&rests)[4]) {
    for (int i = 0; i < 4; i++) {
        const unsigned nearest = rounded_to_tf32(words[i]) & ~0x1FFFu;
        rests[i] = __float_as_uint(__uint_as_float(words[i]) - __uint_as_float(nearest)) + 0x1000;
        words[i] = nearest;
    }
}

// Products of float, but for those of what is left of both factors: 2^-22 of the product.
template <class Tile>
__device__ inline void multiply_apart(unsigned (&left)[Tile::down][4], unsigned (&right)[Tile::beside / 2][4],
                                      float (&sums)[Tile::down][Tile::beside][4]) {
    unsigned right_rests[Tile::beside / 2][4];
#pragma unroll
    for (int n = 0; n < Tile::beside / 2; n++) take_apart(right[n], right_rests[n]);
#pragma unroll
    for (int m = 0; m < Tile::down; m++) {
        unsigned rests[4];
        take_apart(left[m], rests);
#pragma unroll
        for (int n = 0; n < Tile::beside; n++) {
            const unsigned(&whole)[4] = right[n / 2], (&rest)[4] = right_rests[n / 2];
            const int first = n % 2 * 2;
            mma_sync(float(), sums[m][n], rests, whole[first], whole[first + 1]);
            mma_sync(float(), sums[m][n], left[m], rest[first], rest[first + 1]);
            mma_sync(float(), sums[m][n], left[m], whole[first], whole[first + 1]);
        }
    }
}

// sums += the product over `steps` parts of the depth, which the reader fetches one after the other; of what
// has arrived it gives each lane its words, for half of the depth: of all rows of its warp, and of all
// columns, 16 at a time. Of one product the columns' are `multiplied` already.
template <class T, class Tile, class Reader>
__device__ inline void multiply(Reader& reader, SharedAddress stages, int steps,
                                float (&sums)[Tile::down][Tile::beside][4]) {
    for (int stage = 0; stage < Tile::stages - 1; stage++) {
        if (stage < steps) reader.fetch(stages + stage * Tile::stage_bytes);
        cp_async_commit();
    }
    const SharedAddress last = kept(stages + (Tile::stages - 1) * Tile::stage_bytes);
    SharedAddress now = stages, next = last;
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        cp_async_wait<Tile::stages - 2>();
        __syncthreads();  // this stage is there, and everybody has read the one before
        if (step + Tile::stages - 1 < steps) reader.fetch(next);
        cp_async_commit();
#pragma unroll(Tile::unrolled)
        for (int half = 0; half < 2; half++) {
            unsigned left[Tile::down][4], right[Tile::beside / 2][4];
            reader.rows(left, now, half);
            if constexpr (sizeof(T) == 4 && Tile::products == 1)
                for (int m = 0; m < Tile::down; m++) round_to_tf32(left[m]);
            reader.columns(right, now, half);
            if constexpr (Tile::products == 3) {
                multiply_apart<Tile>(left, right, sums);
            } else {
#pragma unroll
                for (int m = 0; m < Tile::down; m++)
#pragma unroll
                    for (int n = 0; n < Tile::beside; n++)
                        mma_sync(T(), sums[m][n], left[m], right[n / 2][n % 2 * 2],
                                 right[n / 2][n % 2 * 2 + 1]);
            }
        }
        now = now == last ? stages : now + Tile::stage_bytes;
        next = next == last ? stages : next + Tile::stage_bytes;
    }
}
