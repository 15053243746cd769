// The dense layer: y = x weight^T + bias, and its gradients, as products of tiles of 64 x 64 by blocks of 256
// threads, each with 4 x 4 sums. The depth may be cut into slices, whose number depends on shapes only; the
// last block of a tile adds them up from the first to the last. x is (rows, inputs), weight (outputs,
// inputs).

struct Linear {
    int rows, inputs, outputs, relu;
    int slices, slice_depth;       // of the forward's depth, or of the weight's gradient: how many, how deep
    int input_slices, input_each;  // of the input's gradient
    int input_blocks;              // blocks of the input's gradient, which come first
};

constexpr int TILE = 64, DEPTH = 16;
constexpr int LEFT = TILE * TILE + TILE;  // floats that a slice of a tile leaves: products, and sums of rows

struct alignas(16) LinearRoom {
    float a[DEPTH][TILE + 4], b[DEPTH][TILE + 4];
    int is_last;
};

// A matrix of the product, nothing beyond its ends; where `passes`, a ReLU's output, is not null, only what
// it let through. `deep`: neighbours in memory lie along the depth.
template <class T, bool deep_> struct Operand {
    static const bool deep = deep_;
    const T *of, *passes;
    int sides, depth;  // rows of the left matrix or columns of the right one; and the other extent

    __device__ float at(int side, int i) const {
        if (side >= sides || i >= depth) return 0;
        const long long place = deep ? static_cast<long long>(side) * depth + i
                                     : static_cast<long long>(i) * sides + side;
        return passes && wide(passes[place]) <= 0 ? 0.0f : wide(of[place]);
    }
};

// What a thread brings into a tile: four elements, neighbours in memory beside those of the next thread.
template <class From> __device__ inline int side_of(int j) {
    return From::deep ? (threadIdx.x + 256 * j) / DEPTH : threadIdx.x % TILE;
}
template <class From> __device__ inline int depth_of(int j) {
    return From::deep ? threadIdx.x % DEPTH : (threadIdx.x + 256 * j) / TILE;
}
template <class From>
__device__ inline void fetch(float (&held)[4], const From& from, int first, int i, int end) {
    for (int j = 0; j < 4; j++) {
        const int at = i + depth_of<From>(j);
        held[j] = at < end ? from.at(first + side_of<From>(j), at) : 0;
    }
}
template <class From> __device__ inline void put(float (&tile)[DEPTH][TILE + 4], const float (&held)[4]) {
    for (int j = 0; j < 4; j++) tile[depth_of<From>(j)][side_of<From>(j)] = held[j];
}

// The tile of a product from (row, column) on, for the depth from `begin` to `end`: the thread's rows from
// 4 (thread / 16) on, its columns from 4 (thread % 16) on. `total`: of the thread's row, where it has one.
template <class A, class B>
__device__ inline void multiply(float (&sums)[4][4], float& total, LinearRoom& room, const A& a, const B& b,
                                int row,
                                int column, int begin, int end) {
    const int m = threadIdx.x / 16 * 4, n = threadIdx.x % 16 * 4;
    float left[4], right[4];
    fetch(left, a, row, begin, end);
    fetch(right, b, column, begin, end);
    for (int i = begin; i < end; i += DEPTH) {
        if (i > begin) __syncthreads();  // everybody has read the tiles before
        put<A>(room.a, left);
        put<B>(room.b, right);
        __syncthreads();
        fetch(left, a, row, i + DEPTH, end);
        fetch(right, b, column, i + DEPTH, end);
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            const Vector<float, 4> rows = load<4>(room.a[k] + m), columns = load<4>(room.b[k] + n);
            for (int e = 0; e < 4; e++)
                for (int f = 0; f < 4; f++) sums[e][f] += rows.of[e] * columns.of[f];
        }
        if (threadIdx.x < TILE)
            for (int k = 0; k < DEPTH; k++) total += room.a[k][threadIdx.x];
    }
}

// Leaves a slice's sums, and has the last block add up those of all slices: then, true.
__device__ inline bool add_up(float (&sums)[4][4], float& total, LinearRoom& room, float* partial,
                              unsigned* counters,
                              int tile, int tiles, int slice, int slices) {
    if (slices == 1) return true;
    const int thread = threadIdx.x;
    const long long apart = static_cast<long long>(tiles) * LEFT;
    float* const mine = partial + static_cast<long long>(tile) * LEFT;
    for (int e = 0; e < 4; e++)
        store(mine + slice * apart + (e * 256 + thread) * 4,
              Vector<float, 4>{sums[e][0], sums[e][1], sums[e][2], sums[e][3]});
    if (thread < TILE) mine[slice * apart + TILE * TILE + thread] = total;
    if (!last_block(counters + tile, slices, room.is_last)) return false;
    total = 0;
    for (int e = 0; e < 4; e++)
        for (int f = 0; f < 4; f++) sums[e][f] = 0;
    for (int other = 0; other < slices; other++) {
        for (int e = 0; e < 4; e++) {
            const Vector<float, 4> more = load<4>(mine + other * apart + (e * 256 + thread) * 4);
            for (int f = 0; f < 4; f++) sums[e][f] += more.of[f];
        }
        if (thread < TILE) total += mine[other * apart + TILE * TILE + thread];
    }
    return true;
}

