// The tiled product of conv.cu: how blocks and threads divide a result, the tiles in shared memory, and the
// loop.

// How the input is read: element by element with any strides; or 16 bytes of neighbouring channels at once;
// and without looking where the image ends, where the filters have one element and there is no padding.
enum Reading { scalar, vector, pointwise };

// How a block divides a tile: each thread makes rows_each x columns_each sums, in squares of 4 x 4.
template <int Rows, int Columns, int RowsEach, int ColumnsEach, int Taps> struct Tiling {
    static const int rows = Rows, columns = Columns, rows_each = RowsEach, columns_each = ColumnsEach;
    static const int across = columns / columns_each, threads = across * (rows / rows_each);
    static const int blocks = 512 / threads;  // at once on a multiprocessor: 128 registers a thread
    static const int taps = Taps;             // vectors are read for filters of at most so many

    // The square's rows lie together, the squares far apart: then 8 neighbouring threads read 128
    // neighbouring bytes.
    __device__ static int row(int m) {
        return threadIdx.x / across * 4 + m / 4 * (rows / (rows_each / 4)) + m % 4;
    }
    __device__ static int column(int n) {
        return threadIdx.x % across * 4 + n / 4 * (columns / (columns_each / 4)) + n % 4;
    }
};
using Large = Tiling<128, 128, 8, 8, 61>;
using Narrow = Tiling<128, 64, 8, 8, 61>;
// in the weight gradient, for which registers do not suffice to be Narrow
using Square = Tiling<64, 64, 8, 4, 61>;
using Small = Tiling<64, 32, 8, 4, 29>;

// Two vectors are the depth of a tile: the 32 bytes of one sector. There is a second tile, to be filled while
// the first is read, where the elements have 4 bytes; with 2 bytes, one tile takes as much memory.
template <class T, class Tile> struct Tiles {
    static const int width = per_access<T>, depth = 2 * width, buffers = sizeof(T) / 2;
    // 4 more a row, and 16 where the two vectors would begin in the same bank: threads put a vector's
    // elements below each other
    static const int below = Tile::rows + 4, half = width * below + (width == 8 ? 16 : 0);
    float a[buffers][2 * half];
    float b[buffers][depth * Tile::columns];

    __device__ static int at(int i, int row) { return i / width * half + i % width * below + row; }

    __device__ static void put(float* to, const Vector<T, width>& values) {  // elements side by side
        for (int e = 0; e < width; e += 4)
            store(to + e, Vector<float, 4>{wide(values.of[e]), wide(values.of[e + 1]), wide(values.of[e + 2]),
                                           wide(values.of[e + 3])});
    }
};

// While the sums of one part of the depth are made, the next one arrives in registers; behind the last, zeros
// that nobody reads.
template <class T, class Tile, class Reader>
__device__ inline void multiply(Reader& reader, Tiles<T, Tile>& tiles,
                                float (&sums)[Tile::rows_each][Tile::columns_each]) {
    using Held = Tiles<T, Tile>;
    bool more = reader.left > 0;
    if (more) {
        reader.fetch();
        reader.put(tiles.a[0], tiles.b[0]);
    }
    __syncthreads();
    for (int now = 0; more; now = (now + 1) % Held::buffers) {
        const float *a = tiles.a[now], *b = tiles.b[now];
        const int next = (now + 1) % Held::buffers;
        more = reader.left > 0;
        reader.fetch();
#pragma unroll(Reader::unrolled)
        for (int i = 0; i < Held::depth; i++) {
            Vector<float, 4> left[Tile::rows_each / 4], right[Tile::columns_each / 4];
            for (int m = 0; m < Tile::rows_each; m += 4) left[m / 4] = load<4>(a + Held::at(i, Tile::row(m)));
            for (int n = 0; n < Tile::columns_each; n += 4)
                right[n / 4] = load<4>(b + i * Tile::columns + Tile::column(n));
            for (int m = 0; m < Tile::rows_each; m++)
                for (int n = 0; n < Tile::columns_each; n++)
                    sums[m][n] += left[m / 4].of[m % 4] * right[n / 4].of[n % 4];
        }
        if (Held::buffers == 1) __syncthreads();  // everybody has read the only tile
        reader.put(tiles.a[next], tiles.b[next]);
        __syncthreads();
    }
}