template <class T>
__device__ inline void write(T* result, const float (&sums)[4][4], int row, int column, int rows,
                             int columns) {
    row += threadIdx.x / 16 * 4;
    column += threadIdx.x % 16 * 4;
    for (int e = 0; e < 4 && row + e < rows; e++) {
        T* const to = result + static_cast<long long>(row + e) * columns + column;
        if (columns % 4 == 0 && column < columns)
            store(to, Vector<T, 4>{narrow<T>(sums[e][0]), narrow<T>(sums[e][1]), narrow<T>(sums[e][2]),
                                   narrow<T>(sums[e][3])});
        for (int f = 0; f < 4 && columns % 4 && column + f < columns; f++) to[f] = narrow<T>(sums[e][f]);
    }
}

template <class T>
__global__ void __launch_bounds__(256) linear_forward(const T* x, const T* weight, const T* bias, T* y,
                                                      float* partial, unsigned* counters, Linear by) {
    SHARED(LinearRoom, room);
    const int slice = blockIdx.x % by.slices, tile = blockIdx.x / by.slices,
              across = (by.outputs + TILE - 1) / TILE;
    const int row = tile / across * TILE, column = tile % across * TILE, begin = slice * by.slice_depth;
    float sums[4][4] = {}, total = 0;
    multiply(sums, total, room, Operand<T, true>{x, nullptr, by.rows, by.inputs},
             Operand<T, true>{weight, nullptr, by.outputs, by.inputs}, row, column, begin,
             min(begin + by.slice_depth, by.inputs));
    if (!add_up(sums, total, room, partial, counters, tile, gridDim.x / by.slices, slice, by.slices)) return;
    for (int f = 0; f < 4; f++) {
        const int output = column + threadIdx.x % 16 * 4 + f;
        const float shift = bias && output < by.outputs ? wide(bias[output]) : 0;
        for (int e = 0; e < 4; e++) {
            if (bias) sums[e][f] += shift;
            if (by.relu && sums[e][f] <= 0) sums[e][f] = 0;
        }
    }
    write(y, sums, row, column, by.rows, by.outputs);
}

// dx = dy weight by the first blocks; dweight = dy^T x and dbias by the others, whose counters and slices
// come first. `y` is the output of a ReLU behind the layer, or null; so is a gradient that nobody needs.
template <class T>
__global__ void __launch_bounds__(256, 2) linear_backward(const T* x, const T* weight, const T* y,
                                                          const T* dy, T* dx, T* dweight, T* dbias,
                                                          float* partial, unsigned* counters, Linear by) {
    SHARED(LinearRoom, room);
    float sums[4][4] = {}, total = 0;
    const int others = gridDim.x - by.input_blocks, across = (by.inputs + TILE - 1) / TILE;
    if (static_cast<int>(blockIdx.x) < by.input_blocks) {
        const int slice = blockIdx.x % by.input_slices, tile = blockIdx.x / by.input_slices;
        const int row = tile / across * TILE, column = tile % across * TILE, begin = slice * by.input_each;
        multiply(sums, total, room, Operand<T, true>{dy, y, by.rows, by.outputs},
                 Operand<T, false>{weight, nullptr, by.inputs, by.outputs}, row, column, begin,
                 min(begin + by.input_each, by.outputs));
        if (add_up(sums, total, room, partial + static_cast<long long>(others) * LEFT,
                   counters + others / by.slices,
                   tile, by.input_blocks / by.input_slices, slice, by.input_slices))
            write(dx, sums, row, column, by.rows, by.inputs);
        return;
    }
    const int block = blockIdx.x - by.input_blocks, slice = block % by.slices, tile = block / by.slices;
    const int row = dweight ? tile / across * TILE : tile * TILE, column = dweight ? tile % across * TILE : 0;
    const int begin = slice * by.slice_depth;
    multiply(sums, total, room, Operand<T, false>{dy, y, by.outputs, by.rows},
             Operand<T, false>{x, nullptr, by.inputs, dweight ? by.rows : 0}, row, column, begin,
             min(begin + by.slice_depth, by.rows));
    if (!add_up(sums, total, room, partial, counters, tile, others / by.slices, slice, by.slices)) return;
    if (dweight) write(dweight, sums, row, column, by.outputs, by.inputs);
    const int output = row + threadIdx.x;
    if (dbias && column == 0 && threadIdx.x < TILE && output < by.outputs) dbias[output] = narrow<T>(total);
}
